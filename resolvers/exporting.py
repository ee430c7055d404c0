"""Making an export: page by page into a ZIP file, and that piece by piece into the database.

It takes as much memory as a page and a piece. While it is made nobody sees anything of it but the
progress; a worker that ends in the middle leaves its claim to lapse, and the next one begins anew.
"""

import asyncio
import json
from datetime import timedelta
from time import monotonic

import structlog

from models import exports
from models.base import new_key
from models.exports import CHUNK, Claim
from resolvers import export_parts
from resolvers.archive import Archive
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

ATTEMPTS = 5  # a worker that is restarted counts as one
CLAIMED_FOR = timedelta(minutes=2)
# How often a claim is renewed at least, and the progress shown.
RENEWED_EVERY = 2.0  # seconds
KEPT = timedelta(days=7)

_README = """\
This is your data from {server}, as it was on {moment}.

Each .jsonl file has a JSON object a line. Moments are in UTC. manifest.json says how many lines
each file has.

{parts}

Other people's messages are not in it: they are theirs.
"""


class _Lost(Exception):
    """The claim has lapsed, or the person is gone: somebody else decides about the export."""


async def make_next(services: Services) -> bool:
    """Make the export that has waited longest; returns whether there was one."""
    now = utc_now()
    async with services.db.writing() as connection:
        claimed = await exports.claim(connection, new_key(), now, now + CLAIMED_FOR)
    if claimed is None:
        return False
    if claimed.attempts > ATTEMPTS:
        await _give_up(services, claimed)
        return True
    try:
        await _Making(services, claimed).run()
    except _Lost:
        log.info("export_lost", export=str(claimed.export.id))
    except Exception:
        log.exception("export_failed", export=str(claimed.export.id), attempt=claimed.attempts)
        await _leave(services, claimed)
    return True


async def _leave(services: Services, claimed: Claim) -> None:
    if claimed.attempts >= ATTEMPTS:
        await _give_up(services, claimed)
        return
    async with services.db.writing() as connection:
        await exports.release(connection, claimed)


async def _give_up(services: Services, claimed: Claim) -> None:
    async with services.db.writing() as connection:
        await exports.fail(connection, claimed, expires_at=utc_now() + KEPT)


class _Making:
    """One export that is being made."""

    def __init__(self, services: Services, claimed: Claim) -> None:
        self._services = services
        self._claimed = claimed
        self._user_id = claimed.export.user_id
        self._archive = Archive(utc_now())
        self._chunks = 0
        self._size = 0
        self._rows = 0
        self._expected = 0
        self._renewed_at = monotonic()

    async def run(self) -> None:
        """Make it, and give it to its person."""
        parts = export_parts.PARTS
        for part in parts:
            self._expected += await part.count(self._services.db, self._user_id)
        self._archive.text("README.txt", self._readme())
        manifest = {part.name: await self._write(part) for part in parts}
        self._archive.text("manifest.json", json.dumps({"rows": manifest}, indent=2) + "\n")
        self._archive.close()
        await self._store(rest=True)
        async with self._services.db.writing() as connection:
            finished = await exports.finish(
                connection, self._claimed, size=self._size, expires_at=utc_now() + KEPT
            )
        if not finished:
            raise _Lost
        log.info("export_made", export=str(self._claimed.export.id), size=self._size)

    def _readme(self) -> str:
        parts = "\n".join(f"{part.name}.jsonl\n    {part.about}" for part in export_parts.PARTS)
        return _README.format(
            server="Hubbub", moment=f"{utc_now():%Y-%m-%d %H:%M} UTC", parts=parts
        )

    async def _write(self, part: export_parts.Part) -> int:
        before = self._rows
        self._archive.open(f"{part.name}.jsonl")
        async for rows in part.rows(self._services.db, self._user_id):
            # Compressing a page of long messages takes some 20 ms.
            await asyncio.to_thread(self._archive.rows, rows)
            self._rows += len(rows)
            await self._store()
        return self._rows - before

    async def _store(self, *, rest: bool = False) -> None:
        pieces = self._archive.fetch(CHUNK, rest=rest)
        if not pieces and monotonic() - self._renewed_at < RENEWED_EVERY:
            return
        # Something is left to do until the person can have it.
        progress = min(0.99, self._rows / max(1, self._expected))
        until = utc_now() + CLAIMED_FOR
        async with self._services.db.writing() as connection:
            if not await exports.renew(connection, self._claimed, progress=progress, until=until):
                raise _Lost
            for piece in pieces:
                number = self._chunks
                await exports.add_chunk(connection, self._claimed.export.id, number, piece)
                self._chunks += 1
                self._size += len(piece)
        self._renewed_at = monotonic()
