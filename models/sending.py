"""Storing by the batch what comes often: what goes in and what comes out, on whichever database.

A batch is one transaction. Per message it checks, in this order and under the chat's lock, that the
sender is in the chat, whether they used the client's id before, that they may write, that what the
message answers and the thread it goes to are there for them, and that they have waited as long as
the chat wants. Then pointers move and reactions come and go. `models/sending_postgresql.py` and
`models/sending_sqlite.py` do it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
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
# What follows from the others and from the moment, so that it tells no message from another.
_DERIVED = {"mentions_all", "has_link", "expires_at"}

Standing = tuple[str, str]  # the kind of a chat, and a role in it


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what of a send, by their role and the chat's kind; others say what that is."""

    write: frozenset[Standing]
    mention_all: frozenset[Standing]
    hurry: frozenset[Standing]  # as slow mode is not for them


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
    # People whom the text names. Who of them is in the chat is seen when it is stored.
    mentioned: Sequence[UUID] = ()

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

    def stored(
        self,
        seq: int,
        created_at: datetime,
        *,
        expires_at: datetime | None,
        mentions_all: bool,
        thread_number: int | None,
    ) -> Message:
        """Return the message as it has been stored."""
        kept = replace(self.extras, expires_at=expires_at, mentions_all=mentions_all)
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
            thread_number=thread_number,
            **by_name(kept),
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
    MAY_NOT_WRITE = "may not write"  # their role does not cover it
    SILENCED = "silenced"  # by a moderator, or by the other person of a direct chat
    NO_REPLY_TARGET = "no reply target"
    NO_THREAD = "no thread"  # nothing that a thread can start from, or nothing for them to see
    TOO_SOON = "too soon"  # after their last message, in a chat with slow mode
    NO_MESSAGE = "no message"  # absent, deleted, or from before they were in the chat
    TOO_MANY = "too many"  # kinds of reactions
    NOT_IN_SET = "not in set"  # a reaction that the chat does not take
    REACTED = "reacted"  # the message has the reaction, or lacks it, as wanted
    MARKED = "marked"  # the pointers are there, or were beyond


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, with the message as it is now, or the chat in which pointers were moved.

    With `TOO_SOON` goes in how many seconds it may be tried again.
    """

    verdict: Verdict
    message: Message | None = None
    chat: Chat | None = None
    retry_after: int = 0


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


def given(extras: Extras) -> dict[str, Any]:
    """Return what the sender has said of it, without what is as with most messages."""
    return {
        name: value
        for name, value in by_name(extras).items()
        if name not in _DERIVED and value != getattr(PLAIN, name)
    }


def as_json(extras: Mapping[str, Any]) -> str:
    """Return what few messages have as a statement takes it."""
    # By default: asyncpg's UUIDs are of a class of its own.
    return orjson.dumps(extras, default=str).decode()
