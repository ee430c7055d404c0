"""Opening, refreshing and ending sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from accounts.tokens import (
    ACCESS_LIFETIME,
    REFRESH_GRACE,
    REFRESH_LIFETIME,
    InvalidToken,
)
from models import audit, events, guests, sessions, tickets, users
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import NotFound, Unauthenticated
from models.events import EventKind
from models.sessions import Session
from models.tickets import Purpose
from models.users import User, UserKind
from models.viewer import Viewer
from notify.letters import Notice
from resolvers import notices
from resolvers.services import Services, utc_now
from resolvers.text import line

log = structlog.get_logger(__name__)

MAX_DEVICE_NAME = 64
# What a thief can have begun in a session, and would finish without it.
BEGUN = (
    Purpose.LOG_IN,
    Purpose.EMAIL_VERIFICATION,
    Purpose.PASSKEY_REGISTRATION,
    Purpose.PASSKEY_CONFIRMATION,
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the tokens that a client gets for it."""

    session: Session
    user: User
    access_token: str
    refresh_token: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is stored, with the refresh token that only its client will know."""

    session: Session
    user: User
    refresh_token: str


async def open_session(
    services: Services,
    connection: Connection,
    user: User,
    *,
    device_name: str,
    client: Client,
    now: datetime,
    expires_at: datetime | None = None,
) -> Opened:
    """Store a new session and tell the person's other devices; `device_name` as from `device`.

    It is confirmed: whoever calls this knows who the person is. After COMMIT follow
    `node.announce_log` and `signed_in`.
    """
    session = Session(
        id=new_key(),
        user_id=user.id,
        device_name=device_name,
        created_at=now,
        last_seen_at=now,
        expires_at=expires_at or now + REFRESH_LIFETIME,
        revoked_at=None,
        confirmed_at=now,
        address=client.coarse_address,
        user_agent=client.user_agent,
    )
    text, token = services.credentials.refresh_tokens.issue(session.id)
    await notices.tell_of_sign_in(services, connection, user.id, client=client, now=now)
    await sessions.create(connection, session, token.hash)
    await _record(connection, EventKind.SESSION_STARTED, user.id, session.id, now)
    return Opened(session, user, text)


def signed_in(services: Services, opened: Opened) -> SignedIn:
    """Return an opened session with an access token."""
    return _signed_in(
        services, opened.session, opened.user, opened.refresh_token, opened.session.last_seen_at
    )


def device(name: str | None) -> str:
    """Return what a session is to be called; raises `InvalidInput`."""
    if name is None or not name.strip():
        return "Unnamed device"
    return line(name, what="The device name", maximum=MAX_DEVICE_NAME, path=["deviceName"])


async def refresh(services: Services, *, refresh_token: str, client: Client = NOWHERE) -> SignedIn:
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
        user = (await users.by_ids(connection, [state.session.user_id]))[state.session.user_id]
        if not user.may_sign_in:
            raise Unauthenticated("The account is closed.")
        replayed = spent.hash != state.refresh_hash
        in_grace = (
            spent.hash == state.previous_refresh_hash and now - state.refreshed_at <= REFRESH_GRACE
        )
        stolen = replayed and not in_grace
        if stolen:
            services.node.sockets.answer_first(spent.session_id)
            await sessions.revoke(connection, spent.session_id, now)
            await _record(
                connection,
                EventKind.SESSION_ENDED,
                state.session.user_id,
                spent.session_id,
                now,
            )
            await audit.record(
                connection,
                Act.REFRESH_TOKEN_REUSED,
                now=now,
                actor_id=None,
                session_id=spent.session_id,
                client=client,
                subject_id=state.session.user_id,
            )
            await notices.tell(
                services,
                connection,
                state.session.user_id,
                Notice.SESSION_CUT_OFF,
                client=client,
                now=now,
            )
        else:
            # During the grace period the token first spent stays the one that may repeat.
            session = await sessions.rotate(
                connection,
                state.session,
                refresh_hash=token.hash,
                previous_refresh_hash=spent.hash,
                now=state.refreshed_at if replayed else now,
                expires_at=await _expires_at(connection, user, now),
            )
    if stolen:
        log.warning("refresh_token_reused", session=str(spent.session_id))
        services.node.announce_log()
        await services.node.end_session(spent.session_id)
        raise Unauthenticated("The refresh token was used before; the session has been ended.")
    return _signed_in(services, session, user, text, now)


async def _expires_at(connection: Connection, user: User, now: datetime) -> datetime:
    """Return when a session ends that is refreshed now: a guest's not after their stay."""
    latest = now + REFRESH_LIFETIME
    if user.kind != UserKind.GUEST:
        return latest
    return min(latest, await guests.stays_until(connection, user.id) or now)


