"""Bring a database to the newest revision, or to any other."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from models.database import Database
from server.assets import MIGRATIONS

# Any number, the same for everybody: two nodes that start together migrate one after the other.
_ADVISORY_LOCK = 0x48756262


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Return the revision that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations found in {MIGRATIONS}")
    return head


async def current(db: Database) -> str | None:
    """Return the database's revision; None when nothing was ever migrated."""
    async with db.reading() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


async def migrate(db: Database, revision: str = "head") -> None:
    """Move the database up to a revision, in one transaction."""
    await _run(db, command.upgrade, revision)


async def revert(db: Database, revision: str) -> None:
    """Move the database down to a revision, in one transaction."""
    await _run(db, command.downgrade, revision)


async def _run(db: Database, step: Callable[[Config, str], None], revision: str) -> None:
    async with db.writing() as connection:
        if db.dialect == "postgresql":
            await connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
            )
        await connection.run_sync(lambda sync: step(_config(sync), revision))
