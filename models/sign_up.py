"""Who may sign up, and the invitations of administrators."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

ONLY = 1  # the id of the table's only row


class SignUpPolicy(StrEnum):
    """Who may become a person of this server."""

    OPEN = "open"
    INVITATION = "invitation"
    CLOSED = "closed"


# One row, which is empty for as long as nobody has changed what the settings say.
sign_up_policy = sa.Table(
    "sign_up_policy",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("policy", sa.String(16)),
    sa.Column("changed_at", UtcDateTime),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # Only the hash: a stolen table lets nobody in.
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    # Whom it is for, if not for whoever has it.
    sa.Column("email", sa.String(254)),
    sa.Column("max_uses", sa.Integer, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
    # None: made on the command line.
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id")),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Leave to sign up, so many times and until then."""

    id: UUID
    email: str | None
    max_uses: int
    uses: int
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


_COLUMNS = columns(invitations, Invitation)
_POLICY = sa.select(sign_up_policy.c.policy).where(sign_up_policy.c.id == ONLY)


def _open(now: datetime) -> sa.ColumnElement[bool]:
    return (
        invitations.c.revoked_at.is_(None)
        & (invitations.c.expires_at > now)
        & (invitations.c.uses < invitations.c.max_uses)
    )


async def policy(connection: Connection) -> SignUpPolicy | None:
    """Return what an administrator has decided, None for nothing."""
    stored = (await connection.execute(_POLICY)).scalar_one_or_none()
    return SignUpPolicy(stored) if stored else None


async def set_policy(connection: Connection, policy: SignUpPolicy, now: datetime) -> None:
    """Store what an administrator has decided."""
    await connection.execute(
        sign_up_policy.update()
        .where(sign_up_policy.c.id == ONLY)
        .values(policy=policy.value, changed_at=now)
    )


async def create_invitation(connection: Connection, invitation: Invitation, hash_: bytes) -> None:
    """Store an invitation with the hash of what it is redeemed by."""
    values = {field.name: getattr(invitation, field.name) for field in fields(invitation)}
    await connection.execute(invitations.insert().values(**values, hash=hash_))


async def open_invitations(
    connection: Connection, now: datetime, *, limit: int
) -> Sequence[Invitation]:
    """Return invitations that can still be used, the newest first."""
    rows = await connection.execute(
        sa.select(*_COLUMNS).where(_open(now)).order_by(invitations.c.id.desc()).limit(limit)
    )
    return [Invitation(*row) for row in rows]


async def redeem(
    connection: Connection, hash_: bytes, email: str | None, now: datetime
) -> UUID | None:
    """Count a use of an invitation; returns its id, None unless it is open and for this address.

    One statement, so that of many who come at once no more get in than may.
    """
    for_them = sa.func.lower(invitations.c.email) == (email or "").lower()
    used: UUID | None = (
        await connection.execute(
            invitations.update()
            .where(
                invitations.c.hash == hash_,
                _open(now),
                invitations.c.email.is_(None) | for_them,
            )
            .values(uses=invitations.c.uses + 1)
            .returning(invitations.c.id)
        )
    ).scalar_one_or_none()
    return used


async def revoke_invitation(connection: Connection, invitation_id: UUID, now: datetime) -> bool:
    """Take an invitation back; returns whether it could be used until now."""
    result = await connection.execute(
        invitations.update()
        .where(invitations.c.id == invitation_id, _open(now))
        .values(revoked_at=now)
    )
    return result.rowcount == 1
