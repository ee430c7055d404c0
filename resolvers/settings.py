"""What people want of others, and whether that is kept to."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypedDict
from uuid import UUID

from models import audit, blocks, events, presence, settings, users
from models.audit import Act
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Forbidden, NotFound
from models.events import EventKind
from models.settings import Audience, Settings
from models.users import UserKind
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services, utc_now


class Changes(TypedDict, total=False):
    """Which settings are to be others."""

    who_may_message: Audience
    who_may_call: Audience
    who_may_add: Audience
    who_sees_last_seen: Audience
    hides: bool
    hides_receipts: bool
    invisible: bool


class Way(StrEnum):
    """How somebody may be reached, by the setting that says by whom."""

    MESSAGE = "who_may_message"
    ADD = "who_may_add"


async def of(services: Services, viewer: Viewer) -> Settings:
    """Return the viewer's settings."""
    async with services.db.reading() as connection:
        return await settings.of(connection, viewer.user_id)


async def update(
    services: Services, viewer: Viewer, *, changes: Changes, client: Client = NOWHERE
) -> Settings:
    """Change the viewer's settings and return them; raises `RateLimited`."""
    await services.rates.spend(Rate.CHANGE_PROFILE, str(viewer.user_id))
    now = utc_now()
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        before = await settings.of(connection, viewer.user_id)
        after = replace(before, **changes)
        if after == before:
            return before
        await settings.store(connection, viewer.user_id, after)
        if after.hides != before.hides:
            await users.index(connection, viewer.user_id)
        if after.invisible != before.invisible:
            await presence.freeze(connection, viewer.user_id, now)
        await events.record(
            connection,
            EventKind.SETTINGS_CHANGED,
            now=now,
            user_id=viewer.user_id,
            subject_id=viewer.user_id,
        )
        await audit.record(
            connection,
            Act.SETTINGS_CHANGED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=viewer.user_id,
            details=dict(changes),
        )
    services.node.announce_log()
    return after


async def require_reachable(
    connection: Connection,
    viewer: Viewer,
    ids: Collection[UUID],
    way: Way,
    *,
    path: Sequence[str],
) -> None:
    """Raise unless the viewer may reach all these people that way.

    `NotFound` for whom the viewer may not see, and for guests; `Forbidden` for whom they see, but
    who does not want it, or has no account any more to be reached by.
    """
    others = {user_id for user_id in ids if user_id != viewer.user_id}
    seen = await users.visible_to(connection, viewer, others)
    # Guests are in the chat whose link they have, and in no other.
    guest = any(user.kind == UserKind.GUEST for user in seen.values())
    if guest or len(seen) != len(others):
        raise NotFound("One of the people", path=path)
    if not all(user.may_sign_in for user in seen.values()):
        raise Forbidden("One of the people has no account any more.", path=path)
    if await blocks.between(connection, viewer.user_id, others):
        raise Forbidden("One of the people does not want that.", path=path)
    wishes = await settings.of_many(connection, others)
    audiences = {user_id: getattr(wish, way.value) for user_id, wish in wishes.items()}
    strict = {user_id for user_id, audience in audiences.items() if audience == Audience.CONTACTS}
    if Audience.NOBODY in audiences.values() or (
        strict and strict != await users.having_contact(connection, viewer.user_id, strict)
    ):
        raise Forbidden("One of the people does not want that.", path=path)
