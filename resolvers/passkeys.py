"""Passkeys: registering, naming and removing them, and logging in with nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from accounts.passkeys import PasskeyRefused
from models import (
    audit,
    external_identities,
    passkeys,
    recovery_codes,
    second_factors,
    users,
)
from models.audit import Act
from models.base import new_key
from models.client import Client
from models.database import Connection
from models.errors import BadFactor, Conflict, Forbidden, NotFound, Unauthenticated
from models.passkeys import Passkey
from models.second_factors import SecondFactors
from models.tickets import Purpose
from models.viewer import Viewer
from notify.letters import Notice
from resolvers import passkey_challenges, passwords
from resolvers import recovery_codes as codes
from resolvers.notices import tell
from resolvers.passkey_challenges import Asked
from resolvers.rates import Rate
from resolvers.second_factors import prove_passkey
from resolvers.services import Services, utc_now
from resolvers.sessions import SignedIn, device, open_session, signed_in
from resolvers.text import line

log = structlog.get_logger(__name__)

MAX_PASSKEYS = 20  # of one person
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Added:
    """A new passkey, and recovery codes if the account had none left."""

    passkey: Passkey
    recovery_codes: list[str]


async def begin_registration(services: Services, viewer: Viewer) -> Asked:
    """Return what to create a passkey with; raises `Conflict` when there are too many."""
    now = utc_now()
    async with services.db.writing() as connection:
        user = (await users.by_ids(connection, [viewer.user_id])).get(viewer.user_id)
        if user is None:
            raise Unauthenticated
        known = await passkeys.of(connection, viewer.user_id)
        _check_room(known)
        challenge_id, challenge = await passkey_challenges.issue(
            connection, Purpose.PASSKEY_REGISTRATION, viewer=viewer, now=now
        )
    options = services.credentials.passkeys.creation_options(
        challenge,
        user_id=user.id.bytes,
        handle=user.handle,
        display_name=user.display_name,
        known=[(each.credential_id, each.transports) for each in known],
    )
    return Asked(challenge_id, options)


async def finish_registration(
    services: Services,
    viewer: Viewer,
    *,
    challenge_id: str,
    name: str,
    credential: str,
    client: Client,
) -> Added:
    """Store a passkey; raises `InvalidInput`, `ChallengeOver`, `BadFactor` or `Conflict`."""
    name = _name(name)
    now = utc_now()
    async with services.db.writing() as connection:
        challenge = await passkey_challenges.take(
            connection, challenge_id, Purpose.PASSKEY_REGISTRATION, viewer=viewer, now=now
        )
    try:
        made = services.credentials.passkeys.registered(credential, challenge)
    except PasskeyRefused as error:
        log.info("passkey_refused", reason=str(error))
        raise BadFactor(path=["credential"]) from error
    passkey = Passkey(
        id=new_key(),
        user_id=viewer.user_id,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        transports=made.transports,
        backed_up=made.backed_up,
        name=name,
        created_at=now,
        last_used_at=None,
    )
    async with services.db.writing() as connection:
        factors = await second_factors.lock(connection, viewer.user_id)
        _check_room(factors.passkeys)
        await passkeys.add(connection, passkey)
        await _record(connection, Act.PASSKEY_REGISTERED, viewer, passkey.id, client, now)
        await tell(
            services, connection, viewer.user_id, Notice.PASSKEY_ADDED, client=client, now=now
        )
        shown = await codes.first(services, connection, viewer, factors, client=client, now=now)
    return Added(passkey, shown)


async def rename(
    services: Services, viewer: Viewer, passkey_id: UUID, *, name: str, client: Client
) -> Passkey:
    """Give a passkey of the viewer's another name; raises `InvalidInput` or `NotFound`."""
    name = _name(name)
    async with services.db.writing() as connection:
        passkey = await passkeys.rename(connection, viewer.user_id, passkey_id, name)
        if passkey is None:
            raise NotFound("The passkey", path=["passkeyId"])
        await _record(connection, Act.PASSKEY_RENAMED, viewer, passkey_id, client, utc_now())
    return passkey


