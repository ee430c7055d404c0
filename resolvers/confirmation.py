"""Dangerous changes are for who has proved lately to be who they are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from models import audit, passkeys, second_factors, sessions, users
from models.audit import Act
from models.client import Client
from models.database import Connection
from models.errors import (
    BadFactor,
    ConfirmationRequired,
    NotFound,
    SecondFactorRequired,
    Unauthenticated,
)
from models.tickets import Purpose
from models.viewer import Viewer
from resolvers import passkey_challenges, passwords
from resolvers.accounts import check_password
from resolvers.passkey_challenges import Asked
from resolvers.rates import Rate
from resolvers.second_factors import Factor, PasskeyAnswer, limit, prove
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

CONFIRMED_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Password:
    """The account's password, which is proof enough where there is no second factor."""

    password: str
    name = "password"


async def require_confirmed(services: Services, viewer: Viewer) -> None:
    """Raise `ConfirmationRequired` unless the viewer's session was confirmed lately."""
    async with services.db.reading() as connection:
        session = await sessions.by_id(connection, viewer.session_id)
    confirmed_at = session.confirmed_at if session is not None else None
    if confirmed_at is None or utc_now() - confirmed_at > CONFIRMED_FOR:
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
    if isinstance(proof, Password):
        await _check_password(services, viewer, proof.password, client)
    else:
        await limit(services, viewer.user_id, proof)
    now = utc_now()
    async with services.db.writing() as connection:
        right = isinstance(proof, Password) or await _proved(
            services, connection, viewer, proof, challenge_id, client, now
        )
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
        raise BadFactor
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


async def _check_password(
    services: Services, viewer: Viewer, password: str, client: Client
) -> None:
    """Raise unless the password is the viewer's, and proves as much as a log-in of theirs would."""
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [viewer.user_id])).get(viewer.user_id)
        factors = await second_factors.of(connection, viewer.user_id)
    if user is None:
        raise Unauthenticated
    if factors.any:
        raise SecondFactorRequired(path=["password"])
    await check_password(services, user.handle, password, client=client)
