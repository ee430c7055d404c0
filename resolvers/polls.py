"""Asking people what they think, and counting what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from models import chats, events, messages, polls
from models.database import Connection
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.polls import Definition, Tally
from models.sending import Extras
from models.viewer import Viewer
from resolvers.locked_chat import LockedChat, changing
from resolvers.permissions import Act, allows, require_not_silenced
from resolvers.services import Services, utc_now
from resolvers.text import checked, line

MAX_QUESTION = 300  # characters
FEWEST_OPTIONS = 2
MAX_OPTIONS = 12
MAX_OPTION = 100  # characters
CLOSES_WITHIN = timedelta(days=365)
AT_ONCE = 100  # polls that the worker looks up together


@dataclass(frozen=True, slots=True)
class Asked:
    """A poll as somebody wants to send it."""

    question: str
    options: Sequence[str]
    multiple: bool = False
    anonymous: bool = False
    closes_at: datetime | None = None


def as_extras(poll: Asked, *, now: datetime) -> Extras:
    """Return what a message has that is this poll; raises `InvalidInput`.

    `now` is when it is sent, from which its time is counted. A moment that is past is not refused
    here but where it is known whether the poll was stored before: see `require_time_left`.
    """
    checked(poll.question, what="The question", maximum=MAX_QUESTION, path=["poll", "question"])
    if not FEWEST_OPTIONS <= len(poll.options) <= MAX_OPTIONS:
        raise InvalidInput(
            f"A poll has {FEWEST_OPTIONS} to {MAX_OPTIONS} answers.", path=["poll", "options"]
        )
    options = [
        line(option, what="The answer", maximum=MAX_OPTION, path=["poll", "options"])
        for option in poll.options
    ]
    if len({option.casefold() for option in options}) < len(options):
        raise InvalidInput("Two of the answers are the same.", path=["poll", "options"])
    if poll.closes_at is not None and poll.closes_at > now + CLOSES_WITHIN:
        raise InvalidInput(
            f"A poll closes within {CLOSES_WITHIN.days} days.", path=["poll", "closesAt"]
        )
    asks = Definition(options, poll.multiple, poll.anonymous, poll.closes_at)
    return Extras(kind=MessageKind.POLL.value, closes_at=poll.closes_at, details=asks.as_details())


async def require_time_left(
    services: Services, viewer: Viewer, poll: Asked, client_message_id: UUID, *, now: datetime
) -> None:
    """Raise `InvalidInput` for a poll that is closed before anybody sees it.

    One that was stored before is let through: whoever repeats it gets it, closed by now.
    """
    if poll.closes_at is None or poll.closes_at > now:
        return
    async with services.db.reading() as connection:
        if await messages.is_sent(connection, viewer.user_id, client_message_id):
            return
    raise InvalidInput("A poll closes in the future.", path=["poll", "closesAt"])


async def vote(
    services: Services, viewer: Viewer, *, key: MessageKey, options: Sequence[int]
) -> Message:
    """Replace the viewer's votes in a poll, which none takes back; returns the message.

    Repeating it changes nothing. Raises `NotFound`, `InvalidInput`, `Forbidden` for who is
    silenced, and `Conflict` once the poll is closed.
    """
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message, poll, tally = await _poll(locked, key, now)
        require_not_silenced(locked.me, now, path=["messageId"])
        if poll.closed(tally, now):
            raise Conflict("The poll is closed.", path=["messageId"])
        wanted = _checked_options(poll, options)
        before = (await polls.of_user(locked.connection, viewer.user_id, [key]))[key]
        if wanted != before:
            await polls.choose(locked.connection, key, viewer.user_id, wanted)
            counts = [
                tally.of(option) - (option in before) + (option in wanted)
                for option in range(len(poll.options))
            ]
            voters = tally.voters - bool(before) + bool(wanted)
            await polls.store(locked.connection, key, Tally(counts, voters))
            actor_id = None if poll.anonymous else viewer.user_id
            await _tell(locked.connection, key, actor_id=actor_id, now=now)
    return message


async def close(services: Services, viewer: Viewer, *, key: MessageKey) -> Message:
    """Let nobody vote any more; closing it again changes nothing. Returns the message.

    Raises `NotFound`, `InvalidInput`, and `Forbidden` for who has not asked.
    """
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message, poll, tally = await _poll(locked, key, now)
        own = message.sender_id == viewer.user_id
        if not own and not allows(locked.chat, locked.me, Act.DELETE_OTHERS_MESSAGES):
            raise Forbidden("You may close your own polls only.", path=["messageId"])
        if not poll.closed(tally, now):
            await _close(locked.connection, key, poll, tally, closed_at=now)
            await _tell(locked.connection, key, actor_id=viewer.user_id, now=now)
    return message


async def close_due(services: Services) -> int:
    """Close the polls whose time has come, and return how many there were.

    Any number of workers may do it at once: it is decided under each chat's lock.
    """
    closed = 0
    while True:
        now = utc_now()
        async with services.db.reading() as connection:
            keys = await polls.due(connection, now, limit=AT_ONCE)
        if not keys:
            return closed
        for chat_id, of_chat in groupby(sorted(keys), lambda key: key[0]):
            async with services.db.writing() as connection:
                await chats.lock(connection, [chat_id])
                for key in of_chat:
                    closed += await _close_when_due(connection, key, now)
            services.node.announce_log()


async def _close_when_due(connection: Connection, key: MessageKey, now: datetime) -> bool:
    """Close a poll of a locked chat unless somebody has done so meanwhile; returns whether."""
    message = await messages.by_key(connection, *key)
    if message is None or message.closes_at is None:
        return False
    poll = polls.definition(message)
    tally = (await polls.tallies(connection, [key]))[key]
    if poll is None or tally.closed_at is not None:
        await polls.settle(connection, key)
        return False
    await _close(connection, key, poll, tally, closed_at=message.closes_at)
    await _tell(connection, key, actor_id=None, now=now)
    return True


async def _poll(
    locked: LockedChat, key: MessageKey, now: datetime
) -> tuple[Message, Definition, Tally]:
    """Return a poll that the viewer may read, with its tally."""
    message = await messages.by_key(locked.connection, *key)
    if (
        message is None
        or message.deleted_at is not None
        or message.seq < locked.me.first_message_seq
        or (message.expires_at is not None and message.expires_at <= now)
    ):
        raise NotFound("The message", path=["messageId"])
    poll = polls.definition(message)
    if poll is None:
        raise InvalidInput("The message is no poll.", path=["messageId"])
    return message, poll, (await polls.tallies(locked.connection, [key]))[key]


def _checked_options(poll: Definition, options: Sequence[int]) -> list[int]:
    wanted = sorted(options)
    if wanted and not (wanted[0] >= 0 and wanted[-1] < len(poll.options)):
        raise InvalidInput("The poll has no such answer.", path=["options"])
    if len(set(wanted)) < len(wanted):
        raise InvalidInput("Name each answer once.", path=["options"])
    if len(wanted) > 1 and not poll.multiple:
        raise InvalidInput("This poll takes one answer.", path=["options"])
    return wanted


async def _close(
    connection: Connection, key: MessageKey, poll: Definition, tally: Tally, *, closed_at: datetime
) -> None:
    counts = [tally.of(option) for option in range(len(poll.options))]
    await polls.store(connection, key, Tally(counts, tally.voters, closed_at))
    await polls.settle(connection, key)


async def _tell(
    connection: Connection, key: MessageKey, *, actor_id: UUID | None, now: datetime
) -> None:
    """Append to the log that a poll has changed; of an anonymous one without by whom."""
    chat_id, message_seq = key
    await events.record(
        connection,
        EventKind.POLL_CHANGED,
        now=now,
        chat_id=chat_id,
        seq=await chats.next_event_seq(connection, chat_id),
        actor_id=actor_id,
        message_seq=message_seq,
    )
