"""From the log to the queues of webhooks: every event of their chats, once, in the chat's order.

A worker may die at any moment: what is queued, and how far a chat has been read for that, are
stored together. While a queue is full the log itself keeps what follows.
"""

from datetime import datetime
from uuid import UUID

from models import webhook_deliveries, webhooks
from models.database import Connection
from models.events import LoggedEvent
from models.webhook_deliveries import GAP
from models.webhooks import Webhook
from resolvers.services import Services, utc_now

MAX_WAITING = 1000  # deliveries of one webhook that are queued at once
AT_ONCE = 200  # events of one chat that are queued in one transaction
WEBHOOKS_AT_ONCE = 500


async def feed(services: Services) -> None:
    """Queue what has happened; returns when everything that can be queued is."""
    while True:
        async with services.db.reading() as connection:
            behind = await webhooks.behind(connection, full=MAX_WAITING, limit=WEBHOOKS_AT_ONCE)
        moved = False
        for webhook_id in behind:
            moved |= await _feed_one(services, webhook_id)
        if not moved:
            return


async def _feed_one(services: Services, webhook_id: UUID) -> bool:
    """Queue what has happened in a webhook's chats; returns whether it got anywhere."""
    now = utc_now()
    async with services.db.writing() as connection:
        webhook = await webhooks.by_id(connection, webhook_id, lock=True, patient=False)
        if webhook is None or webhook.disabled_at is not None:
            return False
        room = MAX_WAITING - webhook.waiting
        found: list[LoggedEvent] = []
        moved = False
        for chat_id, after, last in await webhooks.chats_behind(connection, webhook_id):
            limit = min(AT_ONCE, room - len(found))
            if limit <= 0:
                break
            seen, events_ = await _of_chat(connection, webhook, chat_id, after, last, limit, now)
            await webhooks.advance(connection, webhook_id, chat_id, seen)
            found += events_
            moved = True
        if found:
            # As they came; within a chat that is their numbers' order too.
            found.sort(key=lambda event: event.id)
            await webhook_deliveries.queue(connection, webhook_id, found)
            await webhooks.change(
                connection,
                webhook_id,
                waiting=webhook.waiting + len(found),
                due_at=webhook.due_at or now,
            )
    return moved


async def _of_chat(
    connection: Connection,
    webhook: Webhook,
    chat_id: UUID,
    after: int,
    last: int,
    limit: int,
    now: datetime,
) -> tuple[int, list[LoggedEvent]]:
    """Return how far a chat has been read, and what of that the webhook is told."""
    happened = await webhook_deliveries.happened(connection, chat_id, after=after, limit=limit)
    kinds = set(webhook.kinds.split())
    told = [event for event in happened if event.kind in kinds]
    first = happened[0].seq if happened else None
    if first != after + 1:
        # Pruned, or lost with a restored backup. It belongs before what is there.
        gap = LoggedEvent(
            id=happened[0].id - 1 if happened else 0,
            chat_id=chat_id,
            user_id=None,
            seq=None,
            kind=GAP,
            actor_id=None,
            subject_id=None,
            message_seq=None,
            created_at=now,
        )
        told.insert(0, gap)
    return (happened[-1].seq or last) if happened else last, told
