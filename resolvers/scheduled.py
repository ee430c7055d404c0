"""Messages for later: what is stored now and sent when its time has come.

The id that the message will have is known from the start, so whoever sends it, and however often
they are killed while they do, it is stored once.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from models import chats, events, messages, scheduled, users
from models.base import UtcDateTime, new_key
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound, Overloaded, RateLimited, Refusal
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.scheduled import Scheduled, ScheduledState
from models.sending import EXTRAS, PLAIN, Extras, by_name
from models.users import UserKind
from models.viewer import Viewer
from realtime.tasks import heed_cancellation
from resolvers.messages import MAX_TEXT, content_hash, send
from resolvers.services import Services, utc_now
from resolvers.text import checked

log = structlog.get_logger(__name__)

MAX_SCHEDULED = 100  # of one person, those that could not be sent among them
AHEAD = timedelta(days=365)

AT_ONCE = 20  # messages that are sent at the same time, each of another person or chat
# A send is given up long before somebody else may take the message.
CLAIMED_FOR = timedelta(seconds=90)
SEND_TIMEOUT = 30.0  # seconds
TRIED_AGAIN_AFTER = timedelta(seconds=5)
GIVEN_UP_AFTER = timedelta(days=1)


async def schedule(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    text: str,
    client_message_id: UUID,
    send_at: datetime,
    reply_to: MessageKey | None = None,
    extras: Extras = PLAIN,
) -> Scheduled:
    """Keep a message to be sent at a moment.

    The client's id makes a retry safe, of this and of the sending. Raises `NotFound`,
    `InvalidInput`, and `Conflict` when there are too many, or the id is in use.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    now = utc_now()
    _check_moment(send_at, now)
    row = Scheduled(
        id=new_key(),
        user_id=viewer.user_id,
        chat_id=chat_id,
        client_message_id=client_message_id,
        content_hash=content_hash(services, chat_id, text, reply_to, extras),
        text=text,
        reply_to_seq=reply_to[1] if reply_to else None,
        extras=None if extras is PLAIN else _stored(extras),
        created_at=now,
        send_at=send_at,
        state=ScheduledState.WAITING.value,
        due_at=send_at,
    )
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        before = await scheduled.of_user(connection, viewer.user_id)
        for each in before:
            if each.client_message_id == client_message_id:
                if each.content_hash == row.content_hash:
                    return each
                raise _used()
        if await messages.is_sent(connection, viewer.user_id, client_message_id):
            raise _used()
        await chats.readable_by(connection, viewer.user_id, chat_id)
        await _check_targets(connection, viewer, chat_id, reply_to, extras)
        if len(before) >= MAX_SCHEDULED:
            raise Conflict(f"At most {MAX_SCHEDULED} messages wait for later: cancel one first.")
        await scheduled.add(connection, row)
        await _tell(connection, row, now)
    services.node.announce_log()
    return row


async def update(
    services: Services, viewer: Viewer, *, id_: UUID, text: str | None, send_at: datetime | None
) -> Scheduled:
    """Give a message that waits another text, or another time; None leaves it as it is.

    One that could not be sent waits again with another time; one that expires lasts as long as
    before. Raises `NotFound`, `InvalidInput`, and `Conflict` when it is being sent.
    """
    now = utc_now()
    if text is not None:
        text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    if send_at is not None:
        _check_moment(send_at, now)
    async with services.db.writing() as connection:
        row = await _own(connection, viewer, id_)
        if await _was_sent(connection, row):
            raise _being_sent()
        if text is not None and row.extras and row.extras["kind"] != MessageKind.TEXT:
            raise InvalidInput("A poll is not edited: cancel it.", path=["text"])
        changed = replace(row, text=row.text if text is None else text)
        if send_at is not None:
            changed = replace(
                changed,
                extras=_put_off(row, send_at),
                send_at=send_at,
                due_at=send_at,
                state=ScheduledState.WAITING.value,
                failure_code=None,
                failure=None,
            )
        if changed == row:
            return row
        if not await scheduled.change(connection, changed, now):
            raise _being_sent()
        await _tell(connection, row, now)
    services.node.announce_log()
    return changed


