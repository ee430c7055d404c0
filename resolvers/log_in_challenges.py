"""The second half of a log-in: what the password earned was a challenge, and no token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from accounts import tickets as secrets
from models import audit, second_factors, tickets, users
from models.audit import Act
from models.client import Client
from models.database import Connection
from models.errors import BadFactor, ChallengeOver
from models.tickets import Purpose
from models.users import User
from resolvers import passkey_challenges
from resolvers.passkey_challenges import CHALLENGE_LASTS
from resolvers.rates import Rate
from resolvers.second_factors import (
    Factor,
    PasskeyAnswer,
    RecoveryCode,
    TotpCode,
    limit,
    prove,
)
from resolvers.services import Services, utc_now
from resolvers.sessions import Opened, SignedIn, open_session, signed_in

log = structlog.get_logger(__name__)

# Typing goes wrong now and then; guessing six digits needs a million.
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a log-in asks for yet, and the token to come back with."""

    token: str
    expires_at: datetime
    methods: Sequence[type[Factor]]
    passkey_options: str | None


async def issue(
    services: Services,
    connection: Connection,
    user: User,
    *,
    device_name: str,
    client: Client,
    now: datetime,
) -> Challenge | None:
    """Return what is to be asked of who knows the password; None if that was enough.

    In place of `open_session`, in the same transaction.
    """
    factors = await second_factors.of(connection, user.id)
    if not factors.any:
        return None
    challenge = passkey_challenges.fresh() if factors.passkeys else None
    text, hash = secrets.new()
    expires_at = now + CHALLENGE_LASTS
    await tickets.issue(
        connection,
        hash=hash,
        purpose=Purpose.LOG_IN,
        user_id=user.id,
        data={
            "device": device_name,
            "challenge": passkey_challenges.kept(challenge) if challenge else None,
        },
        now=now,
        expires_at=expires_at,
    )
    await audit.record(
        connection, Act.LOG_IN_CHALLENGED, now=now, actor_id=None, client=client, subject_id=user.id
    )
    methods: list[tuple[type[Factor], object]] = [
        (TotpCode, factors.totp),
        (PasskeyAnswer, factors.passkeys),
        (RecoveryCode, factors.recovery_codes_left),
    ]
    options = None
    if challenge is not None:
        options = services.credentials.passkeys.request_options(
            challenge, known=[(each.credential_id, each.transports) for each in factors.passkeys]
        )
    return Challenge(text, expires_at, [kind for kind, there in methods if there], options)


async def complete(services: Services, *, token: str, factor: Factor, client: Client) -> SignedIn:
    """Open the session that a challenge stands for.

    Raises `ChallengeOver` when it was met before, has expired, or was tried too often;
    `BadFactor`, with which it goes on; and `RateLimited`.
    """
    await services.rates.spend_from(Rate.LOG_IN_FROM_ADDRESS, client)
    hash, now = secrets.hashed(token), utc_now()
    async with services.db.reading() as connection:
        ticket = await tickets.peek(connection, hash, Purpose.LOG_IN, now)
    if ticket is None or ticket.user_id is None:
        raise ChallengeOver
    await limit(services, ticket.user_id, factor)
    async with services.db.writing() as connection:
        # The row stays locked from here on, so that of many tries at once each is counted.
        tries = await tickets.count_attempt(connection, hash)
        user = (await users.by_ids(connection, [ticket.user_id])).get(ticket.user_id)
        if not tries or user is None or not user.may_sign_in:
            raise ChallengeOver
        over = tries >= MAX_TRIES
        opened = None
        if await prove(
            services,
            connection,
            user.id,
            factor,
            challenge=passkey_challenges.of(ticket.data),
            client=client,
            now=now,
        ):
            opened = await _open(services, connection, user, ticket, hash, client, now)
        elif over:
            await tickets.take(connection, hash, Purpose.LOG_IN, now)
        await audit.record(
            connection,
            Act.LOGGED_IN if opened else Act.SECOND_FACTOR_FAILED,
            now=now,
            actor_id=user.id if opened else None,
            session_id=opened.session.id if opened else None,
            client=client,
            subject_id=None if opened else user.id,
            details={"with": ["password", factor.name]},
        )
    if opened is None:
        log.info("second_factor_refused", factor=factor.name)
        raise ChallengeOver if over else BadFactor(path=["factor"])
    services.node.announce_log()
    return signed_in(services, opened)


async def _open(
    services: Services,
    connection: Connection,
    user: User,
    ticket: tickets.Ticket,
    hash: bytes,
    client: Client,
    now: datetime,
) -> Opened:
    if await tickets.take(connection, hash, Purpose.LOG_IN, now) is None:
        raise ChallengeOver
    return await open_session(
        services, connection, user, device_name=ticket.data["device"], client=client, now=now
    )
