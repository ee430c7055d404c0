"""What administrators do to accounts. Every act is in the audit log, in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from models import administration, audit, bots, deletions, events, suspensions, users
from models.audit import Act
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.events import EventKind
from models.suspensions import MAX_REASON, Suspension
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended
from resolvers.text import checked

REINSTATED_AT_ONCE = 100
_NO_MORE = "You are not an administrator any more."


async def suspend(
    services: Services,
    viewer: Viewer,
    *,
    user_id: UUID,
    reason: str,
    until: datetime | None,
    client: Client = NOWHERE,
) -> User:
    """Keep somebody out, with their bots: sessions end at once, log-in is refused.

    Raises `NotFound`, `InvalidInput`, or `Forbidden` for one's own account.
    """
    reason = checked(reason, what="The reason", maximum=MAX_REASON, path=["reason"])
    now = utc_now()
    if until is not None and until <= now:
        raise InvalidInput("A suspension ends in the future.", path=["until"])
    if user_id == viewer.user_id:
        # Whoever suspends is not suspended: so there is always an administrator left.
        raise Forbidden("Nobody suspends themselves.", path=["userId"])
    async with services.db.writing() as connection:
        await _acting(connection, viewer)
        user = await _account(connection, user_id)
        await suspensions.begin(connection, Suspension(user_id, reason, viewer.user_id, now, until))
        ended = await _shut_out(connection, user, now)
        await _note(
            connection,
            Act.USER_SUSPENDED,
            viewer,
            client,
            now,
            user_id,
            {"until": until.isoformat() if until else None},
        )
    await tell_ended(services, ended)
    return replace(user, suspended_at=user.suspended_at or now)


async def _shut_out(connection: Connection, user: User, now: datetime) -> list[UUID]:
    """End what an account that is suspended is signed in with; returns the sessions.

    Bots' tokens are not revoked, only refused: they work again when the account does. But their
    sockets are closed, and where the bus does not carry that, the log tells it.
    """
    ended: list[UUID] = []
    if user.kind == UserKind.BOT:
        programs = [user.id]
    else:
        ended = await end_all(connection, user.id)
        programs = list(await bots.ids_of_owner(connection, user.id))
    for tokens in (await bots.tokens_of(connection, programs, now)).values():
        for token in tokens:
            await events.record(
                connection,
                EventKind.SESSION_ENDED,
                now=now,
                user_id=token.bot_id,
                subject_id=token.id,
            )
            ended.append(token.id)
    return ended


async def reinstate(
    services: Services, viewer: Viewer, *, user_id: UUID, client: Client = NOWHERE
) -> User:
    """Let somebody who is suspended sign in again; raises `NotFound` or `Conflict`."""
    now = utc_now()
    async with services.db.writing() as connection:
        await _acting(connection, viewer)
        await _account(connection, user_id)
        if not await suspensions.end(connection, user_id):
            raise Conflict("The account is not suspended.", path=["userId"])
        user = await _account(connection, user_id)
        ended = await _begin_anew(connection, user)
        await _note(connection, Act.USER_REINSTATED, viewer, client, now, user_id)
    await tell_ended(services, ended)
    return user


async def _begin_anew(connection: Connection, user: User) -> list[UUID]:
    """End what was opened around a suspension; returns the sessions.

    A log-in that was under way may have been too late to be ended, and was good for nothing.
    """
    return [] if user.kind == UserKind.BOT else await end_all(connection, user.id)


async def reinstate_due(services: Services) -> int:
    """End suspensions that have lasted as long as they were to; returns how many."""
    now = utc_now()
    ended: list[UUID] = []
    async with services.db.writing() as connection:
        due = await suspensions.over(connection, now, limit=REINSTATED_AT_ONCE)
        for suspension in due:
            # Somebody may be suspending them anew in this moment.
            if await suspensions.end(connection, suspension.user_id, due=now):
                user = (await users.by_ids(connection, [suspension.user_id]))[suspension.user_id]
                ended += await _begin_anew(connection, user)
                await audit.record(
                    connection,
                    Act.USER_REINSTATED,
                    now=now,
                    actor_id=None,
                    subject_id=suspension.user_id,
                )
    await tell_ended(services, ended)
    return len(due)


async def end_sessions(
    services: Services, viewer: Viewer, *, user_id: UUID, client: Client = NOWHERE
) -> User:
    """End all of somebody's sessions, a bot's tokens with them; raises `NotFound`."""
    now = utc_now()
    services.node.sockets.answer_first(viewer.session_id)  # it may be their own
    async with services.db.writing() as connection:
        await _acting(connection, viewer)
        user = await _account(connection, user_id)
        ended = await end_all(connection, user_id)
        if user.kind == UserKind.BOT:
            await bots.revoke_tokens(connection, user_id, now)
        await _note(
            connection,
            Act.SESSIONS_ENDED_BY_ADMINISTRATOR,
            viewer,
            client,
            now,
            user_id,
            {"sessions": len(ended)},
        )
    await tell_ended(services, ended)
    return user


async def set_administrator(
    services: Services,
    viewer: Viewer,
    *,
    user_id: UUID,
    is_admin: bool,
    client: Client = NOWHERE,
) -> User:
    """Make somebody an administrator, or make them none.

    Raises `NotFound`, `Forbidden` for guests and bots, or `Conflict`: when that is so already, or
    would leave nobody.
    """
    now = utc_now()
    async with services.db.writing() as connection:
        acting = await _acting(connection, viewer)
        user = await _account(connection, user_id)
        if user.kind != UserKind.PERSON:
            raise Forbidden("Only people can be administrators.", path=["userId"])
        if not is_admin:
            await _require_another(connection, acting, user_id, path=["userId"])
        if not await administration.make_administrator(connection, user_id, is_admin=is_admin):
            already = "is an administrator already" if is_admin else "is no administrator"
            raise Conflict(f"That person {already}.", path=["userId"])
        act = Act.ADMINISTRATOR_GRANTED if is_admin else Act.ADMINISTRATOR_REVOKED
        await _note(connection, act, viewer, client, now, user_id)
        # Sockets were told at their beginning what they may: those of a former one are closed.
        ended = [] if is_admin else await end_all(connection, user_id, but=viewer.session_id)
    await tell_ended(services, ended)
    return replace(user, is_admin=is_admin)


async def require_another(connection: Connection, user_id: UUID) -> None:
    """Raise `Conflict` if somebody is the only administrator who stays; nobody unmakes one now."""
    acting = await administration.administrators(connection, lock=True)
    if user_id in acting:
        await _require_another(connection, acting, user_id)


async def _require_another(
    connection: Connection, acting: Collection[UUID], user_id: UUID, *, path: Sequence[str] = ()
) -> None:
    others = set(acting) - {user_id}
    if others == await deletions.asked_for_among(connection, others):
        raise Conflict("Nobody else is an administrator.", path=path)


async def listed(
    services: Services,
    *,
    search: str | None,
    kind: UserKind | None,
    suspended: bool | None,
    after_handle: str | None,
    limit: int,
) -> Sequence[User]:
    """Return a page of accounts by handle."""
    if search is not None:
        search = checked(search, what="The search", maximum=254, path=["search"], empty_ok=True)
    async with services.db.reading() as connection:
        return await administration.page(
            connection,
            search=search.strip() if search else None,
            kind=kind,
            suspended=suspended,
            after_handle=after_handle,
            limit=limit,
        )


async def administrators(services: Services) -> Sequence[User]:
    """Return who can administer this server, the one made first first."""
    async with services.db.reading() as connection:
        return list((await administration.administrators(connection)).values())


async def _acting(connection: Connection, viewer: Viewer) -> dict[UUID, User]:
    """Return the administrators, locked; raises `Forbidden` if the viewer is none any more."""
    acting = await administration.administrators(connection, lock=True)
    if viewer.user_id not in acting:
        raise Forbidden(_NO_MORE)
    return acting


async def _account(connection: Connection, user_id: UUID) -> User:
    user = (await users.by_ids(connection, [user_id])).get(user_id)
    if user is None or user.deleted_at is not None:
        raise NotFound("The person", path=["userId"])
    return user


async def _note(
    connection: Connection,
    act: Act,
    viewer: Viewer,
    client: Client,
    now: datetime,
    subject_id: UUID,
    details: Mapping[str, Any] | None = None,
) -> None:
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
        subject_id=subject_id,
        details=details,
    )
