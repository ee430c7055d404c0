"""What those who keep order in a chat have done there, for those who do so after them.

Rows are appended and never changed: triggers refuse it, as in the audit log of the server, which is
for its administrators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models import chat_pages
from models.base import UtcDateTime, columns, metadata, new_key
from models.database import Connection


class ChatAct(StrEnum):
    """What was done in a chat."""

    DETAILS_CHANGED = "details_changed"
    SETTINGS_CHANGED = "settings_changed"
    MEMBER_REMOVED = "member_removed"
    ROLE_CHANGED = "role_changed"
    OWNERSHIP_TRANSFERRED = "ownership_transferred"
    MEMBER_BANNED = "member_banned"
    MEMBER_UNBANNED = "member_unbanned"
    MEMBER_SILENCED = "member_silenced"
    MEMBER_UNSILENCED = "member_unsilenced"
    MESSAGE_DELETED = "message_deleted"
    WORD_FILTERS_SET = "word_filters_set"
    JOIN_LINK_CREATED = "join_link_created"
    JOIN_LINK_REVOKED = "join_link_revoked"
    JOIN_REQUEST_APPROVED = "join_request_approved"
    JOIN_REQUEST_DECLINED = "join_request_declined"


# Nothing refers to people or chats here: what was done stays when they are gone.
chat_acts = sa.Table(
    "chat_acts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("act", sa.String(48), nullable=False),
    # None: an administrator of the server, who is not named to the chat.
    sa.Column("actor_id", sa.Uuid),
    sa.Column("subject_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger),
    sa.Column("details", sa.JSON, nullable=False),
    # Keys are UUIDv7, so this lists in the order in which things were done.
    sa.Index("ix_chat_acts_chat_id_id", "chat_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: UUID
    chat_id: UUID
    at: datetime
    act: str
    actor_id: UUID | None
    subject_id: UUID | None
    message_seq: int | None
    details: Mapping[str, Any]


_COLUMNS = columns(chat_acts, Entry)


async def record(
    connection: Connection,
    act: ChatAct,
    *,
    now: datetime,
    chat_id: UUID,
    actor_id: UUID | None,
    subject_id: UUID | None = None,
    message_seq: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an act, in the transaction that does it; `details` hold no messages."""
    await connection.execute(
        chat_acts.insert().values(
            id=new_key(),
            chat_id=chat_id,
            at=now,
            act=act.value,
            actor_id=actor_id,
            subject_id=subject_id,
            message_seq=message_seq,
            details=dict(details or {}),
        )
    )


async def pages(
    connection: Connection, chat_ids: Sequence[UUID], *, after: UUID | None, limit: int
) -> dict[UUID, list[Entry]]:
    """Return a page of what was done in each chat, the newest first."""
    rows = await chat_pages.newest(
        connection, chat_acts, _COLUMNS, chat_ids, after=after, limit=limit
    )
    return {chat_id: [Entry(*row) for row in found] for chat_id, found in rows.items()}