async def cancel(services: Services, viewer: Viewer, *, id_: UUID) -> None:
    """Forget a message that waits; raises `NotFound`, and `Conflict` when it is being sent."""
    now = utc_now()
    async with services.db.writing() as connection:
        row = await _own(connection, viewer, id_)
        if await _was_sent(connection, row) or not await scheduled.cancel(connection, row.id, now):
            raise _being_sent()
        await _tell(connection, row, now)
    services.node.announce_log()


async def send_now(services: Services, viewer: Viewer, *, id_: UUID) -> Message:
    """Send a message that waits, whatever its time; raises why it cannot be sent.

    Then it waits on. Raises `NotFound`, and `Conflict` when it is being sent, besides.
    """
    now = utc_now()
    async with services.db.writing() as connection:
        row = await _own(connection, viewer, id_)
        held = await scheduled.claim(connection, row.id, now, until=now + CLAIMED_FOR)
    if held is None:
        raise _being_sent()
    try:
        message = await _send(services, viewer, held, now)
    except BaseException:
        async with services.db.writing() as connection:
            failure = None
            if row.failure_code is not None and row.failure is not None:
                failure = row.failure_code, row.failure
            await scheduled.release(connection, held, due_at=row.due_at, failure=failure)
        raise
    await _done(services, held)
    return message


async def send_due(services: Services) -> int:
    """Send what is due, and return how many messages that were; any number of workers may."""
    sent = 0
    while True:
        now = utc_now()
        async with services.db.reading() as connection:
            if not await scheduled.any_due(connection, now):
                return sent
        async with services.db.writing() as connection:
            taken = await scheduled.take(connection, now, until=now + CLAIMED_FOR, limit=AT_ONCE)
        if not taken:
            return sent
        sent += sum(await asyncio.gather(*(_deliver(services, held) for held in taken)))


async def _deliver(services: Services, held: Scheduled) -> bool:
    """Send a message that was taken, or say why not; returns whether it was sent."""
    now = utc_now()
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await _send(services, await _sender(services, held.user_id), held, now)
    except RateLimited as refusal:
        await _wait(services, held, now, timedelta(seconds=refusal.retry_after))
    except Overloaded:
        await _wait(services, held, now, TRIED_AGAIN_AFTER)
    except Refusal as refusal:
        await _fail(services, held, refusal.code, refusal.message)
    except Exception as error:
        heed_cancellation()
        log.exception("scheduled_not_sent", scheduled=str(held.id))
        if not isinstance(error, TimeoutError) and now - held.send_at > GIVEN_UP_AFTER:
            await _fail(services, held, "INTERNAL", "The server could not send it.")
        else:
            await _wait(services, held, now, TRIED_AGAIN_AFTER)
    else:
        await _done(services, held)
        return True
    return False


async def _sender(services: Services, user_id: UUID) -> Viewer:
    """Return whoever has scheduled something, as if they asked now; raises `NotFound`."""
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [user_id])).get(user_id)
    if user is None or not user.may_sign_in:
        raise NotFound("The account")
    # No session of theirs is needed for what they have asked for before.
    return Viewer(user_id, session_id=UUID(int=0), expires_at=utc_now(), kind=UserKind(user.kind))


async def _send(services: Services, viewer: Viewer, held: Scheduled, now: datetime) -> Message:
    extras = PLAIN if held.extras is None else _loaded(held.extras)
    if extras.expires_at is not None:
        # It lasts as long as it was to, whenever it is sent.
        extras = replace(extras, expires_at=extras.expires_at + (now - held.send_at))
    if extras.closes_at is not None and extras.closes_at <= now:
        await _require_sent(services, held)
    return await send(
        services,
        viewer,
        chat_id=held.chat_id,
        text=held.text,
        client_message_id=held.client_message_id,
        reply_to=(held.chat_id, held.reply_to_seq) if held.reply_to_seq is not None else None,
        extras=extras,
    )


async def _require_sent(services: Services, held: Scheduled) -> None:
    """Raise `InvalidInput` for a poll that is closed by now, unless it was sent before that."""
    async with services.db.reading() as connection:
        if not await messages.is_sent(connection, held.user_id, held.client_message_id):
            raise InvalidInput("The poll is closed before it is sent.", path=["scheduledMessageId"])


