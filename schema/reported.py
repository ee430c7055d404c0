"""Reports, as administrators read them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Self
from uuid import UUID

import strawberry

from models import reports
from models.messages import MessageKind
from models.polls import Definition
from schema.batching import batched
from schema.chats import ChatKind
from schema.connections import Connection
from schema.context import Info
from schema.ids import Kind, encode, encode_message
from schema.reports import ReportReason
from schema.users import User, users_by_ids


@strawberry.enum(description="What was reported.")
class ReportKind(Enum):
    USER = strawberry.enum_value("user", description="A person.")
    MESSAGE = strawberry.enum_value("message", description="A message; the subject has sent it.")
    CHAT = strawberry.enum_value(
        "chat", description="A chat; the subject owned it, or was the other one in a direct chat."
    )


@strawberry.enum(description="What an administrator does about a report, beside closing it.")
class ReportAction(Enum):
    NONE = strawberry.enum_value("none", description="Nothing.")
    DELETE_MESSAGE = strawberry.enum_value(
        "delete_message", description="The reported message is deleted for everybody."
    )
    REMOVE_FROM_CHAT = strawberry.enum_value(
        "remove_from_chat",
        description="The subject leaves the chat that the report is about. Whoever keeps order "
        "there may let them in again.",
    )


async def _senders(objects: Sequence["ReportedMessage"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.sender_id for each in objects])


@strawberry.type(description="An answer of a poll that was reported.")
class ReportedPollOption:
    text: str = strawberry.field(description="What it says.")


@strawberry.type(description="A poll as it was when it was reported.")
class ReportedPoll:
    question: str = strawberry.field(description="What is asked.")
    options: list[ReportedPollOption] = strawberry.field(description="The answers, in their order.")


@strawberry.type(description="A message as it was when it was reported.")
class ReportedMessage:
    id: strawberry.ID = strawberry.field(description="The message's id.")
    seq: int = strawberry.field(description="Its number in the chat.")
    sender: User | None = batched(_senders, description="Who wrote it.")
    text: str = strawberry.field(
        description="What it said; of those around the reported one the beginning."
    )
    sent_at: datetime = strawberry.field(description="When it was sent.")
    edited_at: datetime | None = strawberry.field(description="When its text last changed.")
    poll: ReportedPoll | None = strawberry.field(
        description="What it asked, if it was a poll; its text is the question."
    )
    sender_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, chat_id: UUID, kept: dict[str, Any]) -> Self:
        """Return a message of a report's evidence."""
        edited_at = kept["edited_at"]
        return cls(
            id=strawberry.ID(encode_message((chat_id, kept["seq"]))),
            seq=kept["seq"],
            text=kept["text"],
            sent_at=datetime.fromisoformat(kept["sent_at"]),
            edited_at=datetime.fromisoformat(edited_at) if edited_at else None,
            poll=_poll(kept),
            sender_id=UUID(kept["sender_id"]),
        )


def _poll(kept: dict[str, Any]) -> ReportedPoll | None:
    if kept["kind"] != MessageKind.POLL:
        return None
    asks = Definition.of(kept["details"])
    return ReportedPoll(
        question=kept["text"], options=[ReportedPollOption(text=text) for text in asks.options]
    )


@strawberry.type(description="What was to be read when something was reported.")
class ReportEvidence:
    chat_id: strawberry.ID = strawberry.field(description="The chat's id.")
    kind: ChatKind = strawberry.field(description="What the chat was for.")
    title: str | None = strawberry.field(description="What it was called.")
    description: str | None = strawberry.field(description="What it was about.")
    member_count: int = strawberry.field(description="How many people were in it.")
    messages: list[ReportedMessage] = strawberry.field(
        description="The reported message and a few around it that the reporter could read, oldest "
        "first. None for a chat."
    )

    @classmethod
    def of(cls, chat_id: UUID, kept: dict[str, Any]) -> Self:
        """Return what is kept with a report."""
        return cls(
            chat_id=strawberry.ID(encode(Kind.CHAT, chat_id)),
            kind=ChatKind(kept["kind"]),
            title=kept["title"],
            description=kept["description"],
            member_count=kept["members"],
            messages=[ReportedMessage.of(chat_id, each) for each in kept["messages"]],
        )


async def _reporters(objects: Sequence["Report"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.reporter_id for each in objects])


async def _reported(objects: Sequence["Report"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.subject_id for each in objects])


@strawberry.type(description="What somebody has told about somebody.")
class Report:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    kind: ReportKind = strawberry.field(description="What was reported.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    text: str | None = strawberry.field(description="What happened.")
    created_at: datetime = strawberry.field(description="When it was told.")
    resolved_at: datetime | None = strawberry.field(description="When it was closed.")
    note: str | None = strawberry.field(description="What the administrator noted who closed it.")
    action: ReportAction | None = strawberry.field(
        description="What they did about it; null while it is open."
    )
    message_id: strawberry.ID | None = strawberry.field(description="The message it is about.")
    evidence: ReportEvidence | None = strawberry.field(
        description="What was to be read then, whatever has become of it; null for a person."
    )
    reporter: User | None = batched(_reporters, description="Who told it.")
    subject: User | None = batched(_reported, description="About whom.")
    row: strawberry.Private[reports.Report]

    @classmethod
    def of(cls, row: reports.Report) -> Self:
        """Return a report as administrators see it."""
        message_id = evidence = None
        if row.chat_id is not None and row.message_seq is not None:
            message_id = strawberry.ID(encode_message((row.chat_id, row.message_seq)))
        if row.chat_id is not None and row.evidence is not None:
            evidence = ReportEvidence.of(row.chat_id, row.evidence)
        return cls(
            id=strawberry.ID(encode(Kind.REPORT, row.id)),
            kind=ReportKind(row.kind),
            reason=ReportReason(row.reason),
            text=row.text,
            created_at=row.created_at,
            resolved_at=row.resolved_at,
            note=row.note,
            action=ReportAction(row.action) if row.action else None,
            message_id=message_id,
            evidence=evidence,
            row=row,
        )


@strawberry.type(description="A page of reports, the newest first.")
class ReportConnection(Connection[Report]):
    pass
