"""What a system message tells: for programs, which put it into the words of their people."""

from collections.abc import Sequence
from enum import Enum
from typing import Self

import strawberry

from models.messages import Message, SystemKind
from schema.batching import batched
from schema.context import Info
from schema.users import User, users_by_ids


@strawberry.enum(description="What happened in a chat; more kinds may come.")
class SystemMessageKind(Enum):
    TITLE_CHANGED = strawberry.enum_value(
        SystemKind.TITLE_CHANGED.value, description="The sender gave it another title: `text`."
    )
    MEMBER_ADDED = strawberry.enum_value(
        SystemKind.MEMBER_ADDED.value, description="The sender added people."
    )
    MEMBER_JOINED = strawberry.enum_value(
        SystemKind.MEMBER_JOINED.value, description="The sender, who is the subject, came in."
    )
    MEMBER_LEFT = strawberry.enum_value(
        SystemKind.MEMBER_LEFT.value, description="The sender, who is the subject, left."
    )
    MEMBER_REMOVED = strawberry.enum_value(
        SystemKind.MEMBER_REMOVED.value, description="The sender removed the subject."
    )
    MESSAGE_PINNED = strawberry.enum_value(
        SystemKind.MESSAGE_PINNED.value, description="The sender pinned a message."
    )
    MESSAGE_TTL_CHANGED = strawberry.enum_value(
        SystemKind.MESSAGE_TTL_CHANGED.value,
        description="From here on messages stay for so many `seconds`, or for good.",
    )


async def _subjects(objects: Sequence["SystemMessage"], info: Info) -> list[User | None]:
    ids = [each.row.subject_id for each in objects]
    found = await users_by_ids(info.context, [user_id for user_id in ids if user_id])
    people = dict(zip(filter(None, ids), found, strict=True))
    subjects = [people.get(user_id) if user_id else None for user_id in ids]
    return [user if user is not None and not user.is_deleted else None for user in subjects]


@strawberry.type(
    description="What happened in the chat, as facts; the message's sender did it, and its text is "
    "empty. A client says it in the language of whoever reads."
)
class SystemMessage:
    what: SystemMessageKind = strawberry.field(description="What happened.")
    count: int | None = strawberry.field(
        description="How many people came or went; the `subject` is the first of them."
    )
    text: str | None = strawberry.field(description="The new title.")
    seconds: int | None = strawberry.field(
        description="How long messages stay from here on; null for good."
    )
    subject: User | None = batched(
        _subjects,
        known="known_subject",
        description="Whom it happened to; null for nobody, or when the account is gone.",
    )
    row: strawberry.Private[Message]
    # With an event they come along.
    known_subject: strawberry.Private[User | None] = None

    @classmethod
    def of(cls, row: Message, *, subject: User | None = None) -> Self | None:
        """Return what a message tells, with whom it is about if loaded; None for any other one.

        Nothing of one that is deleted or expired.
        """
        details = row.details or {}
        if row.kind != "system" or "what" not in details:
            return None
        return cls(
            what=SystemMessageKind(details["what"]),
            count=details.get("count"),
            text=details.get("text"),
            seconds=details.get("seconds"),
            row=row,
            known_subject=None if subject is not None and subject.is_deleted else subject,
        )
