"""Background work: small jobs at intervals, in any number of processes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from models import events, exports, join_requests, leases, sessions, signing_keys, tickets
from realtime.tasks import heed_cancellation
from resolvers import (
    administration,
    erasing,
    expiry,
    exporting,
    guests,
    link_previews,
    mails,
    polls,
    reports,
    retention,
    scheduled,
    webhook_feed,
    webhook_sending,
)
from resolvers.join_links import DECLINED_FOR
from resolvers.services import Services, utc_now
from schema import webhook_payloads
from server.settings import Settings

log = structlog.get_logger(__name__)

# Ended sessions stay a while, for their owner's list and for questions afterwards.
SESSIONS_KEPT = timedelta(days=30)
BATCH = 1000  # rows deleted in one transaction
JOB_TIMEOUT = 300.0  # seconds
EXPORT_TIMEOUT = 6 * 3600.0  # seconds; a claim that is not renewed lapses long before that
RETENTION_TIMEOUT = 3600.0  # seconds; what is done stays done
EXPORT_BATCH = 20  # pieces of 1 MiB deleted in one transaction
EXPORTS_KEPT = timedelta(days=30)  # after their files


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do now and then; doing it twice at once must be harmless."""

    name: str
    every: timedelta
    run: Callable[[Services, Settings], Awaitable[None]]
    timeout: float = JOB_TIMEOUT


async def prune_sessions(services: Services, _: Settings) -> None:
    """Delete sessions that ended long ago."""
    before = utc_now() - SESSIONS_KEPT
    while True:
        async with services.db.writing() as connection:
            pruned = await sessions.prune(connection, before, limit=BATCH)
        if pruned:
            log.info("sessions_pruned", count=pruned)
        if pruned < BATCH:
            return


async def prune_log(services: Services, settings: Settings) -> None:
    """Delete events that nobody can resume from any more."""
    before = utc_now() - timedelta(days=settings.log_days)
    while True:
        async with services.db.writing() as connection:
            pruned = await events.prune(
                connection, before=before, keep=settings.log_events, limit=BATCH
            )
        if pruned:
            log.info("log_pruned", count=pruned)
        if pruned < BATCH:
            return


async def prune_leases(services: Services, _: Settings) -> None:
    """Delete what dead nodes held."""
    async with services.db.writing() as connection:
        pruned = await leases.prune(connection)
    if pruned:
        log.info("leases_pruned", count=pruned)


async def prune_tickets(services: Services, _: Settings) -> None:
    """Delete tickets that nobody used in time."""
    while True:
        async with services.db.writing() as connection:
            pruned = await tickets.prune(connection, utc_now(), limit=BATCH)
        if pruned < BATCH:
            return


async def prune_signing_keys(services: Services, _: Settings) -> None:
    """Delete keys whose tokens have all expired."""
    async with services.db.writing() as connection:
        pruned = await signing_keys.prune(connection, utc_now())
    if pruned:
        log.info("signing_keys_pruned", count=pruned)


async def expire_messages(services: Services, _: Settings) -> None:
    """Take away what messages said whose time is over."""
    if count := await expiry.expire_due(services):
        log.info("messages_expired", count=count)


async def apply_retention(services: Services, _: Settings) -> None:
    """Give their end to the messages that are soon older than the server keeps them."""
    await retention.apply(services)


async def remove_guests(services: Services, _: Settings) -> None:
    """Take guests out of their chats whose links have expired."""
    if count := await guests.remove_ended(services):
        log.info("guests_removed", count=count)


async def reinstate(services: Services, _: Settings) -> None:
    """Let those sign in again whose suspension is over."""
    if count := await administration.reinstate_due(services):
        log.info("users_reinstated", count=count)


async def prune_reports(services: Services, _: Settings) -> None:
    """Delete reports that were closed long ago, with the messages that were kept for them."""
    if count := await reports.prune(services):
        log.info("reports_pruned", count=count)


async def prune_join_requests(services: Services, _: Settings) -> None:
    """Delete requests that were declined long enough ago for their makers to ask again."""
    before = utc_now() - DECLINED_FOR
    while True:
        async with services.db.writing() as connection:
            pruned = await join_requests.prune(connection, before=before, limit=BATCH)
        if pruned < BATCH:
            return


async def make_exports(services: Services, _: Settings) -> None:
    """Make the exports that people have asked for."""
    while await exporting.make_next(services):
        pass


