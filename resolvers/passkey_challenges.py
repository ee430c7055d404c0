"""What passkeys are asked to sign, each good for one answer to one question."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts import tickets as ticket_secrets
from accounts.passkeys import CHALLENGE_BYTES
from models import tickets
from models.database import Connection
from models.errors import ChallengeOver
from models.tickets import Purpose
from models.viewer import Viewer

# For a person to find their phone, unlock it, and type.
CHALLENGE_LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authenticator is asked, and the id to come back with."""

    challenge_id: str
    options: str


async def issue(
    connection: Connection, purpose: Purpose, *, viewer: Viewer | None, now: datetime
) -> tuple[str, bytes]:
    """Store a challenge for a session, or for whoever it is; returns its id, and itself."""
    text, hash = ticket_secrets.new()
    challenge = fresh()
    await tickets.issue(
        connection,
        hash=hash,
        purpose=purpose,
        user_id=viewer.user_id if viewer is not None else None,
        data={"challenge": kept(challenge), "session": _session(viewer)},
        now=now,
        expires_at=now + CHALLENGE_LASTS,
    )
    return text, challenge


async def take(
    connection: Connection,
    challenge_id: str,
    purpose: Purpose,
    *,
    viewer: Viewer | None,
    now: datetime,
) -> bytes:
    """Return a challenge, which is spent with this; raises `ChallengeOver`.

    Somebody else's, or another session's, is none, and stays good.
    """
    ticket = await tickets.take(connection, ticket_secrets.hashed(challenge_id), purpose, now)
    challenge = of(ticket.data) if ticket is not None else None
    if ticket is None or challenge is None or ticket.data["session"] != _session(viewer):
        raise ChallengeOver
    return challenge


def fresh() -> bytes:
    """Return what an authenticator is to sign."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def kept(challenge: bytes) -> str:
    """Return a challenge as a ticket's data keeps it."""
    return base64.b64encode(challenge).decode()


def of(data: Mapping[str, str | None]) -> bytes | None:
    """Return the challenge that a ticket's data keeps, None if there is none."""
    text = data.get("challenge")
    return base64.b64decode(text) if text else None


def _session(viewer: Viewer | None) -> str | None:
    return str(viewer.session_id) if viewer is not None else None
