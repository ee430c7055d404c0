"""Invitations: leave to sign up where not everybody may."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from accounts import tickets
from models import audit, sign_up
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import InvalidInput, NotFound
from models.sign_up import Invitation
from models.viewer import Viewer
from resolvers import emails
from resolvers.services import Services, utc_now

LIFETIME = timedelta(days=7)  # unless another is asked for
MAX_LIFETIME = timedelta(days=365)
MAX_USES = 10_000
SHOWN = 200  # open invitations; the newest


async def create(
    services: Services,
    viewer: Viewer | None,
    *,
    email: str | None = None,
    uses: int = 1,
    expires_at: datetime | None = None,
    client: Client = NOWHERE,
) -> tuple[Invitation, str]:
    """Make an invitation; returns it with its text, which nobody can ask for again.

    Without a viewer it comes from the command line. Raises `InvalidInput`.
    """
    now = utc_now()
    expires_at = expires_at or now + LIFETIME
    if not 1 <= uses <= MAX_USES:
        raise InvalidInput(f"An invitation is for 1 to {MAX_USES} people.", path=["uses"])
    if not now < expires_at <= now + MAX_LIFETIME:
        raise InvalidInput(
            f"An invitation lasts for {MAX_LIFETIME.days} days at most, from now on.",
            path=["expiresAt"],
        )
    invitation = Invitation(
        id=new_key(),
        email=emails.address(email, path="email").text if email is not None else None,
        max_uses=uses,
        uses=0,
        created_by=viewer.user_id if viewer else None,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    text, hash_ = tickets.new()
    async with services.db.writing() as connection:
        await sign_up.create_invitation(connection, invitation, hash_)
        await audit.record(
            connection,
            Act.INVITATION_CREATED,
            now=now,
            actor_id=viewer.user_id if viewer else None,
            session_id=viewer.session_id if viewer else None,
            client=client,
            details={"invitation": str(invitation.id), "uses": uses},
        )
    return invitation, text


async def usable(services: Services) -> Sequence[Invitation]:
    """Return the invitations that can still be used, the newest first."""
    async with services.db.reading() as connection:
        return await sign_up.open_invitations(connection, utc_now(), limit=SHOWN)


async def revoke(
    services: Services, viewer: Viewer, *, invitation_id: UUID, client: Client = NOWHERE
) -> None:
    """Take an invitation back; raises `NotFound` if it could not be used any more."""
    now = utc_now()
    async with services.db.writing() as connection:
        if not await sign_up.revoke_invitation(connection, invitation_id, now):
            raise NotFound("The invitation", path=["invitationId"])
        await audit.record(
            connection,
            Act.INVITATION_REVOKED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            details={"invitation": str(invitation_id)},
        )
