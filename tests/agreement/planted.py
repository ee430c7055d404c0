"""Faults to plant, to see that a run finds them; nothing of this is in the product.

Each takes one guarantee away while its block runs, by its name in the product.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from models import history, marking, mentions
from models import members as rows
from models.database import Connection
from models.events import EventKind
from models.members import members
from models.messages import Message
from realtime import feed
from realtime.hub import Hub
from resolvers import blocks, entering, keeping
from resolvers.locked_chat import LockedChat

Plant = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and what people do more often than else when it is looked for."""

    plant: Plant
    likely: Sequence[str]


FAULTS: dict[str, Fault] = {}


def fault(*likely: str) -> Callable[[Plant], Plant]:
    def note(plant: Plant) -> Plant:
        FAULTS[plant.__name__] = Fault(plant, likely)
        return plant

    return note


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a fault inside the block."""
    try:
        FAULTS[name].plant()
        yield
    finally:
        patch.stopall()


def _replace(owner: Any, name: str, by: Any) -> None:
    """Replace something that is there; a fault planted beside the product would prove nothing."""
    patch.object(owner, name, by).start()


def _reword(owner: Any, name: str, before: str, after: str) -> None:
    """Let a statement say something else, in which `before` has to stand."""
    statement = getattr(owner, name)
    text = statement.text if isinstance(statement, sa.TextClause) else statement
    if before not in text:
        raise LookupError(f"{owner.__name__}.{name} does not say {before!r}")
    text = text.replace(before, after)
    if isinstance(statement, sa.sql.selectable.TextualSelect):
        raise LookupError(f"{owner.__name__}.{name} has columns of its own")
    _replace(owner, name, sa.text(text) if isinstance(statement, sa.TextClause) else text)


@fault("add_members")
def unread_off_by_one() -> None:
    """Who comes in has the last message from before to read."""
    stay = entering._stay

    def stay_with_one(chat: Any, *given: Any, **named: Any) -> Any:
        made = stay(chat, *given, **named)
        object.__setattr__(made, "read_seq", max(0, made.read_seq - 1))
        return made

    _replace(entering, "_stay", stay_with_one)


@fault("change_role", "transfer_ownership")
def role_change_untold() -> None:
    """Somebody gets another role, and the log says nothing of it."""
    record = LockedChat.record

    async def silent(self: LockedChat, kind: EventKind, **given: Any) -> int:
        if kind is EventKind.MEMBER_ROLE_CHANGED:
            return 0
        return await record(self, kind, **given)

    _replace(LockedChat, "record", silent)


@fault("mark")
def pointer_goes_back() -> None:
    """Marking something as read sets the pointer there, wherever it stood."""
    _reword(marking, "_MARK", "read_seq = max(read_seq, :read)", "read_seq = :read")
    _reword(marking, "_MARK", "AND (delivered_seq < :delivered OR read_seq < :read)", "")


@fault("leave_chat", "remove_member")
def ex_member_hears() -> None:
    """Who leaves a chat goes on hearing it."""
    _replace(Hub, "_evict", lambda self, user_id, chat_id: None)


@fault("delete_message")
def tombstones_skipped() -> None:
    """A history leaves out what was deleted."""
    pages = history.pages

    async def without(*given: Any, **named: Any) -> dict[Any, list[Message]]:
        found = await pages(*given, **named)
        return {key: [m for m in page if m.deleted_at is None] for key, page in found.items()}

    _replace(history, "pages", without)


@fault("send_message", "delete_message")
def mention_stays() -> None:
    """What is deleted goes on mentioning people."""

    async def forget(connection: Connection, key: Any) -> None:
        return None

    _replace(mentions, "forget", forget)


@fault("block_user", "send_to_person")
def block_silences_nobody() -> None:
    """Who is blocked goes on writing in the direct chat that there is."""

    async def settle(*given: Any) -> None:
        return None

    _replace(blocks, "_settle", settle)


@fault("keep_chat")
def archive_forgets() -> None:
    """What is put into the archive is not told to other devices."""

    async def quiet(*given: Any) -> None:
        return None

    _replace(keeping, "_tell", quiet)


@fault()
def replay_skips_one() -> None:
    """A device that was away is not told the first thing that it missed."""
    batch = feed.EventFeed._batch

    async def skipping(
        self: Any, missed: Any, until: Any, *, last_id: int = 0
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(batch(self, missed, until, last_id=last_id)) as told:
            async for _ in told:
                break
            async for delivery in told:
                yield delivery

    _replace(feed.EventFeed, "_batch", skipping)


@fault("pin_message")
def system_message_unread_by_its_maker() -> None:
    """Who does what a chat tells of has that to read."""

    async def stay_behind(connection: Connection, member_id: Any, seq: int) -> None:
        await connection.execute(
            members.update().where(members.c.id == member_id).values(delivered_seq=seq)
        )

    _replace(rows, "advance", stay_behind)