async def log_out(services: Services, viewer: Viewer, client: Client = NOWHERE) -> None:
    """End the viewer's session and close its sockets."""
    now = utc_now()
    services.node.sockets.answer_first(viewer.session_id)
    async with services.db.writing() as connection:
        await sessions.revoke(connection, viewer.session_id, now)
        await _record(connection, EventKind.SESSION_ENDED, viewer.user_id, viewer.session_id, now)
        await audit.record(
            connection,
            Act.LOGGED_OUT,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
        )
    services.node.announce_log()
    await services.node.end_session(viewer.session_id)


async def revoke(services: Services, viewer: Viewer, session_id: UUID, client: Client) -> None:
    """End a session of the viewer's and close its sockets; raises `NotFound` for any other."""
    now = utc_now()
    services.node.sockets.answer_first(session_id)
    async with services.db.writing() as connection:
        await tickets.revoke_begun(connection, viewer.user_id, by=session_id, among=BEGUN)
        if not await sessions.revoke_of(connection, viewer.user_id, session_id, now):
            raise NotFound("The session", path=["sessionId"])
        await _record(connection, EventKind.SESSION_ENDED, viewer.user_id, session_id, now)
        await audit.record(
            connection,
            Act.SESSION_REVOKED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=session_id,
        )
    await tell_ended(services, [session_id])


async def revoke_others(services: Services, viewer: Viewer, client: Client) -> Sequence[UUID]:
    """End all of the viewer's sessions but the one that asks; returns those."""
    async with services.db.writing() as connection:
        ended = await end_all(connection, viewer.user_id, but=viewer.session_id)
        await audit.record(
            connection,
            Act.OTHER_SESSIONS_REVOKED,
            now=utc_now(),
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            details={"count": len(ended)},
        )
    await tell_ended(services, ended)
    return ended


async def end_all(connection: Connection, user_id: UUID, *, but: UUID | None = None) -> list[UUID]:
    """End a person's sessions in the caller's transaction, all or all but one.

    What was begun in them, such as a change of address, ends as well, and log-ins under way.
    Returns those that were live; after COMMIT the caller hands them to `tell_ended`.
    """
    now = utc_now()
    await tickets.revoke_begun(connection, user_id, but=but, among=BEGUN)
    ended = await sessions.revoke_all(connection, user_id, now, but=but)
    for session_id in ended:
        await _record(connection, EventKind.SESSION_ENDED, user_id, session_id, now)
    return ended


async def tell_ended(services: Services, ended: Sequence[UUID]) -> None:
    """Close the sockets of sessions that have ended, on every node."""
    services.node.announce_log()
    for session_id in ended:
        await services.node.end_session(session_id)


async def current(services: Services, viewer: Viewer) -> Session:
    """Return the viewer's own session."""
    async with services.db.reading() as connection:
        session = await sessions.by_id(connection, viewer.session_id)
    if session is None:
        raise Unauthenticated
    return session


async def require_live(connection: Connection, viewer: Viewer) -> tuple[Session, User]:
    """Return the viewer's session and account as stored; raises `Unauthenticated` when it ended.

    Who asks was looked at some seconds ago perhaps: see `server/authentication.py`.
    """
    found = await sessions.with_user(connection, viewer.session_id)
    if found is None or not found[0].live(utc_now()) or not found[1].may_sign_in:
        raise Unauthenticated("The session has ended: log in again.")
    return found


async def _record(
    connection: Connection, kind: EventKind, user_id: UUID, session_id: UUID, now: datetime
) -> None:
    """Tell a person's other devices what became of a session."""
    await events.record(connection, kind, now=now, user_id=user_id, subject_id=session_id)


async def live(services: Services, viewer: Viewer) -> Sequence[Session]:
    """Return the viewer's open sessions, the one last seen first."""
    async with services.db.reading() as connection:
        return await sessions.live_of(connection, viewer.user_id, utc_now())


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
