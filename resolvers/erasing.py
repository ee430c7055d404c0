"""The end of an account: what is its own goes, and what is others' stays without its name.

Every step can be done again, so whoever finds an account half erased begins from the first. The
account is closed before anything else, and loses its name last: until then it is known whose rows
are still to go.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from models import audit, deletions, exports, handles, own_data, personal, users
from models.audit import Act
from resolvers import bots
from resolvers.members import leave_all
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended

log = structlog.get_logger(__name__)

BATCH = 500  # rows deleted in one transaction
CHUNK_BATCH = 20  # of 1 MiB each
# Longer than a job may take; then somebody else goes on.
CLAIMED_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Eraser:
    """One noun's part: `erase` leaves nothing of an account's own, however often it is called.

    `owners` are the columns by which it finds what is the account's.
    """

    name: str
    owners: frozenset[str]
    erase: Callable[[Services, UUID], Awaitable[None]]


async def erase_next(services: Services) -> bool:
    """Erase the account that is longest due; returns whether there was one."""
    now = utc_now()
    async with services.db.writing() as connection:
        deletion = await deletions.claim(connection, now, now + CLAIMED_FOR)
        if deletion is None:
            return False
        await users.close(connection, deletion.user_id, now)
        ended = await end_all(connection, deletion.user_id)
    await tell_ended(services, ended)
    await erase(services, deletion.user_id)
    return True


async def erase(services: Services, user_id: UUID) -> None:
    """Erase a closed account."""
    for eraser in ERASERS:
        await eraser.erase(services, user_id)
    async with services.db.writing() as connection:
        await handles.retire(connection, user_id)
        await users.erase(connection, user_id)
        await deletions.finish(connection, user_id)
        await audit.record(
            connection, Act.ACCOUNT_ERASED, now=utc_now(), actor_id=None, subject_id=user_id
        )
    log.info("account_erased", user=str(user_id))


async def _drop_files(services: Services, user_id: UUID) -> None:
    while True:
        async with services.db.writing() as connection:
            dropped = await exports.drop_chunks_of(connection, user_id, limit=CHUNK_BATCH)
        if dropped < CHUNK_BATCH:
            return


async def _erase_bots(services: Services, user_id: UUID) -> None:
    """Erase a person's bots, those that were deleted before among them."""
    await bots.delete_all(services, user_id)
    while True:
        async with services.db.reading() as connection:
            page = await personal.page(connection, own_data.BOTS, user_id, after=None, limit=BATCH)
        if not page.rows:
            return
        for bot in page.rows:
            await erase(services, bot["user_id"])
            # Last: until then it is known whose bot it was.
            async with services.db.writing() as connection:
                await personal.delete(connection, own_data.BOT, bot["user_id"], limit=1)


def rows(owner: Any) -> Eraser:
    """Return what deletes a person's rows of one table, by the column that names them."""

    async def erase(services: Services, user_id: UUID) -> None:
        while True:
            async with services.db.writing() as connection:
                deleted = await personal.delete(connection, owner, user_id, limit=BATCH)
            if deleted < BATCH:
                return

    return Eraser(owner.table.name, frozenset({str(owner)}), erase)


ERASERS: list[Eraser] = [
    Eraser("chats", frozenset({"members.user_id"}), leave_all),
    Eraser("bots", frozenset({"bots.owner_id", "bots.user_id"}), _erase_bots),
    Eraser("files of exports", frozenset(), _drop_files),
    *(rows(owner) for owner in own_data.ERASED),
    # Somebody may have been adding them in the moment in which the account was closed.
    Eraser("chats joined meanwhile", frozenset({"members.user_id"}), leave_all),
]
# What the last step of `erase` does.
LAST = frozenset({"users.id", "user_words.user_id", "handles.user_id", "account_deletions.user_id"})
