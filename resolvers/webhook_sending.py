"""Sending what webhooks have queued: in order, signed, and again until it arrives or a day is over.

One delivery of a webhook at a time, so that order is kept; many webhooks at a time, but few of one
maker, so that a receiver that is slow or gone holds up its maker's alone. A worker that takes a
webhook sets when it is due again; should the worker die, it is due again by itself, and the
receiver may get one delivery twice, under the same id.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog

from accounts.sealing import SealBroken
from models import events, webhook_deliveries, webhooks
from models.database import Connection
from models.events import EventKind
from models.webhook_deliveries import GAP, PING, Delivery, DeliveryState
from models.webhooks import Webhook
from outbound.errors import OutboundError, Refused
from outbound.signing import HEADER, signature
from realtime.earlier import emptied
from realtime.events import Event, MessageEvent
from realtime.loading import load
from realtime.tasks import heed_cancellation
from resolvers.at_once import keep_busy
from resolvers.services import Services, utc_now
from resolvers.webhook_secrets import Secrets

log = structlog.get_logger(__name__)

# Says what is sent of an event; None for one that concerns nobody any more.
Render = Callable[[Delivery, Event | None], Mapping[str, Any]]

AT_ONCE = 20  # webhooks that are sent to at the same time
OF_ONE_AT_ONCE = 5  # of these, webhooks of one maker
IN_ONE_TURN = 20  # deliveries of one webhook, before the others' turn
# Seconds after which nothing more is begun in a turn: receivers may take ten for each delivery.
TURN = 1.0
# Longer than an attempt takes at most (`outbound/web.py: Patience`); renewed with each.
LEASE = timedelta(minutes=1)
# After an attempt that failed: 10 s, and three times as long after each, up to three hours.
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=3)
JITTER = 0.2  # of a wait, more or less: a receiver that comes back is not met by all at once
# A webhook nothing has reached for so long is disabled.
GIVE_UP_AFTER = timedelta(hours=24)
KEPT = 50  # deliveries of a webhook that are done with, for those who look what became of them
DELIVERY = "Hubbub-Delivery"
GONE = 410  # RFC 9110 §15.5.11: it is to be asked no more


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of sending one delivery."""

    arrived: bool
    status: int | None = None
    problem: str | None = None


async def deliver(services: Services, render: Render) -> None:
    """Send what is due; returns when nothing is."""
    held: Counter[UUID] = Counter()  # by maker

    async def take(limit: int) -> Sequence[Webhook]:
        now = utc_now()
        async with services.db.reading() as connection:
            if not await webhooks.any_due(connection, now):
                return []
        async with services.db.writing() as connection:
            taken = await webhooks.take(
                connection,
                now,
                until=now + LEASE,
                limit=limit,
                of_one=OF_ONE_AT_ONCE,
                held=+held,
            )
        held.update(each.created_by for each in taken)
        return taken

    async def do(webhook: Webhook) -> None:
        try:
            await _take_turn(services, webhook, render)
        finally:
            held[webhook.created_by] -= 1

    await keep_busy(take, do, at_once=AT_ONCE)


async def _take_turn(services: Services, webhook: Webhook, render: Render) -> None:
    until = time.monotonic() + TURN
    for number in range(IN_ONE_TURN):
        async with services.db.reading() as connection:
            delivery = await webhook_deliveries.first(connection, webhook.id)
            event = await _event(connection, delivery) if delivery is not None else None
        if delivery is None:
            attempt = None
        elif event is None and delivery.kind not in (PING, GAP):
            attempt = _Attempt(arrived=False, problem="nothing to tell any more")
            if not await _dropped(services, webhook, delivery, attempt):
                return
            continue
        else:
            attempt = await _sent(services, webhook, delivery, partial(render, delivery, event))
        more = number + 1 < IN_ONE_TURN and time.monotonic() < until
        if not await _noted(services, webhook, delivery, attempt, more=more):
            return


async def _event(connection: Connection, delivery: Delivery) -> Event | None:
    if delivery.kind in (PING, GAP):
        return None
    loaded = await load(connection, [delivery.logged])
    if not loaded:
        return None
    event = loaded[0]
    if isinstance(event, MessageEvent) and delivery.chat_id is not None:
        first = await webhooks.first_message_seq(connection, delivery.webhook_id, delivery.chat_id)
        # Without one the chat has been taken out meanwhile.
        if first is None or event.message.seq < first:
            return emptied(event)
    return event