async def _done(services: Services, held: Scheduled) -> None:
    async with services.db.writing() as connection:
        if await scheduled.remove(connection, held):
            await _tell(connection, held, utc_now())
    services.node.announce_log()


async def _fail(services: Services, held: Scheduled, code: str, words: str) -> None:
    async with services.db.writing() as connection:
        failure = code, words[:200]
        if await scheduled.release(connection, held, due_at=held.due_at, failure=failure):
            await _tell(connection, held, utc_now())
    services.node.announce_log()
    log.info("scheduled_refused", scheduled=str(held.id), code=code)


async def _wait(services: Services, held: Scheduled, now: datetime, wait: timedelta) -> None:
    async with services.db.writing() as connection:
        await scheduled.release(connection, held, due_at=now + wait)


async def _own(connection: Connection, viewer: Viewer, id_: UUID) -> Scheduled:
    row = await scheduled.lock(connection, viewer.user_id, id_)
    if row is None:
        raise NotFound("The scheduled message", path=["scheduledMessageId"])
    return row


async def _was_sent(connection: Connection, row: Scheduled) -> bool:
    """Whether somebody has sent a message and could not say so any more.

    Whoever takes it next sends nothing, and forgets it.
    """
    return row.attempts > 0 and await messages.is_sent(
        connection, row.user_id, row.client_message_id
    )


async def _check_targets(
    connection: Connection,
    viewer: Viewer,
    chat_id: UUID,
    reply_to: MessageKey | None,
    extras: Extras,
) -> None:
    """Raise `NotFound` unless what the message refers to is there for the viewer by now."""
    wanted = {"replyToId": reply_to}
    if extras.thread_root_seq is not None:
        wanted["threadId"] = chat_id, extras.thread_root_seq
    there = await messages.readable_by_keys(
        connection, viewer.user_id, [key for key in wanted.values() if key is not None]
    )
    for path, key in wanted.items():
        if key is None:
            continue
        target = there.get(key)
        if target is None or target.deleted_at is not None or key[0] != chat_id:
            raise NotFound("The message", path=[path])


async def _tell(connection: Connection, row: Scheduled, now: datetime) -> None:
    """Tell the person's devices that something has changed among what they have scheduled."""
    await events.record(
        connection,
        EventKind.SCHEDULED_MESSAGES_CHANGED,
        now=now,
        user_id=row.user_id,
        subject_id=row.chat_id,
    )


def _put_off(row: Scheduled, send_at: datetime) -> dict[str, Any] | None:
    """Return what few messages have of one that is sent at another moment.

    Raises `InvalidInput` for a poll that would be closed by then.
    """
    if row.extras is None:
        return None
    extras = _loaded(row.extras)
    if extras.closes_at is not None and extras.closes_at <= send_at:
        raise InvalidInput("The poll would be closed by then.", path=["sendAt"])
    if extras.expires_at is not None:
        extras = replace(extras, expires_at=extras.expires_at + (send_at - row.send_at))
    return _stored(extras)


def _check_moment(send_at: datetime, now: datetime) -> None:
    if not now < send_at <= now + AHEAD:
        raise InvalidInput(
            f"A message is scheduled for the future, {AHEAD.days} days ahead at most.",
            path=["sendAt"],
        )


def _used() -> Conflict:
    return Conflict("This clientMessageId was used for another message.", path=["clientMessageId"])


def _being_sent() -> Conflict:
    return Conflict("The message is being sent.", path=["scheduledMessageId"])


def _stored(extras: Extras) -> dict[str, Any]:
    """Return what few messages have as JSON takes it."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in by_name(extras).items()
    }


def _loaded(stored: dict[str, Any]) -> Extras:
    """Return what `_stored` made of it; what was not there yet by then is as with most messages."""
    values = {name: value for name, value in stored.items() if name in EXTRAS}
    for name, value in values.items():
        type_ = messages.messages.c[name].type
        if value is not None and isinstance(type_, UtcDateTime):
            values[name] = datetime.fromisoformat(value)
        elif value is not None and type_.python_type is UUID:
            values[name] = UUID(value)
    return Extras(**values)
