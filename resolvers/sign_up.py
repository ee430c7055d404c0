"""Who may sign up: everybody, who is invited, or nobody."""

from datetime import datetime
from uuid import UUID

from accounts import tickets
from models import audit, sign_up
from models.audit import Act
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import InvitationRequired, SignUpClosed
from models.sign_up import SignUpPolicy
from models.viewer import Viewer
from resolvers.services import Services, utc_now


async def policy(services: Services) -> SignUpPolicy:
    """Return who may sign up now."""
    async with services.db.reading() as connection:
        return await _policy(services, connection)


async def _policy(services: Services, connection: Connection) -> SignUpPolicy:
    return await sign_up.policy(connection) or services.sign_up


async def admit(
    services: Services,
    connection: Connection,
    *,
    invitation: str | None,
    email: str | None,
    now: datetime,
) -> UUID | None:
    """Let somebody sign up in the caller's transaction; returns the invitation that was used.

    Raises `SignUpClosed`, or `InvitationRequired` without one that is good.
    """
    current = await _policy(services, connection)
    if current is SignUpPolicy.OPEN:
        return None
    if current is SignUpPolicy.CLOSED:
        raise SignUpClosed
    used = None
    if invitation is not None:
        used = await sign_up.redeem(connection, tickets.hashed(invitation), email, now)
    if used is None:
        raise InvitationRequired
    return used


async def set_policy(
    services: Services, viewer: Viewer, policy: SignUpPolicy, *, client: Client = NOWHERE
) -> None:
    """Decide who may sign up, whatever the settings say."""
    now = utc_now()
    async with services.db.writing() as connection:
        before = await _policy(services, connection)
        await sign_up.set_policy(connection, policy, now)
        await audit.record(
            connection,
            Act.SIGN_UP_POLICY_SET,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            details={"before": before.value, "after": policy.value},
        )
