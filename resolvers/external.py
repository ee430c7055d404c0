"""People whom another issuer vouches for: who they are here, and their sessions.

Who they are is decided by the issuer's own name for them (`sub`) and by nothing else: an account
with the same address or handle may be somebody else's. What the issuer says of their name and
handle counts once, when they are first seen; what it says of their roles counts each time.
"""

import hashlib
import json
import re
import secrets
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from accounts.addresses import Address, BadAddress
from accounts.addresses import read as read_address
from accounts.handles import is_handle, is_reserved
from accounts.issuer import ExternalClaims
from models import (
    audit,
    events,
    external_identities,
    handles,
    sessions,
    users,
    verified_emails,
)
from models.audit import Act
from models.base import new_key
from models.client import Client
from models.database import Connection
from models.errors import (
    Conflict,
    HandleTaken,
    InvalidInput,
    Overloaded,
    Raced,
    Unauthenticated,
)
from models.events import EventKind
from models.external_identities import ExternalIdentity
from models.sessions import Session
from models.users import User
from resolvers.names import MAX_NAME
from resolvers.services import Services, utc_now
from resolvers.sessions import MAX_DEVICE_NAME
from resolvers.text import line

log = structlog.get_logger(__name__)

# Two first requests at once, and somebody who registers the handle at the same moment.
ATTEMPTS = 5
MAX_HANDLE = 32


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who is meant, if they were here before, and their session of this sign-in."""

    identity: ExternalIdentity | None
    session: Session | None


async def session_of(
    services: Services, claims: ExternalClaims, *, admin_role: str | None, client: Client
) -> Session:
    """Return the session that a token stands for; the first one makes it, and the person.

    All tokens of a sign-in at the issuer share a session, which lasts as long as the last of them.
    Raises `Unauthenticated` when it was ended here, or the account is closed, and `Overloaded`.
    """
    session_id = _session_id(claims)
    for _ in range(ATTEMPTS):
        async with services.db.reading() as connection:
            seen = await _look(connection, claims, session_id)
        if (found := _known(claims, seen)) is not None:
            return found
        try:
            async with services.db.writing() as connection:
                session = await _store(connection, claims, session_id, admin_role, client)
        except (Raced, HandleTaken):
            continue
        services.node.announce_log()
        return session
    raise Overloaded


async def _look(connection: Connection, claims: ExternalClaims, session_id: UUID) -> _Seen:
    identity = await external_identities.find(connection, claims.issuer, claims.subject)
    return _Seen(identity, await sessions.by_id(connection, session_id) if identity else None)


def _known(claims: ExternalClaims, seen: _Seen) -> Session | None:
    """Return the session of a token that says nothing which is not stored."""
    if seen.identity is None or seen.session is None:
        return None
    if claims.issued_at > seen.identity.claims_at or claims.expires_at > seen.session.expires_at:
        return None
    return _live(seen.session, seen.identity)


def _live(session: Session, identity: ExternalIdentity) -> Session:
    # That it has expired means nothing when a newer token is here.
    if session.revoked_at is not None or session.user_id != identity.user_id:
        raise Unauthenticated("The session was ended: sign in again at the issuer.")
    return session


async def _store(
    connection: Connection,
    claims: ExternalClaims,
    session_id: UUID,
    admin_role: str | None,
    client: Client,
) -> Session:
    now = utc_now()
    seen = await _look(connection, claims, session_id)
    identity = seen.identity or await _create_person(connection, claims, now, client)
    user = (await users.by_ids(connection, [identity.user_id]))[identity.user_id]
    if not user.may_sign_in:
        raise Unauthenticated("The account is closed.")
    newest = await external_identities.take_claims(connection, identity, claims.issued_at)
    if admin_role is not None and (newest or seen.identity is None):
        await _take_role(connection, user, admin_role in claims.roles, now, client)
    if seen.session is None:
        return await _open(connection, claims, session_id, user, now, client)
    session = _live(seen.session, identity)
    extended = replace(
        session,
        last_seen_at=now,
        expires_at=max(session.expires_at, claims.expires_at),
        confirmed_at=_later(session.confirmed_at, _confirmed_at(claims, now)),
    )
    await sessions.extend(
        connection,
        session_id,
        now=now,
        expires_at=extended.expires_at,
        confirmed_at=extended.confirmed_at,
    )
    return extended


async def _create_person(
    connection: Connection, claims: ExternalClaims, now: datetime, client: Client
) -> ExternalIdentity:
    handle = await _free_handle(connection, claims)
    user = User(
        id=new_key(),
        handle=handle,
        display_name=_display_name(claims) or handle,
        email=None,
        is_admin=False,
        created_at=now,
    )
    await users.create(connection, user, None)
    await _take_address(connection, user, claims, now)
    # Not earlier than anything that was issued: `take_claims` notes the first token.
    identity = ExternalIdentity(
        claims.issuer, claims.subject, user.id, now, min(now, claims.issued_at)
    )
    await external_identities.create(connection, identity)
    await audit.record(
        connection,
        Act.EXTERNAL_PERSON_CREATED,
        now=now,
        actor_id=user.id,
        client=client,
        details={"issuer": claims.issuer},
    )
    return identity


async def _take_role(
    connection: Connection, user: User, is_admin: bool, now: datetime, client: Client
) -> None:
    if user.is_admin == is_admin:
        return
    await users.make_administrator(connection, user.id, is_admin)
    await audit.record(
        connection,
        Act.ADMINISTRATOR_BY_ISSUER if is_admin else Act.NO_ADMINISTRATOR_BY_ISSUER,
        now=now,
        actor_id=None,
        client=client,
        subject_id=user.id,
    )


async def _open(
    connection: Connection,
    claims: ExternalClaims,
    session_id: UUID,
    user: User,
    now: datetime,
    client: Client,
) -> Session:
    host = urlsplit(claims.issuer).hostname or claims.issuer
    session = Session(
        id=session_id,
        user_id=user.id,
        device_name=f"Signed in at {host}"[:MAX_DEVICE_NAME],
        created_at=now,
        last_seen_at=now,
        expires_at=claims.expires_at,
        revoked_at=None,
        confirmed_at=_confirmed_at(claims, now),
        address=client.coarse_address,
        user_agent=client.user_agent,
    )
    # The issuer renews it. That of a secret which nobody knows is no token's hash.
    await sessions.create(connection, session, hashlib.sha256(secrets.token_bytes(32)).digest())
    await events.record(
        connection, EventKind.SESSION_STARTED, now=now, user_id=user.id, subject_id=session_id
    )
    await audit.record(
        connection,
        Act.LOGGED_IN,
        now=now,
        actor_id=user.id,
        session_id=session_id,
        client=client,
        details={"issuer": claims.issuer},
    )
    return session


def _confirmed_at(claims: ExternalClaims, now: datetime) -> datetime | None:
    """Return when the person proved to the issuer who they are.

    An issuer that does not say so may have handed out the token long afterwards, unasked.
    """
    return None if claims.signed_in_at is None else min(claims.signed_in_at, now)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    moments = [moment for moment in (one, other) if moment is not None]
    return max(moments, default=None)


def _session_id(claims: ExternalClaims) -> UUID:
    named = json.dumps([claims.issuer, claims.subject, claims.sign_in])
    return UUID(bytes=hashlib.sha256(named.encode()).digest()[:16])


async def _free_handle(connection: Connection, claims: ExternalClaims) -> str:
    wanted = _handle(claims)
    numbered = [f"{wanted[: MAX_HANDLE - 2]}_{number}" for number in range(2, 10)]
    stem = wanted[: MAX_HANDLE - 9]
    candidates = [wanted, *numbered, f"{stem}_{secrets.token_hex(4)}"]
    allowed = [each for each in candidates if not is_reserved(each)]
    free = await handles.free_among(connection, allowed, utc_now())
    if not free:
        raise HandleTaken(wanted)
    return free[0]


def _handle(claims: ExternalClaims) -> str:
    """Return what comes nearest to the issuer's handle among those that are allowed here."""
    named = (claims.handle or claims.email or "").partition("@")[0]
    letters = unicodedata.normalize("NFKD", named).encode("ascii", "ignore").decode().lower()
    handle = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[:MAX_HANDLE]
    if not handle[:1].isalpha():
        handle = f"user_{handle}".rstrip("_")[:MAX_HANDLE]
    return handle if is_handle(handle) else f"user_{handle}"


def _display_name(claims: ExternalClaims) -> str | None:
    try:
        name = (claims.name or "")[:MAX_NAME]
        return line(name, what="The name", maximum=MAX_NAME, path=[])
    except InvalidInput:
        return None


async def _take_address(
    connection: Connection, user: User, claims: ExternalClaims, now: datetime
) -> None:
    """Let a new person have the address that the issuer has verified, unless it is another's."""
    address = _address(claims)
    if address is None or await verified_emails.by_key(connection, address.key) is not None:
        return
    try:
        await verified_emails.prove(
            connection, user.id, address=address.text, key=address.key, now=now
        )
    except Conflict as error:
        raise Raced from error


def _address(claims: ExternalClaims) -> Address | None:
    try:
        return read_address(claims.email or "")
    except BadAddress:
        return None
