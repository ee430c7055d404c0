"""How the viewer keeps a chat for themselves: muted, in the archive, pinned; and in which order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from models import chats, events, keeping, members, users
from models.chats import Chat
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound
from models.events import EventKind
from models.members import FOR_EVER, Member
from models.viewer import Viewer
from resolvers.services import Services, utc_now

MAX_PINNED = 20  # what is on top of everything is a short list


class Keeping(TypedDict, total=False):
    """How the chat is to be kept: what is absent stays.

    `muted_until` is a moment, `FOR_EVER`, or None for not muted.
    """

    muted_until: datetime | None
    archived: bool
    pinned: bool


def two_ways_to_mute() -> InvalidInput:
    """Return the refusal of muting for good and until a moment at once."""
    return InvalidInput("Give muted or mutedUntil, not both.", path=["mutedUntil"])


async def keep(services: Services, viewer: Viewer, *, chat_id: UUID, changes: Keeping) -> Chat:
    """Keep a chat in another way, and return it; what is so already is no news to anybody.

    Raises `NotFound`, `InvalidInput`, or `Conflict` when as many are pinned as may be.
    """
    now = utc_now()
    _check_moment(changes.get("muted_until"), now)
    async with services.db.writing() as connection:
        # Of one person, one change at a time: pins are counted.
        await users.lock(connection, viewer.user_id)
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        before = (await members.of_chats(connection, viewer.user_id, [chat_id]))[chat_id]
        after = _changed(before, chat, changes, now)
        if changes.get("pinned") and before.pin_position is None:
            after = await _pinned(connection, viewer, after)
        if after == before:
            return chat
        await keeping.store(connection, after)
        await _tell(connection, viewer, chat_id, now)
    services.node.announce_log()
    return chat


async def order_pinned(
    services: Services, viewer: Viewer, *, chat_ids: Sequence[UUID]
) -> list[Chat]:
    """Put the chats that the viewer has pinned into this order, and return them in it.

    Raises `NotFound` for one that the viewer is not in, and `InvalidInput` unless each one that is
    pinned is named once, and nothing else: whoever orders them on one device has seen what was
    pinned on another.
    """
    now = utc_now()
    if len(chat_ids) > MAX_PINNED:
        raise InvalidInput(f"At most {MAX_PINNED} chats are pinned.", path=["chatIds"])
    async with services.db.writing() as connection:
        # As sends do that move pointers in several of them: else each would wait for the other.
        await chats.lock(connection, chat_ids)
        await users.lock(connection, viewer.user_id)
        found = await chats.readable_many(connection, viewer.user_id, chat_ids)
        if len(found) != len(set(chat_ids)):
            raise NotFound("One of the chats", path=["chatIds"])
        pins = await keeping.pinned(connection, viewer.user_id)
        stays = {pin.chat_id: pin.member_id for pin in pins}
        if len(chat_ids) != len(stays) or set(chat_ids) != set(stays):
            raise InvalidInput("Name each chat that is pinned, once.", path=["chatIds"])
        if list(chat_ids) != list(stays):
            await keeping.order(connection, [stays[chat_id] for chat_id in chat_ids])
            for chat_id in chat_ids:
                await _tell(connection, viewer, chat_id, now)
    services.node.announce_log()
    return [found[chat_id] for chat_id in chat_ids]


def _check_moment(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise InvalidInput("A chat is muted until a moment to come.", path=["mutedUntil"])
    if until is not None and until > FOR_EVER:
        raise InvalidInput("That is too far ahead.", path=["mutedUntil"])


def _changed(member: Member, chat: Chat, changes: Keeping, now: datetime) -> Member:
    if "muted_until" in changes:
        member = replace(member, muted_until=changes["muted_until"])
    if "archived" in changes:
        was = keeping.is_archived(member, chat.last_message_seq, now)
        if changes["archived"] and not was:
            member = replace(member, archived_seq=chat.last_message_seq)
        elif not changes["archived"]:
            member = replace(member, archived_seq=None)
    if not changes.get("pinned", True):
        member = replace(member, pin_position=None)
    return member


async def _pinned(connection: Connection, viewer: Viewer, member: Member) -> Member:
    """Return a stay pinned below the others."""
    pins = await keeping.pinned(connection, viewer.user_id)
    if len(pins) >= MAX_PINNED:
        raise Conflict(f"At most {MAX_PINNED} chats can be pinned.", path=["pinned"])
    return replace(member, pin_position=pins[-1].position + 1 if pins else 0)


async def _tell(connection: Connection, viewer: Viewer, chat_id: UUID, now: datetime) -> None:
    await events.record(
        connection,
        EventKind.VIEWER_MEMBERSHIP_CHANGED,
        now=now,
        user_id=viewer.user_id,
        subject_id=chat_id,
    )
