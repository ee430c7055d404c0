"""What every command is made of: settings, a loop, and errors as sentences."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from server.settings import Settings


class CommandFailed(Exception):
    """The command cannot go on; the message says why, and what to do."""


def loaded_settings() -> Settings:
    """Return the settings, with logging set up by them; raises `SettingsError`."""
    from server import environment, logs

    loaded = environment.load()
    logs.configure(loaded.log_format, loaded.log_level, loaded.node_id)
    for sentence in environment.misspelt(os.environ):
        print(f"hubbub: {sentence}", file=sys.stderr)
    return loaded


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop, turning what an owner can mend into a sentence."""
    import sqlalchemy.exc
    import uvloop

    from server.app import NotMigrated
    from server.run import AddressInUse

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except (NotMigrated, AddressInUse) as error:
        raise CommandFailed(str(error)) from None
    except (sqlalchemy.exc.OperationalError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise CommandFailed(
            f"{cause}\nIs HUBBUB_DATABASE_URL right, and is the database up?"
        ) from None
    except KeyboardInterrupt:
        sys.exit(130)


def moment(at: datetime) -> str:
    """Return a moment as people read it."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
