"""What an account asks for beside its password, all of it together."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models import passkeys, recovery_codes, totp
from models.database import Connection
from models.passkeys import Passkey
from models.users import users


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """A person's factors; recovery codes are there for who has lost one of the others."""

    totp: bool
    passkeys: Sequence[Passkey]
    recovery_codes_left: int

    @property
    def any(self) -> bool:
        """Whether the password alone is not enough."""
        return self.totp or bool(self.passkeys)


_LOCK = sa.select(users.c.id).where(users.c.id == sa.bindparam("user_id"))


async def of(connection: Connection, user_id: UUID) -> SecondFactors:
    """Return what a person has."""
    app = await totp.of(connection, user_id)
    return SecondFactors(
        totp=app is not None and app.confirmed_at is not None,
        passkeys=await passkeys.of(connection, user_id),
        recovery_codes_left=await recovery_codes.count(connection, user_id),
    )


async def lock(connection: Connection, user_id: UUID) -> SecondFactors:
    """Return what a person has, and let nobody else change it until the transaction ends.

    The last factor takes the recovery codes along: who removes one must see the others.
    """
    await connection.execute(_LOCK.with_for_update(key_share=True), {"user_id": user_id})
    return await of(connection, user_id)


async def remove(connection: Connection, user_id: UUID) -> None:
    """Delete all of them, for an account that ends."""
    await totp.remove(connection, user_id)
    await passkeys.remove_all(connection, user_id)
    await recovery_codes.remove(connection, user_id)
