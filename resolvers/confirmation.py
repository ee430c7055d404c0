"""Dangerous changes are for who has proved lately to be who they are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from models import audit, passkeys, second_factors, sessions, users
from models.audit import Act
from models.client import Client
from models.database import Connection
from models.errors import (
    BadCredentials,
    BadFactor,
    ConfirmationRequired,
    Forbidden,
    NotFound,
    SecondFactorRequired,
    Unauthenticated,
)
from models.tickets import Purpose
from models.viewer import Viewer
from resolvers import passkey_challenges, passwords
from resolvers.accounts import Checked, check_password
from resolvers.passkey_challenges import Asked
from resolvers.rates import Rate
from resolvers.second_factors import Factor, PasskeyAnswer, limit, prove
from resolvers.services import Services, utc_now
from resolvers.sessions import require_live

log = structlog.get_logger(__name__)

CONFIRMED_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Password:
    """The account's password, which is proof enough where there is no second factor."""

    password: str
    name = "password"


async def require(services: Services, viewer: Viewer, *, confirmed: bool, admin: bool) -> None:
    """Raise unless the viewer is, at this moment, who may do what is asked for.

    `ConfirmationRequired` if that takes a session that was `confirmed` lately, `Forbidden` if it
    takes an administrator, and `Unauthenticated` if the session has ended. What is known of who
    asks is some seconds old, on a socket as old as the socket: here that would be too old.
    """
    async with services.db.reading() as connection:
        session, user = await require_live(connection, viewer)
    if admin and not user.is_admin:
        raise Forbidden("You are not an administrator any more.")
    confirmed_at = session.confirmed_at
    if confirmed and (confirmed_at is None or utc_now() - confirmed_at > CONFIRMED_FOR):
        raise ConfirmationRequired


async def begin_passkey(services: Services, viewer: Viewer) -> Asked:
    """Return what to ask the viewer's passkeys; raises `NotFound` when there are none."""
    now = utc_now()
    async with services.db.writing() as connection:
        known = await passkeys.of(connection, viewer.user_id)
        if not known:
            raise NotFound("A passkey")
        challenge_id, challenge = await passkey_challenges.issue(
            connection, Purpose.PASSKEY_CONFIRMATION, viewer=viewer, now=now
        )
    options = services.credentials.passkeys.request_options(
        challenge, known=[(each.credential_id, each.transports) for each in known]
    )
    return Asked(challenge_id, options)


async def confirm(
    services: Services,
    viewer: Viewer,
    proof: Password | Factor,
    *,
    challenge_id: str | None = None,
    client: Client,
) -> datetime:
    """Let the viewer's session do dangerous things; returns until when.

    `challenge_id` belongs to a passkey's answer. Raises `BadCredentials`, `BadFactor`,
    `ChallengeOver`, `SecondFactorRequired`, `RateLimited`, or `Forbidden` for a password where
    there are none.
    """
    if isinstance(proof, Password):
        passwords.require_enabled(services)
    await services.rates.spend(Rate.CONFIRMATION_OF_ACCOUNT, str(viewer.user_id))
    checked = None
    if isinstance(proof, Password):
        checked = await _check_password(services, viewer, proof.password, client)
    else:
        await limit(services, viewer.user_id, proof)
    now = utc_now()
    async with services.db.writing() as connection:
        if isinstance(proof, Password):
            right = await _still_enough(connection, viewer, checked)
        else:
            right = await _proved(services, connection, viewer, proof, challenge_id, client, now)
        if right:
            await sessions.confirm(connection, viewer.session_id, now)
        await audit.record(
            connection,
            Act.IDENTITY_CONFIRMED if right else Act.IDENTITY_NOT_CONFIRMED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            details={"with": [proof.name]},
        )
    if not right:
        log.info("confirmation_refused", factor=proof.name)
        raise BadCredentials if checked else BadFactor
    return now + CONFIRMED_FOR


async def _proved(
    services: Services,
    connection: Connection,
    viewer: Viewer,
    factor: Factor,
    challenge_id: str | None,
    client: Client,
    now: datetime,
) -> bool:
    challenge = None
    if isinstance(factor, PasskeyAnswer):
        challenge = await passkey_challenges.take(
            connection, challenge_id or "", Purpose.PASSKEY_CONFIRMATION, viewer=viewer, now=now
        )
    return await prove(
        services, connection, viewer.user_id, factor, challenge=challenge, client=client, now=now
    )


async def _still_enough(connection: Connection, viewer: Viewer, checked: Checked | None) -> bool:
    """Whether a password that was right a moment ago proves as much now."""
    factors = await second_factors.lock(connection, viewer.user_id)
    return (
        checked is not None
        and checked.user.id == viewer.user_id
        and checked.password_hash == await users.password_of(connection, viewer.user_id)
        and not factors.any
    )


async def _check_password(
    services: Services, viewer: Viewer, password: str, client: Client
) -> Checked:
    """Return whose the password is, if it proves as much as a log-in of theirs would."""
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [viewer.user_id])).get(viewer.user_id)
        factors = await second_factors.of(connection, viewer.user_id)
    if user is None:
        raise Unauthenticated
    if factors.any:
        raise SecondFactorRequired(path=["password"])
    return await check_password(services, user.handle, password, client=client)
