"""Storing by the batch what comes often: what goes in and what comes out, on whichever database.

A batch is one transaction. Per message it checks, in this order and under the chat's lock, that the
sender is in the chat, whether they used the client's id before, and that what the message answers
is there for them. Then pointers move and reactions come and go. `models/sending_postgresql.py` and
`models/sending_sqlite.py` do it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import orjson

from models.chats import Chat
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind

SENT = EventKind.MESSAGE_SENT.value
NOWHERE = -1  # the number of no message


@dataclass(frozen=True, slots=True)
class Extras:
    """What few messages have; see the columns of `models/messages.py`."""

    kind: str = MessageKind.TEXT.value
    quote: str | None = None
    thread_root_seq: int | None = None
    forward_sender_id: UUID | None = None
    forward_chat_id: UUID | None = None
    forward_seq: int | None = None
    forward_sent_at: datetime | None = None
    mentions_all: bool = False
    has_link: bool = False
    expires_at: datetime | None = None
    details: dict[str, Any] | None = None


PLAIN = Extras()
EXTRAS = [field.name for field in fields(Extras)]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way in."""

    chat_id: UUID
    sender_id: UUID
    client_message_id: UUID
    text: str
    reply_to: MessageKey | None
    content_hash: bytes
    extras: Extras = PLAIN

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What no two stored messages share."""
        return self.sender_id, self.client_message_id

    @property
    def content(self) -> bytes:
        """What tells a repetition from another message."""
        return self.content_hash

    @property
    def place(self) -> UUID:
        """What is locked to store it."""
        return self.chat_id

    @property
    def reply_to_seq(self) -> int | None:
        """The number of what it answers; for a message of another chat one that is never found."""
        if self.reply_to is None:
            return None
        chat_id, seq = self.reply_to
        return seq if chat_id == self.chat_id else NOWHERE

    def stored(self, seq: int, created_at: datetime) -> Message:
        """Return the message as it has been stored."""
        return Message(
            chat_id=self.chat_id,
            seq=seq,
            sender_id=self.sender_id,
            text=self.text,
            reply_to_seq=self.reply_to_seq,
            client_message_id=self.client_message_id,
            created_at=created_at,
            edited_at=None,
            deleted_at=None,
            **by_name(self.extras),
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a chat has reached somebody, and how far they have read; beyond its end is all of it.

    Pointers only move forward, so 0 leaves one where it is.
    """

    chat_id: UUID
    user_id: UUID
    delivered_seq: int
    read_seq: int = 0

    @property
    def key(self) -> tuple[UUID, UUID, int, int]:
        """What tells it from others: several of one person in one chat may share a batch."""
        return self.chat_id, self.user_id, self.delivered_seq, self.read_seq

    @property
    def content(self) -> None:
        """Nothing that the key does not say."""

    @property
    def place(self) -> UUID:
        """What is locked, as for messages: two batches never wait for each other in a circle."""
        return self.chat_id


@dataclass(frozen=True, slots=True)
class Reaction:
    """Somebody reacts to a message, or takes that back."""

    chat_id: UUID
    message_seq: int
    user_id: UUID
    emoji: str
    wanted: bool

    @property
    def key(self) -> tuple[UUID, int, UUID, str]:
        """What is there once or not at all."""
        return self.chat_id, self.message_seq, self.user_id, self.emoji

    @property
    def content(self) -> bool:
        """Whether it is to be there: one and then the other do not share a batch."""
        return self.wanted

    @property
    def place(self) -> UUID:
        """What is locked to store it."""
        return self.chat_id


Change = Outgoing | Mark | Reaction


class Verdict(StrEnum):
    """What became of a change."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # stored before with the same content
    CONFLICT = "conflict"  # its id was used for something else
    NO_CHAT = "no chat"  # absent, or whose change it is is not in it
    NO_REPLY_TARGET = "no reply target"
    NO_MESSAGE = "no message"  # absent, deleted, or from before they were in the chat
    TOO_MANY = "too many"  # kinds of reactions
    REACTED = "reacted"  # the message has the reaction, or lacks it, as wanted
    MARKED = "marked"  # the pointers are there, or were beyond


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, with the message as it is now, or the chat in which pointers were moved."""

    verdict: Verdict
    message: Message | None = None
    chat: Chat | None = None


class Writer(Protocol):
    """One connection that stores batches, one at a time."""

    async def store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        """Store a batch and return what became of each change, after COMMIT.

        None stands for a change that has to wait because somebody else holds its chat. No two
        changes of a batch may have the same key. Raises `Unreachable` when the database is lost
        in the middle, and whatever the driver raises when a row cannot be stored; then nothing is.
        """

    async def close(self) -> None:
        """Let go of the connection."""


def by_kind(
    changes: Sequence[Change],
) -> tuple[list[Outgoing], list[Mark], list[Reaction]]:
    """Return the messages, the marks and the reactions among changes, each in their order."""
    return (
        [change for change in changes if isinstance(change, Outgoing)],
        [change for change in changes if isinstance(change, Mark)],
        [change for change in changes if isinstance(change, Reaction)],
    )


def in_order(
    changes: Sequence[Change],
    sent: Iterable[Outcome],
    marked: Iterable[Outcome],
    reacted: Iterable[Outcome],
) -> Iterator[Outcome]:
    """Yield what became of each change, out of what became of those of each kind."""
    outcomes = {Outgoing: iter(sent), Mark: iter(marked), Reaction: iter(reacted)}
    for change in changes:
        yield next(outcomes[type(change)])


def by_name(extras: Extras) -> dict[str, Any]:
    """Return what few messages have, by the names of the columns."""
    return {name: getattr(extras, name) for name in EXTRAS}


def as_json(extras: Mapping[str, Any]) -> str:
    """Return what few messages have as a statement takes it."""
    # By default: asyncpg's UUIDs are of a class of its own.
    return orjson.dumps(extras, default=str).decode()