async def _sent(
    services: Services,
    webhook: Webhook,
    delivery: Delivery,
    payload: Callable[[], Mapping[str, Any]],
) -> _Attempt:
    outbound, now = services.outbound, utc_now()
    try:
        kept = Secrets.opened(outbound.webhook_sealer, webhook.id, webhook.sealed)
    except SealBroken:
        log.error("webhook_unreadable", webhook=str(webhook.id))
        return _Attempt(arrived=False, problem="sealed with another key of this server")
    try:
        body = orjson.dumps(payload())
        headers = {
            "content-type": "application/json",
            HEADER: signature(kept.signing(now), body, int(now.timestamp())),
            DELIVERY: str(delivery.key),
        }
        status = await outbound.web.post(kept.url, body, headers)
    except OutboundError as error:
        result = "refused" if isinstance(error, Refused) else "unreachable"
        outbound.count("webhook", result)
        return _Attempt(arrived=False, problem=str(error))
    except Exception:
        heed_cancellation()
        log.exception("webhook_broken", webhook=str(webhook.id))
        return _Attempt(arrived=False, problem="a bug")
    arrived = 200 <= status < 300
    outbound.count("webhook", "delivered" if arrived else "not_accepted")
    return _Attempt(arrived, status, None if arrived else "the receiver did not accept it")


async def _dropped(
    services: Services, webhook: Webhook, delivery: Delivery, attempt: _Attempt
) -> bool:
    async with services.db.writing() as connection:
        held = await _held(connection, webhook)
        if held is None:
            return False
        await webhook_deliveries.attempted(
            connection,
            delivery,
            state=DeliveryState.DROPPED,
            status=None,
            problem=attempt.problem,
            now=utc_now(),
        )
        await webhooks.change(connection, webhook.id, waiting=max(held.waiting - 1, 0))
    return True


async def _noted(
    services: Services,
    webhook: Webhook,
    delivery: Delivery | None,
    attempt: _Attempt | None,
    *,
    more: bool,
) -> bool:
    """Store what came of an attempt; returns whether the next delivery is to be sent at once."""
    now = utc_now()
    async with services.db.writing() as connection:
        # First the lock, then what waits: whoever queues something takes the same lock before.
        held = await _held(connection, webhook)
        if held is None:
            return False
        if delivery is None or attempt is None:
            await _rest(connection, held, now)
            return False
        if attempt.arrived:
            await webhook_deliveries.attempted(
                connection,
                delivery,
                state=DeliveryState.DELIVERED,
                status=attempt.status,
                problem=None,
                now=now,
            )
            await webhooks.change(
                connection,
                webhook.id,
                waiting=max(held.waiting - 1, 0),
                failing_since=None,
                due_at=now + LEASE if more else now,
            )
            return more
        await webhook_deliveries.attempted(
            connection,
            delivery,
            state=DeliveryState.WAITING,
            status=attempt.status,
            problem=attempt.problem,
            now=now,
        )
        since = held.failing_since or now
        if attempt.status == GONE or now - since >= GIVE_UP_AFTER:
            reason = "the receiver is gone" if attempt.status == GONE else "nothing arrives"
            await disable(connection, held, reason, now)
        else:
            wait = _wait(delivery.attempts)
            await webhooks.change(connection, webhook.id, failing_since=since, due_at=now + wait)
            log.info(
                "webhook_not_delivered",
                webhook=str(webhook.id),
                status=attempt.status,
                reason=attempt.problem,
                attempts=delivery.attempts + 1,
            )
    services.node.announce_log()
    return False


async def _held(connection: Connection, webhook: Webhook) -> Webhook | None:
    """Return a webhook as it is now, locked, if it is still this worker's turn."""
    held = await webhooks.by_id(connection, webhook.id, lock=True)
    if held is None or held.turn != webhook.turn or held.disabled_at is not None:
        return None
    return held


async def _rest(connection: Connection, held: Webhook, now: datetime) -> None:
    """Let a webhook rest if nothing waits; else it is due."""
    waits = await webhook_deliveries.first(connection, held.id) is not None
    await webhook_deliveries.trim(connection, held.id, keep=KEPT)
    values: dict[str, Any] = {"due_at": now} if waits else {"due_at": None, "waiting": 0}
    await webhooks.change(connection, held.id, **values)


async def disable(connection: Connection, held: Webhook, reason: str, now: datetime) -> None:
    """Send to a locked webhook no more, and tell who made it."""
    await webhook_deliveries.drop_waiting(connection, held.id)
    await webhook_deliveries.trim(connection, held.id, keep=KEPT)
    await webhooks.change(
        connection,
        held.id,
        disabled_at=now,
        disabled_reason=reason,
        failing_since=held.failing_since or now,
        due_at=None,
        waiting=0,
    )
    await events.record(
        connection,
        EventKind.WEBHOOK_DISABLED,
        now=now,
        user_id=held.created_by,
        subject_id=held.id,
    )
    log.warning("webhook_disabled", webhook=str(held.id), reason=reason)


def _wait(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts that failed before this one."""
    factor: int = 3 ** min(attempts, 10)
    plain = min(FIRST_WAIT * factor, LONGEST_WAIT)
    return plain * (1 + JITTER * (secrets.randbelow(2001) / 1000 - 1))
