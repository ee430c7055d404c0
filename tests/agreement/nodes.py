"""Two nodes on one database, in the test's own loop."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

from tests.parts.databases import FILE
from tests.parts.hubbub import run_hubbub
from tests.parts.postgres import running_postgres
from tests.parts.running import Running, running

DATABASES = ("sqlite", "postgresql")


@contextlib.asynccontextmanager
async def two_nodes(url: str) -> AsyncIterator[Sequence[Running]]:
    """Serve a migrated database from two nodes, with no bus between them but the runs' own bell.

    The second one keeps everybody's chats in order in memory, as it does for who is in very many.
    """

    async def nobody(user_id: UUID) -> bool:
        return False

    async with running(url) as one, running(url) as other:
        inboxes = other.program.services.inboxes
        with patch.object(inboxes, "_has_few", nobody):
            yield one, other


@contextlib.contextmanager
def migrated(database: str) -> Iterator[str]:
    """Give the URL of a database with all tables and no rows, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="agreement") as folder, contextlib.ExitStack() as stack:
        directory = Path(folder)
        url = f"sqlite:///{directory / FILE}"
        if database == "postgresql":
            postgres = stack.enter_context(running_postgres())
            url = postgres.url(postgres.create())
        run_hubbub("migrate", directory=directory, HUBBUB_DATABASE_URL=url)
        yield url
