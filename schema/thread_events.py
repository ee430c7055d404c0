"""The subscription to a single thread."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from realtime.cursor import scope_of
from realtime.thread_feed import Sieve, ThreadFeed, ThreadMailbox
from resolvers import threads as use_cases
from schema.context import Info
from schema.cursor import Cursor
from schema.event_types import Event
from schema.events import AFTER, shown
from schema.ids import decode_thread
from schema.sources import source
from schema.threads import THREAD_ID


def subscribe_thread_events(
    info: Info,
    thread_id: Annotated[strawberry.ID, strawberry.argument(description=THREAD_ID)],
    after: Annotated[Cursor | None, AFTER] = None,
) -> AsyncGenerator[Event, None]:
    """Resolve `Subscription.threadEvents`."""
    viewer, services = info.context.signed_in, info.context.services
    root = decode_thread(thread_id, path="threadId")
    chat_id, root_seq = root
    scope = f"{scope_of([chat_id])}/{root_seq}"
    cursors = services.credentials.cursors
    last = info.context.resume_after or after
    start = cursors.decode(last, scope) if last is not None else None

    async def require() -> None:
        async with services.db.reading() as connection:
            await use_cases.require_readable(connection, viewer, root)

    def opened() -> ThreadFeed:
        sieve = Sieve(viewer.user_id, root_seq)
        mailbox = ThreadMailbox(sieve)
        return ThreadFeed(
            services.node.feeds.open(viewer.user_id, [chat_id], start, mailbox), sieve, require
        )

    subscribed: AsyncGenerator[Event, None] = source(
        open=opened,
        show=lambda delivery, cursor: shown(delivery, Cursor(cursor or "")),
        cursor_after=lambda delivery: cursors.encode(delivery.cursor, scope),
        scope=scope,
    )
    return subscribed
