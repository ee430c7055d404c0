"""The audit log is appended to and never changed, whoever asks."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from models import audit
from models.audit import Act, audit_log
from models.database import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHANGES = {
    "update": "UPDATE audit_log SET act = 'nothing'",
    "delete": "DELETE FROM audit_log",
    "replace": "INSERT OR REPLACE INTO audit_log SELECT id, at, 'nothing', actor_id, session_id, "
    "subject_id, address, user_agent, details FROM audit_log",
    "truncate": "TRUNCATE audit_log",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_is_in_the_audit_log_stays_as_it_is(migrated_database_url, change):
    only = {"replace": "sqlite", "truncate": "postgresql"}.get(change, "")
    if not migrated_database_url.startswith(only):
        return  # the other database has no such statement
    db = Database(migrated_database_url)
    try:
        async with db.writing() as connection:
            await audit.record(connection, Act.REGISTERED, now=NOW, actor_id=None)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            async with db.writing() as connection:
                await connection.execute(sa.text(CHANGES[change]))
        async with db.reading() as connection:
            acts = (await connection.execute(sa.select(audit_log.c.act))).scalars().all()
        assert acts == [Act.REGISTERED.value]
    finally:
        await db.close()
