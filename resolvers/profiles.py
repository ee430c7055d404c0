"""What people say about themselves, and what they are called."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, TypedDict

from accounts import places
from models import audit, events, handles, users
from models.audit import Act
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import InvalidInput, RateLimited
from models.events import EventKind
from models.users import User
from models.viewer import Viewer
from resolvers.names import display_name, new_handle
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.text import checked, line

MAX_BIO = 500
MAX_STATUS = 100
MAX_STATUS_EMOJI = 32  # joined emoji have up to ten
# For this long nobody else gets a handle that somebody gave up: links and mentions with it are
# still about.
HELD_FOR = timedelta(days=90)
# More would let one person keep many handles from everybody else.
MAX_HELD = 3


@dataclass(frozen=True, slots=True)
class Status:
    """What somebody is up to, in words or by an emoji, and until when."""

    text: str | None
    emoji: str | None
    expires_at: datetime | None


class Changes(TypedDict, total=False):
    """What of a profile is to be another: what is absent stays, None takes away."""

    display_name: str | None
    bio: str | None
    status: Status | None
    locale: str | None
    time_zone: str | None


async def update(
    services: Services, viewer: Viewer, *, changes: Changes, client: Client = NOWHERE
) -> User:
    """Change the viewer's profile and return it; what is the same already is no news.

    Raises `InvalidInput` or `RateLimited`.
    """
    await services.rates.spend(Rate.CHANGE_PROFILE, str(viewer.user_id))
    now = utc_now()
    wanted = _checked(changes, now, is_admin=viewer.is_admin)
    async with services.db.writing() as connection:
        before = await users.lock(connection, viewer.user_id)
        after = replace(before, **wanted)
        if after == before:
            return before
        await users.change_profile(connection, after)
        await _tell(connection, viewer, now)
        if after.display_name != before.display_name:
            await audit.record(
                connection,
                Act.DISPLAY_NAME_CHANGED,
                now=now,
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
                subject_id=viewer.user_id,
            )
    services.node.announce_log()
    return after


async def change_handle(
    services: Services, viewer: Viewer, *, handle: str, client: Client = NOWHERE
) -> User:
    """Give the viewer another handle; the one they had stays theirs for `HELD_FOR`.

    Returns them. Raises `HandleTaken`, `InvalidInput`, or `RateLimited` when `MAX_HELD` are kept.
    """
    handle = new_handle(handle, is_admin=viewer.is_admin)
    now = utc_now()
    async with services.db.writing() as connection:
        before = await users.lock(connection, viewer.user_id)
        if handle == before.handle:
            return before
        held = await handles.held_by(connection, viewer.user_id, now)
        # What is taken up again is held no longer, and what only looks the same stays in use.
        going, coming = handles.key(before.handle), handles.key(handle)
        kept = {**held, going: now + HELD_FOR}
        kept.pop(coming, None)
        if len(kept) > MAX_HELD:
            raise RateLimited(retry_after=ceil((min(held.values()) - now).total_seconds()))
        await users.change_handle(connection, before, handle, now)
        if going != coming:
            await handles.hold(connection, viewer.user_id, before.handle, now + HELD_FOR)
        await _tell(connection, viewer, now)
        # Without the handles: this stays when the account has gone and is nobody's any more. For as
        # long as it is there, `handles` knows which were its own.
        await audit.record(
            connection,
            Act.HANDLE_CHANGED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=viewer.user_id,
        )
    services.node.announce_log()
    return replace(before, handle=handle)


async def _tell(connection: Connection, viewer: Viewer, now: datetime) -> None:
    """Tell the viewer's devices; others see it when they fetch the viewer next."""
    await events.record(
        connection,
        EventKind.PROFILE_CHANGED,
        now=now,
        user_id=viewer.user_id,
        subject_id=viewer.user_id,
    )


def _checked(changes: Changes, now: datetime, *, is_admin: bool) -> dict[str, Any]:
    """Return new values of fields of `User`; raises `InvalidInput`."""
    wanted: dict[str, Any] = {}
    if "display_name" in changes:
        if changes["display_name"] is None:
            raise InvalidInput("Everybody has a display name.", path=["displayName"])
        wanted["display_name"] = display_name(changes["display_name"], is_admin=is_admin)
    if "bio" in changes:
        wanted["bio"] = _bio(changes["bio"])
    if "status" in changes:
        status = _status(changes["status"], now)
        wanted["status_text"] = status.text
        wanted["status_emoji"] = status.emoji
        wanted["status_expires_at"] = status.expires_at
    if "locale" in changes:
        wanted["locale"] = _locale(changes["locale"])
    if "time_zone" in changes:
        zone = wanted["time_zone"] = changes["time_zone"]
        if zone is not None and not places.is_time_zone(zone):
            raise InvalidInput(
                "That is no time zone of the IANA database, such as Europe/Berlin.",
                path=["timeZone"],
            )
    return wanted


def _bio(bio: str | None) -> str | None:
    if bio is None:
        return None
    bio = checked(bio.strip(), what="The bio", maximum=MAX_BIO, path=["bio"], empty_ok=True)
    return bio or None


def _status(status: Status | None, now: datetime) -> Status:
    if status is None:
        return Status(None, None, None)
    text, emoji, expires_at = status.text, status.emoji, status.expires_at
    if text is None and emoji is None:
        raise InvalidInput("A status has a text or an emoji.", path=["status"])
    if text is not None:
        text = line(text, what="The status", maximum=MAX_STATUS, path=["status", "text"])
    if emoji is not None:
        path = ["status", "emoji"]
        emoji = line(emoji, what="The emoji", maximum=MAX_STATUS_EMOJI, path=path)
        if any(character.isspace() for character in emoji):
            raise InvalidInput("The emoji is one emoji, without space.", path=path)
    if expires_at is not None:
        expires_at = _later(expires_at, now)
    return Status(text, emoji, expires_at)


def _later(moment: datetime, now: datetime) -> datetime:
    path = ["status", "expiresAt"]
    if moment.tzinfo is None:
        raise InvalidInput("A moment needs a time zone: end it with Z.", path=path)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput("There is no such moment.", path=path) from error
    if moment <= now:
        raise InvalidInput("The status would be over already.", path=path)
    return moment


def _locale(text: str | None) -> str | None:
    if text is None:
        return None
    locale = places.locale(text)
    if locale is None:
        raise InvalidInput("That is no language tag, such as en or pt-BR.", path=["locale"])
    return locale
