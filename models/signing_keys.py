"""What is stored of the keys that sign access tokens: not the keys, see `accounts/keys.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Raced

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    # Counts the keys. Of two nodes that make one at once, one gets the number.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(16), nullable=False, unique=True),
    sa.Column("salt", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Later than it was made: until then every node has learnt of it.
    sa.Column("signs_from", UtcDateTime, nullable=False),
    # Until the last token that it signed has expired; not known while no key has taken its place.
    sa.Column("verifies_until", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One signing key, as far as it is stored."""

    number: int
    id: str
    salt: bytes
    created_at: datetime
    signs_from: datetime
    verifies_until: datetime | None


_ALL = sa.select(*columns(signing_keys, StoredKey)).order_by(signing_keys.c.number)


async def stored(connection: Connection) -> Sequence[StoredKey]:
    """Return every key that is not deleted yet, the oldest first."""
    return [StoredKey(*row) for row in await connection.execute(_ALL)]


async def add(connection: Connection, key: StoredKey) -> None:
    """Store a new key; raises `Raced` when another one has its number."""
    try:
        await connection.execute(
            signing_keys.insert().values(
                number=key.number,
                id=key.id,
                salt=key.salt,
                created_at=key.created_at,
                signs_from=key.signs_from,
                verifies_until=key.verifies_until,
            )
        )
    except IntegrityError as error:
        raise Raced from error


async def retire_before(connection: Connection, number: int, until: datetime) -> None:
    """Let older keys verify until a moment, and those that end before it no longer than that."""
    ends = signing_keys.c.verifies_until
    await connection.execute(
        signing_keys.update()
        .where(signing_keys.c.number < number, ends.is_(None) | (ends > until))
        .values(verifies_until=until)
    )


async def prune(connection: Connection, now: datetime) -> int:
    """Delete the keys whose tokens have all expired; returns how many went."""
    ended = signing_keys.delete().where(signing_keys.c.verifies_until <= now)
    return (await connection.execute(ended)).rowcount
