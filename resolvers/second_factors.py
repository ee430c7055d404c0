"""Proving who one is with something beside the password."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from accounts.passkeys import PasskeyCloned, PasskeyRefused, named
from accounts.sealing import SealBroken
from accounts.totp import accepted_step
from models import audit, passkeys, recovery_codes, second_factors, totp
from models.audit import Act
from models.client import Client
from models.database import Connection
from models.second_factors import SecondFactors
from models.viewer import Viewer
from notify.letters import Notice
from resolvers.notices import tell
from resolvers.rates import Rate
from resolvers.services import Services

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TotpCode:
    """What an authenticator app shows."""

    code: str
    name = "totp"


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """One of those that were written down."""

    code: str
    name = "recovery_code"


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What an authenticator answers to a challenge, as JSON."""

    credential: str
    name = "passkey"


Factor = TotpCode | RecoveryCode | PasskeyAnswer


async def of(services: Services, viewer: Viewer) -> SecondFactors:
    """Return the viewer's factors."""
    async with services.db.reading() as connection:
        return await second_factors.of(connection, viewer.user_id)


async def limit(services: Services, user_id: UUID, factor: Factor) -> None:
    """Count one more try of a person's; raises `RateLimited`.

    Each kind is counted by itself: who guesses one keeps the owner from none of the others.
    """
    key = str(user_id)
    if isinstance(factor, TotpCode):
        await services.rates.spend(Rate.TOTP_OF_ACCOUNT, key)
    elif isinstance(factor, RecoveryCode):
        await services.rates.spend(Rate.RECOVERY_CODE_OF_ACCOUNT, key)
    else:
        await services.rates.spend(Rate.PASSKEY_OF_ACCOUNT, key)


async def prove(
    services: Services,
    connection: Connection,
    user_id: UUID,
    factor: Factor,
    *,
    challenge: bytes | None,
    client: Client,
    now: datetime,
) -> bool:
    """Whether a factor is the person's, and is used up with this if it is good only once.

    In the caller's transaction, which is to be committed whatever the answer.
    """
    if isinstance(factor, TotpCode):
        return await _prove_totp(services, connection, user_id, factor.code, now)
    if isinstance(factor, RecoveryCode):
        return await _prove_recovery_code(services, connection, user_id, factor.code, client, now)
    owner = await prove_passkey(
        services, connection, factor.credential, challenge, of=user_id, client=client, now=now
    )
    return owner is not None


async def prove_passkey(
    services: Services,
    connection: Connection,
    credential: str,
    challenge: bytes | None,
    *,
    of: UUID | None,
    client: Client,
    now: datetime,
) -> UUID | None:
    """Return whose passkey has answered a challenge, of anybody's or of one person's; else None."""
    if challenge is None:
        return None
    try:
        passkey = await passkeys.by_credential(connection, named(credential))
    except PasskeyRefused:
        return None
    if passkey is None or (of is not None and passkey.user_id != of):
        return None
    try:
        used = services.credentials.passkeys.used(
            credential,
            challenge,
            user_id=passkey.user_id.bytes,
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
        )
        if not await passkeys.use(
            connection, passkey, sign_count=used.sign_count, backed_up=used.backed_up, now=now
        ):
            raise PasskeyCloned("used twice at once")
    except PasskeyCloned:
        log.warning("passkey_cloned", passkey=str(passkey.id))
        await audit.record(
            connection,
            Act.PASSKEY_CLONED,
            now=now,
            actor_id=None,
            client=client,
            subject_id=passkey.user_id,
            details={"passkey": str(passkey.id)},
        )
        await tell(
            services, connection, passkey.user_id, Notice.PASSKEY_CLONED, client=client, now=now
        )
        return None
    except PasskeyRefused:
        return None
    return passkey.user_id


async def _prove_totp(
    services: Services, connection: Connection, user_id: UUID, code: str, now: datetime
) -> bool:
    app = await totp.of(connection, user_id)
    if app is None or app.confirmed_at is None:
        return False
    step = step_of(services, app, code, now)
    return step is not None and await totp.spend(connection, user_id, step)


def sealed_secret(services: Services, user_id: UUID, secret: str) -> bytes:
    """Return a secret as it is stored."""
    return services.credentials.totp_secrets.seal(secret.encode(), context=user_id.bytes)


def step_of(services: Services, app: totp.Totp, code: str, now: datetime) -> int | None:
    """Return the step of a code, None for one that is wrong; nothing fits what cannot be read."""
    try:
        secret = services.credentials.totp_secrets.open(
            app.sealed_secret, context=app.user_id.bytes
        )
    except SealBroken:
        log.error("totp_unreadable", user=str(app.user_id))
        return None
    return accepted_step(secret.decode(), code, now)


async def _prove_recovery_code(
    services: Services,
    connection: Connection,
    user_id: UUID,
    code: str,
    client: Client,
    now: datetime,
) -> bool:
    hash = services.credentials.recovery_codes.hash(user_id.bytes, code)
    if hash is None or not await recovery_codes.take(connection, user_id, hash):
        return False
    left = await recovery_codes.count(connection, user_id)
    await audit.record(
        connection,
        Act.RECOVERY_CODE_USED,
        now=now,
        actor_id=user_id,
        client=client,
        details={"left": left},
    )
    await tell(services, connection, user_id, Notice.RECOVERY_CODE_USED, client=client, now=now)
    return True
