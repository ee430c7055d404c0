"""What a database needs that was restored from a backup: another log."""

from collections.abc import Sequence

import sqlalchemy as sa

from models import log_state
from models.database import Connection
from models.events import events
from models.receipts import receipts

# Deleting millions of rows would take longer than a statement may.
_EMPTY: dict[str, Sequence[sa.Executable]] = {
    "postgresql": [sa.text("TRUNCATE events, receipts")],
    "sqlite": [events.delete(), receipts.delete()],
}


async def begin_log_anew(connection: Connection) -> None:
    """Empty the log and give it another epoch, so that no cursor from before counts any more.

    What is emptied may bear transaction numbers of another PostgreSQL. State stays as it is: chats
    go on with their next event.
    """
    for statement in _EMPTY[connection.dialect.name]:
        await connection.execute(statement)
    await log_state.renew(connection)
