"""Signing up, in and out; refreshing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from accounts.passwords import TooManyWaiting
from accounts.tokens import (
    ACCESS_LIFETIME,
    REFRESH_GRACE,
    REFRESH_LIFETIME,
    InvalidToken,
    RefreshToken,
)
from models import events, sessions, users
from models.base import new_key
from models.database import Connection
from models.errors import BadCredentials, InvalidInput, Overloaded, TooLong, Unauthenticated
from models.events import EventKind
from models.sessions import Session
from models.users import User
from models.viewer import Viewer
from resolvers.services import Services, utc_now
from resolvers.text import checked, line

log = structlog.get_logger(__name__)

HANDLE = re.compile(r"[a-z][a-z0-9_]{2,31}")
MIN_PASSWORD = 8  # NIST SP 800-63B §3.1.1.2: length is what counts; no composition rules
MAX_PASSWORD = 256
MAX_EMAIL = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the tokens that a client gets for it."""

    session: Session
    user: User
    access_token: str
    refresh_token: str
    expires_in: timedelta


async def register(
    services: Services,
    *,
    handle: str,
    password: str,
    display_name: str,
    email: str | None = None,
    device_name: str | None = None,
) -> SignedIn:
    """Create a person and sign them in; raises `HandleTaken`, `InvalidInput` or `Overloaded`."""
    device = _device(device_name)
    user, password_hash = await _new_person(services, handle, password, display_name, email)
    session, token, text = _new_session(services, user.id, device, user.created_at)
    async with services.db.writing() as connection:
        await users.create(connection, user, password_hash)
        await sessions.create(connection, session, token.hash)
    return _signed_in(services, session, user, text, user.created_at)


async def create_administrator(
    services: Services, *, handle: str, password: str, display_name: str, email: str | None
) -> User:
    """Create an administrator without a session; for the command line. Raises as `register`."""
    user, password_hash = await _new_person(
        services, handle, password, display_name, email, is_admin=True
    )
    async with services.db.writing() as connection:
        await users.create(connection, user, password_hash)
    return user


async def log_in(
    services: Services, *, handle: str, password: str, device_name: str | None = None
) -> SignedIn:
    """Open a session; a wrong password and an unknown handle answer, and cost, the same."""
    device = _device(device_name)
    handle = handle.strip().lower()
    async with services.db.reading() as connection:
        # What could not be registered is nobody's, and is not sent to the database.
        known = await users.credentials(connection, handle if HANDLE.fullmatch(handle) else "")
    usable = password[:MAX_PASSWORD]
    try:
        matches = await services.credentials.passwords.verify(
            known[1] if known and usable == password else None, usable
        )
    except TooManyWaiting as error:
        raise Overloaded from error
    if not matches or known is None:
        log.info("log_in_refused")
        raise BadCredentials
    now = utc_now()
    session, token, text = _new_session(services, known[0], device, now)
    async with services.db.writing() as connection:
        user = (await users.by_ids(connection, [known[0]]))[known[0]]
        await sessions.create(connection, session, token.hash)
        await _record(connection, EventKind.SESSION_STARTED, session.user_id, session.id, now)
    services.node.announce_log()
    return _signed_in(services, session, user, text, now)


async def refresh(services: Services, *, refresh_token: str) -> SignedIn:
    """Swap a refresh token for fresh tokens; raises `Unauthenticated`.

    Each token works once. The last spent one works again for `REFRESH_GRACE`, for a client whose
    answer was lost; any older one is a copy in wrong hands, and ends the session.
    """
    try:
        spent = services.credentials.refresh_tokens.read(refresh_token)
    except InvalidToken as error:
        raise Unauthenticated("The refresh token is not valid.") from error
    now = utc_now()
    text, token = services.credentials.refresh_tokens.issue(spent.session_id)
    async with services.db.writing() as connection:
        state = await sessions.lock_for_refresh(connection, spent.session_id)
        if state is None or not state.session.live(now):
            raise Unauthenticated("The session has ended; log in again.")
        replayed = spent.hash != state.refresh_hash
        in_grace = (
            spent.hash == state.previous_refresh_hash and now - state.refreshed_at <= REFRESH_GRACE
        )
        stolen = replayed and not in_grace
        if stolen:
            await sessions.revoke(connection, spent.session_id, now)
            await _record(
                connection,
                EventKind.SESSION_ENDED,
                state.session.user_id,
                spent.session_id,
                now,
            )
        else:
            # During the grace period the token first spent stays the one that may repeat.
            session = await sessions.rotate(
                connection,
                state.session,
                refresh_hash=token.hash,
                previous_refresh_hash=spent.hash,
                now=state.refreshed_at if replayed else now,
                expires_at=now + REFRESH_LIFETIME,
            )
            user = (await users.by_ids(connection, [state.session.user_id]))[state.session.user_id]
    if stolen:
        log.warning("refresh_token_reused", session=str(spent.session_id))
        services.node.announce_log()
        await services.node.end_session(spent.session_id)
        raise Unauthenticated("The refresh token was used before; the session has been ended.")
    return _signed_in(services, session, user, text, now)