async def remove(
    services: Services, viewer: Viewer, passkey_id: UUID, *, client: Client
) -> SecondFactors:
    """Forget a passkey of the viewer's; returns what is left. Raises `NotFound`."""
    now = utc_now()
    async with services.db.writing() as connection:
        await second_factors.lock(connection, viewer.user_id)
        if not await passkeys.remove(connection, viewer.user_id, passkey_id):
            raise NotFound("The passkey", path=["passkeyId"])
        left = await second_factors.of(connection, viewer.user_id)
        if not left.any:
            await recovery_codes.remove(connection, viewer.user_id)
        await _record(connection, Act.PASSKEY_REMOVED, viewer, passkey_id, client, now)
        await tell(
            services, connection, viewer.user_id, Notice.PASSKEY_REMOVED, client=client, now=now
        )
        return await second_factors.of(connection, viewer.user_id)


async def begin_log_in(services: Services, *, client: Client) -> Asked:
    """Return what to ask any authenticator; says nothing about any account.

    Raises `Forbidden` where another issuer vouches for everybody: whom it has let go would come
    back by a passkey.
    """
    passwords.require_enabled(services)
    await services.rates.spend_from(Rate.PASSKEY_LOG_IN_FROM_ADDRESS, client)
    async with services.db.writing() as connection:
        challenge_id, challenge = await passkey_challenges.issue(
            connection, Purpose.PASSKEY_LOG_IN, viewer=None, now=utc_now()
        )
    return Asked(challenge_id, services.credentials.passkeys.request_options(challenge))


async def finish_log_in(
    services: Services,
    *,
    challenge_id: str,
    credential: str,
    device_name: str | None,
    client: Client,
) -> SignedIn:
    """Open a session for whoever's passkey it is; raises `ChallengeOver` or `BadFactor`.

    Nothing more is asked for: the passkey is one factor, and what unlocked it another. Raises
    `Forbidden` as `begin_log_in`, and for people whom another issuer vouches for.
    """
    passwords.require_enabled(services)
    await services.rates.spend_from(Rate.LOG_IN_FROM_ADDRESS, client)
    name = device(device_name)
    now = utc_now()
    opened, vouched = None, False
    async with services.db.writing() as connection:
        challenge = await passkey_challenges.take(
            connection, challenge_id, Purpose.PASSKEY_LOG_IN, viewer=None, now=now
        )
        user_id = await prove_passkey(
            services, connection, credential, challenge, of=None, client=client, now=now
        )
        user = (await users.by_ids(connection, [user_id])).get(user_id) if user_id else None
        if user is not None and user.may_sign_in:
            # Or else whom the issuer has let go would go on coming back.
            vouched = await external_identities.vouched_for(connection, user.id)
        if user is not None and user.may_sign_in and not vouched:
            opened = await open_session(
                services, connection, user, device_name=name, client=client, now=now
            )
        await audit.record(
            connection,
            Act.LOGGED_IN if opened else Act.LOG_IN_FAILED,
            now=now,
            actor_id=user_id if opened else None,
            session_id=opened.session.id if opened else None,
            client=client,
            subject_id=None if opened else user_id,
            details={"with": ["passkey"]},
        )
    if opened is None:
        log.info("log_in_refused")
        if vouched:
            raise Forbidden("Whoever has come from an issuer of tokens signs in there.")
        raise BadFactor(path=["credential"])
    services.node.announce_log()
    return signed_in(services, opened)


async def _record(
    connection: Connection,
    act: Act,
    viewer: Viewer,
    passkey_id: UUID,
    client: Client,
    now: datetime,
) -> None:
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
        details={"passkey": str(passkey_id)},
    )


def _check_room(known: Sequence[Passkey]) -> None:
    if len(known) >= MAX_PASSKEYS:
        raise Conflict(f"There are {MAX_PASSKEYS} passkeys already: remove one first.")


def _name(name: str) -> str:
    return line(name, what="The name", maximum=MAX_NAME, path=["name"])
