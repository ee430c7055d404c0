"""What every test may ask for; each fixture's docstring says what it gives.

Real parts: `database_url` and `migrated_database_url` (the test runs on SQLite and on PostgreSQL),
`postgres_url`, `redis_url`, `kafka_url` (on request), `browser`, `node`, `clients`,
`mail_server`; and `hubbub`,
which starts servers.
"""

from __future__ import annotations

import gc
import signal
from types import FrameType

pytest_plugins = [
    # A module comes after those that it imports: pytest has to see each before it is imported.
    "tests.parts.record",
    "tests.parts.process",
    "tests.parts.postgres",
    "tests.parts.redis",
    "tests.parts.kafka",
    "tests.parts.node",
    "tests.parts.chromium",
    "tests.parts.hubbub",
    "tests.parts.databases",
    "tests.parts.running",
    "tests.outbound.villain",
    "tests.parts.outside",
    "tests.parts.issuer",
    "tests.parts.smtp",
    "tests.parts.world",
    "pytester",
]


def pytest_configure() -> None:
    """Let SIGTERM end the run as Ctrl-C does: with every server stopped."""
    signal.signal(signal.SIGTERM, _interrupt)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what lives as long as the run."""
    gc.collect()
    gc.freeze()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
