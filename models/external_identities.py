"""External identities: whom another issuer means by its names for people.

An issuer's name for somebody (`sub`) is never reused and never changes; an address or a handle may,
so neither finds an account.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Raced

external_identities = sa.Table(
    "external_identities",
    metadata,
    sa.Column("issuer", sa.String(255)),
    sa.Column("subject", sa.String(255)),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # When the newest token was issued whose roles were taken over: an older one, which is good for
    # some minutes more, gives nothing back that was taken away.
    sa.Column("claims_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("issuer", "subject"),
    sa.Index("ix_external_identities_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """One person as one issuer knows them."""

    issuer: str
    subject: str
    user_id: UUID
    created_at: datetime
    claims_at: datetime


_COLUMNS = columns(external_identities, ExternalIdentity)
_OF = sa.select(*_COLUMNS).where(
    external_identities.c.issuer == sa.bindparam("issuer"),
    external_identities.c.subject == sa.bindparam("subject"),
)


async def find(connection: Connection, issuer: str, subject: str) -> ExternalIdentity | None:
    """Return whom an issuer means, if they were here before."""
    values = {"issuer": issuer, "subject": subject}
    row = (await connection.execute(_OF, values)).one_or_none()
    return ExternalIdentity(*row) if row else None


async def vouched_for(connection: Connection, user_id: UUID) -> bool:
    """Whether another issuer vouches for somebody."""
    found = sa.select(external_identities.c.subject).where(external_identities.c.user_id == user_id)
    return (await connection.execute(found.limit(1))).first() is not None


async def create(connection: Connection, identity: ExternalIdentity) -> None:
    """Store whom an issuer means; raises `Raced` when somebody just did."""
    try:
        await connection.execute(
            external_identities.insert().values(
                issuer=identity.issuer,
                subject=identity.subject,
                user_id=identity.user_id,
                created_at=identity.created_at,
                claims_at=identity.claims_at,
            )
        )
    except IntegrityError as error:
        raise Raced from error


async def take_claims(
    connection: Connection, identity: ExternalIdentity, issued_at: datetime
) -> bool:
    """Note how new the newest token is; returns whether this one is newer than all before it."""
    result = await connection.execute(
        external_identities.update()
        .where(
            external_identities.c.issuer == identity.issuer,
            external_identities.c.subject == identity.subject,
            external_identities.c.claims_at < issued_at,
        )
        .values(claims_at=issued_at)
    )
    return result.rowcount == 1