async def log_out(services: Services, viewer: Viewer) -> None:
    """End the viewer's session and close its sockets."""
    now = utc_now()
    async with services.db.writing() as connection:
        await sessions.revoke(connection, viewer.session_id, now)
        await _record(connection, EventKind.SESSION_ENDED, viewer.user_id, viewer.session_id, now)
    services.node.announce_log()
    await services.node.end_session(viewer.session_id)


async def current(services: Services, viewer: Viewer) -> Session:
    """Return the viewer's own session."""
    async with services.db.reading() as connection:
        session = await sessions.by_id(connection, viewer.session_id)
    if session is None:
        raise Unauthenticated
    return session


async def _record(
    connection: Connection, kind: EventKind, user_id: UUID, session_id: UUID, now: datetime
) -> None:
    """Tell a person's other devices what became of a session."""
    await events.record(connection, kind, now=now, user_id=user_id, subject_id=session_id)


async def live(services: Services, viewer: Viewer) -> Sequence[Session]:
    """Return the viewer's open sessions, the one last seen first."""
    async with services.db.reading() as connection:
        return await sessions.live_of(connection, viewer.user_id, utc_now())


def _new_session(
    services: Services, user_id: UUID, device_name: str, now: datetime
) -> tuple[Session, RefreshToken, str]:
    session = Session(
        id=new_key(),
        user_id=user_id,
        device_name=device_name,
        created_at=now,
        last_seen_at=now,
        expires_at=now + REFRESH_LIFETIME,
        revoked_at=None,
    )
    text, token = services.credentials.refresh_tokens.issue(session.id)
    return session, token, text


def _signed_in(
    services: Services, session: Session, user: User, refresh_token: str, now: datetime
) -> SignedIn:
    return SignedIn(
        session=session,
        user=user,
        access_token=services.credentials.access_tokens.issue(user.id, session.id, now),
        refresh_token=refresh_token,
        expires_in=ACCESS_LIFETIME,
    )


async def _new_person(
    services: Services,
    handle: str,
    password: str,
    display_name: str,
    email: str | None,
    *,
    is_admin: bool = False,
) -> tuple[User, str]:
    """Return a person who keeps the rules, not stored yet, and their password's hash."""
    user = User(
        id=new_key(),
        handle=_new_handle(handle),
        display_name=line(
            display_name, what="The display name", maximum=MAX_NAME, path=["displayName"]
        ),
        email=_email(email),
        is_admin=is_admin,
        created_at=utc_now(),
    )
    return user, await _hash(services, _new_password(password))


async def _hash(services: Services, password: str) -> str:
    try:
        return await services.credentials.passwords.hash(password)
    except TooManyWaiting as error:
        raise Overloaded from error


def _new_handle(handle: str) -> str:
    handle = handle.strip().lower()
    if not HANDLE.fullmatch(handle):
        raise InvalidInput(
            "A handle has 3 to 32 characters: a letter, then letters, digits or underscores "
            "(a to z only).",
            path=["handle"],
        )
    return handle


def _new_password(password: str) -> str:
    if len(password) > MAX_PASSWORD:
        raise TooLong("The password", actual=len(password), maximum=MAX_PASSWORD, path=["password"])
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(
            f"The password needs at least {MIN_PASSWORD} characters.", path=["password"]
        )
    return checked(password, what="The password", maximum=MAX_PASSWORD, path=["password"])


def _email(email: str | None) -> str | None:
    if email is None:
        return None
    email = line(email, what="The e-mail address", maximum=MAX_EMAIL, path=["email"])
    name, at, domain = email.rpartition("@")
    if not (name and at and domain) or " " in email or not email.isprintable():
        raise InvalidInput("That is not an e-mail address.", path=["email"])
    return email


def _device(name: str | None) -> str:
    if name is None or not name.strip():
        return "Unnamed device"
    return line(name, what="The device name", maximum=MAX_NAME, path=["deviceName"])
