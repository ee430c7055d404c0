"""Background work: small jobs at intervals, in any number of processes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from models import events, leases, sessions, tickets
from realtime.tasks import heed_cancellation
from resolvers import mails
from resolvers.services import Services, utc_now
from server.settings import Settings

log = structlog.get_logger(__name__)

# Ended sessions stay a while, for their owner's list and for questions afterwards.
SESSIONS_KEPT = timedelta(days=30)
BATCH = 1000  # rows deleted in one transaction
JOB_TIMEOUT = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do now and then; doing it twice at once must be harmless."""

    name: str
    every: timedelta
    run: Callable[[Services, Settings], Awaitable[None]]


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


async def send_mails(services: Services, _: Settings) -> None:
    """Send what is queued."""
    await mails.deliver(services)


JOBS = [
    Job("send_mails", timedelta(seconds=1), send_mails),
    Job("prune_sessions", timedelta(hours=1), prune_sessions),
    Job("prune_tickets", timedelta(minutes=10), prune_tickets),
    Job("prune_log", timedelta(minutes=10), prune_log),
    Job("prune_leases", timedelta(minutes=1), prune_leases),
]


async def run(services: Services, settings: Settings) -> None:
    """Do every job at its interval until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for job in JOBS:
            tasks.create_task(_repeat(services, settings, job), name=job.name)


async def _repeat(services: Services, settings: Settings, job: Job) -> None:
    while True:
        try:
            async with asyncio.timeout(JOB_TIMEOUT):
                await job.run(services, settings)
        except Exception:
            heed_cancellation()
            log.exception("job_failed", job=job.name)
        await asyncio.sleep(job.every.total_seconds())
