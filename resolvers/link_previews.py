"""Link previews: what the worker makes of links in messages.

It follows the log, so that nobody who sends a message waits for anything, and fetches each URL once
for everybody. Whoever was told of a message without its preview is told again when it is there.
"""

from datetime import datetime, timedelta

import structlog

from models import chats, events, followers, link_previews, messages
from models.database import Connection
from models.errors import RateLimited
from models.events import EventKind, LoggedEvent
from models.link_previews import LinkPreview
from models.links import first_link, link_hash
from models.messages import MessageKey, MessageKind
from outbound.errors import OutboundError, Refused, Unreachable
from outbound.pages import TYPES, described
from outbound.targets import target
from realtime.tasks import heed_cancellation
from resolvers.at_once import keep_busy
from resolvers.rates import Rate
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

FOLLOWER = "link_previews"
# A worker that was away for longer looks at no link from before: the talk has moved on.
PATIENCE = timedelta(minutes=10)
MAX_PAGE = 512 * 1024  # bytes; the head of nearly every page is within the first hundred thousand
AT_ONCE = 8  # pages that are fetched at the same time
# Longer than a fetch takes at most, with its redirects (`outbound/web.py: Patience`).
LEASE = timedelta(minutes=1)
FRESH_FOR = timedelta(hours=24)
# What could not be had is not asked for again before, whoever links to it.
FAILED_FOR = timedelta(hours=1)
ATTEMPTS = 3
FIRST_WAIT = timedelta(seconds=20)  # three times as long after the second
KEPT_FOR = timedelta(days=365)  # after somebody wrote the link last

_TELLING = frozenset({EventKind.MESSAGE_SENT.value, EventKind.MESSAGE_EDITED.value})


async def follow(services: Services) -> None:
    """Look at what was written since the last time, and queue the links in it."""
    now = utc_now()
    async with services.db.reading() as connection:
        if not await followers.has_news(connection, FOLLOWER, now, refresh=PATIENCE / 2):
            return
    async with services.db.writing() as connection:
        read = await followers.read_on(connection, FOLLOWER, now, patience=PATIENCE)
        told = [event for event in read.events if event.kind in _TELLING] if read else []
        found = await messages.by_keys(
            connection,
            {
                (event.chat_id, event.message_seq)
                for event in told
                if event.chat_id and event.message_seq
            },
        )
        added: list[MessageKey] = []
        for event in told:
            if event.chat_id is None or event.message_seq is None:
                continue
            message = found.get((event.chat_id, event.message_seq))
            if message is None or message.deleted_at or message.kind == MessageKind.SYSTEM:
                continue
            link = first_link(message.text)
            if link and await _want(services, connection, link, message, event, now):
                added.append((message.chat_id, message.seq))
    for key in added:
        await _tell(services, key, None)


async def _want(
    services: Services,
    connection: Connection,
    link: str,
    message: messages.Message,
    event: LoggedEvent,
    now: datetime,
) -> bool:
    """Have a link looked at unless that was done lately.

    Returns whether its preview has come between the message and now, so that it is to be told.
    """
    hash_ = link_hash(link)
    known = (await link_previews.by_hashes(connection, [hash_])).get(hash_)
    if known is not None and known.fetched_at and now - known.fetched_at < FRESH_FOR:
        await link_previews.want(connection, link, now, due=False)
        return known.fetched_at >= event.created_at
    if known is not None and known.failed_at and now - known.failed_at < FAILED_FOR:
        return False
    try:
        services.outbound.web.target(link)
        if known is None or known.due_at is None:
            await services.rates.spend(Rate.LINK_PREVIEW, str(message.sender_id))
    except (Refused, RateLimited):
        return False
    await link_previews.want(connection, link, now, due=known is None or known.due_at is None)
    # Of a link that has an older preview, everybody sees that until they fetch it anew.
    await link_previews.wait(connection, hash_, (message.chat_id, message.seq))
    return False


async def fetch(services: Services) -> None:
    """Fetch what is queued; returns when nothing is due any more."""

    async def take(limit: int) -> list[LinkPreview]:
        now = utc_now()
        async with services.db.reading() as connection:
            if not await link_previews.any_due(connection, now):
                return []
        async with services.db.writing() as connection:
            return list(await link_previews.take(connection, now, until=now + LEASE, limit=limit))

    async def do(preview: LinkPreview) -> None:
        await _fetch(services, preview)

    await keep_busy(take, do, at_once=AT_ONCE)


async def _fetch(services: Services, preview: LinkPreview) -> None:
    web = services.outbound.web
    try:
        await services.rates.spend(Rate.LINK_PREVIEW_OF_HOST, target_host(preview.url))
        page = await web.get(preview.url, types=TYPES, maximum=MAX_PAGE)
        found = described(page)
    except RateLimited as refusal:
        await _put_off(services, preview, timedelta(seconds=refusal.retry_after))
        return
    except Unreachable as error:
        if preview.attempts < ATTEMPTS:
            services.outbound.count("link_preview", "later")
            await _put_off(services, preview, FIRST_WAIT * 3 ** (preview.attempts - 1))
            return
        await _fail(services, preview, error)
        return
    except OutboundError as error:
        await _fail(services, preview, error)
        return
    except Exception as error:
        heed_cancellation()
        log.exception("link_preview_broken")
        await _fail(services, preview, error)
        return
    values = {
        "title": found.title,
        "description": found.description,
        "site_name": found.site_name,
        "image_url": found.image_url,
    }
    async with services.db.writing() as connection:
        waiting = await link_previews.store(connection, preview, values, utc_now())
    services.outbound.count("link_preview", "fetched")
    for key in waiting:
        await _tell(services, key, preview.hash)


def target_host(url: str) -> str:
    """Return the host of a URL that was read before; raises `BadTarget`."""
    return target(url, range(1, 65536)).host


async def _put_off(services: Services, preview: LinkPreview, wait: timedelta) -> None:
    async with services.db.writing() as connection:
        await link_previews.put_off(connection, preview, utc_now() + wait)


async def _fail(services: Services, preview: LinkPreview, error: Exception) -> None:
    # No URL in the log: it is part of what people have written.
    reason = str(error) if isinstance(error, OutboundError) else "a bug"
    log.info("link_preview_failed", reason=reason, attempts=preview.attempts)
    services.outbound.count("link_preview", "failed")
    async with services.db.writing() as connection:
        await link_previews.fail(connection, preview, utc_now())


async def _tell(services: Services, key: MessageKey, waited_for: bytes | None) -> None:
    """Tell a chat that a message has a preview now, if it still has that link.

    `waited_for` is what it waited for; None if it never had to.
    """
    chat_id, seq = key
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        if waited_for is not None and not await link_previews.told(connection, waited_for, key):
            return  # told already
        message = await messages.by_key(connection, chat_id, seq)
        if message is None or not await link_previews.of_messages(connection, {key: message}):
            return
        await events.record(
            connection,
            EventKind.LINK_PREVIEW_ADDED,
            now=utc_now(),
            chat_id=chat_id,
            seq=await chats.next_event_seq(connection, chat_id),
            message_seq=seq,
        )
    services.node.announce_log()


async def prune(services: Services, *, limit: int) -> int:
    """Forget some previews that nobody has linked to for long; returns how many."""
    async with services.db.writing() as connection:
        return await link_previews.prune(connection, utc_now() - KEPT_FOR, limit=limit)