async def prune_exports(services: Services, _: Settings) -> None:
    """Delete files whose time is over, and long afterwards that there were any."""
    now = utc_now()
    async with services.db.writing() as connection:
        expired = await exports.expire(connection, now)
    while True:
        async with services.db.writing() as connection:
            dropped = await exports.drop_chunks(connection, limit=EXPORT_BATCH)
        if dropped < EXPORT_BATCH:
            break
    async with services.db.writing() as connection:
        await exports.prune(connection, now - EXPORTS_KEPT, limit=BATCH)
    if expired:
        log.info("exports_expired", count=len(expired))


async def erase_accounts(services: Services, _: Settings) -> None:
    """Erase the accounts whose waiting time is over."""
    while await erasing.erase_next(services):
        pass


async def follow_links(services: Services, _: Settings) -> None:
    """Queue the links that people have sent."""
    if services.outbound.link_previews:
        await link_previews.follow(services)


async def fetch_link_previews(services: Services, _: Settings) -> None:
    """Fetch previews of the links that are queued."""
    if services.outbound.link_previews:
        await link_previews.fetch(services)


async def prune_link_previews(services: Services, _: Settings) -> None:
    """Forget previews that nobody has linked to for a year."""
    while await link_previews.prune(services, limit=BATCH) == BATCH:
        pass


async def feed_webhooks(services: Services, _: Settings) -> None:
    """Queue what has happened in the chats of webhooks."""
    await webhook_feed.feed(services)


async def send_webhooks(services: Services, _: Settings) -> None:
    """Send what is queued for webhooks."""
    await webhook_sending.deliver(services, webhook_payloads.payload)


async def send_mails(services: Services, _: Settings) -> None:
    """Send what is queued."""
    await mails.deliver(services)


async def close_polls(services: Services, _: Settings) -> None:
    """Close the polls whose time has come."""
    if count := await polls.close_due(services):
        log.info("polls_closed", count=count)


async def send_scheduled(services: Services, _: Settings) -> None:
    """Send the messages whose time has come."""
    if count := await scheduled.send_due(services):
        log.info("scheduled_sent", count=count)


JOBS = [
    Job("send_mails", timedelta(seconds=1), send_mails),
    Job("send_scheduled", timedelta(seconds=0.5), send_scheduled),
    Job("close_polls", timedelta(seconds=1), close_polls),
    Job("follow_links", timedelta(seconds=1), follow_links),
    Job("fetch_link_previews", timedelta(seconds=1), fetch_link_previews),
    Job("feed_webhooks", timedelta(seconds=1), feed_webhooks),
    Job("send_webhooks", timedelta(seconds=1), send_webhooks),
    Job("prune_link_previews", timedelta(hours=1), prune_link_previews),
    Job("expire_messages", timedelta(seconds=1), expire_messages),
    Job("apply_retention", timedelta(hours=1), apply_retention, timeout=RETENTION_TIMEOUT),
    Job("remove_guests", timedelta(seconds=5), remove_guests),
    Job("reinstate", timedelta(seconds=30), reinstate),
    Job("prune_sessions", timedelta(hours=1), prune_sessions),
    Job("prune_tickets", timedelta(minutes=10), prune_tickets),
    Job("prune_log", timedelta(minutes=10), prune_log),
    Job("prune_leases", timedelta(minutes=1), prune_leases),
    Job("prune_signing_keys", timedelta(minutes=10), prune_signing_keys),
    Job("make_exports", timedelta(seconds=5), make_exports, timeout=EXPORT_TIMEOUT),
    Job("erase_accounts", timedelta(minutes=1), erase_accounts),
    Job("prune_reports", timedelta(hours=1), prune_reports),
    Job("prune_join_requests", timedelta(hours=1), prune_join_requests),
    Job("prune_exports", timedelta(minutes=10), prune_exports),
]


async def run(services: Services, settings: Settings) -> None:
    """Do every job at its interval until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for job in JOBS:
            tasks.create_task(_repeat(services, settings, job), name=job.name)


async def _repeat(services: Services, settings: Settings, job: Job) -> None:
    while True:
        try:
            async with asyncio.timeout(job.timeout):
                await job.run(services, settings)
        except Exception:
            heed_cancellation()
            log.exception("job_failed", job=job.name)
        heed_cancellation()  # which a driver may have swallowed, and the job gone on
        await asyncio.sleep(job.every.total_seconds())
