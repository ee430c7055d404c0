"""The signed-in person's own view."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import members, mentions, users
from models.errors import Unauthenticated
from models.sessions import SHOWN
from resolvers import second_factors
from resolvers import sessions as session_use_cases
from resolvers.join_links import MAX_ASKED
from resolvers.scheduled import MAX_SCHEDULED
from resolvers.services import utc_now
from schema.blocks import viewer_blocks
from schema.bots import Bot, viewer_bots
from schema.chat_lists import ChatFilter, viewer_chats
from schema.chats import Chat, ChatConnection, viewer_self_chat
from schema.connections import DEFAULT_PAGE, After, First
from schema.context import Info
from schema.cursor import Cursor
from schema.deletions import deletion_due_at
from schema.emails import email_verified
from schema.exports import DataExport, viewer_exports
from schema.folders import Folder, viewer_folders
from schema.joining import JoinRequest, viewer_join_requests
from schema.scheduled import ScheduledMessage, viewer_scheduled_messages
from schema.second_factors import SecondFactors
from schema.sessions import Session
from schema.settings import Settings, viewer_settings
from schema.threads import ThreadConnection, viewer_threads
from schema.users import User, UserConnection

_FILTER = strawberry.argument(description="Which chats to list.")


async def _session(root: "Viewer", info: Info) -> Session:
    row = await session_use_cases.current(info.context.services, info.context.signed_in)
    return Session.of(row, root.user)


async def _sessions(root: "Viewer", info: Info) -> list[Session]:
    rows = await session_use_cases.live(info.context.services, info.context.signed_in)
    return [Session.of(row, root.user) for row in rows]


async def _unread_count(info: Info) -> int:
    viewer = info.context.signed_in
    total = await info.context.services.inboxes.unread_total(viewer.user_id)
    if total is not None:
        return total
    async with info.context.db.reading() as db:
        return await members.unread_total(db, viewer.user_id)


async def _unread_chats(info: Info) -> int:
    async with info.context.db.reading() as db:
        return await members.unread_chats(db, info.context.signed_in.user_id, utc_now())


async def _mention_count(info: Info) -> int:
    async with info.context.db.reading() as db:
        return await mentions.unread_total(db, info.context.signed_in.user_id)


def _cursor(info: Info) -> Cursor:
    if info.context.present is None:
        raise RuntimeError("the cursor was to be taken before the operation")
    return Cursor(info.context.services.credentials.cursors.encode(info.context.present))


async def _chats(
    info: Info,
    first: First = DEFAULT_PAGE,
    after: After = None,
    filter: Annotated[ChatFilter | None, _FILTER] = None,
) -> ChatConnection:
    return await viewer_chats(info, first, after, filter)


async def _second_factors(info: Info) -> SecondFactors:
    row = await second_factors.of(info.context.services, info.context.signed_in)
    return SecondFactors.of(row)


@strawberry.type(description="The signed-in person, with what is theirs alone.")
class Viewer:
    user: User = strawberry.field(description="The person, as others see them.")
    email: str | None = strawberry.field(description="Their e-mail address; nobody else sees it.")
    locale: str | None = strawberry.field(
        description="Their language as a BCP 47 tag; nobody else sees it."
    )
    settings: Settings = strawberry.field(
        resolver=viewer_settings, description="What they want of others."
    )
    email_verified: bool = strawberry.field(
        resolver=email_verified,
        description="Whether they have proven that the address is theirs.",
    )
    session: Session = strawberry.field(
        resolver=_session, description="The session of this request."
    )
    sessions: list[Session] = strawberry.field(
        resolver=_sessions,
        description=f"The sessions that are open, the one last seen first, {SHOWN} at most.",
    )
    second_factors: SecondFactors = strawberry.field(
        resolver=_second_factors, description="What their log-in asks for beside the password."
    )
    cursor: Cursor = strawberry.field(
        resolver=_cursor,
        description="Where `events(after:)` takes over from the state that this very operation "
        "fetches: nothing is missed in between.",
    )
    chats: ChatConnection = strawberry.field(
        resolver=_chats,
        description="The chats they are in, the latest activity first, or with `pinned: true` in "
        "the order of the pins. A direct chat that somebody else made comes with its first "
        "message.",
    )
    self_chat: Chat | None = strawberry.field(
        resolver=viewer_self_chat,
        description="Their own chat, with nobody else in it; null until `createChat` makes it, or "
        "a message to themselves.",
    )
    folders: list[Folder] = strawberry.field(
        resolver=viewer_folders, description="Their folders, in their order."
    )
    blocks: UserConnection = strawberry.field(
        resolver=viewer_blocks,
        description="Whom they block; they are not told. Who registered first comes first.",
    )
    join_requests: list[JoinRequest] = strawberry.field(
        resolver=viewer_join_requests,
        description=f"The chats they have asked to be let into, the newest first, {MAX_ASKED} at "
        "most.",
    )
    bots: list[Bot] = strawberry.field(
        resolver=viewer_bots, description="The bots they have made, the oldest first."
    )
    deletion_due_at: datetime | None = strawberry.field(
        resolver=deletion_due_at,
        description="When their account is deleted, unless they cancel that before.",
    )
    data_exports: list[DataExport] = strawberry.field(
        resolver=viewer_exports,
        description="The exports of their data, the newest first, 20 at most.",
    )
    threads: ThreadConnection = strawberry.field(
        resolver=viewer_threads,
        description="The threads that they follow, the latest reply first.",
    )
    scheduled_messages: list[ScheduledMessage] = strawberry.field(
        resolver=viewer_scheduled_messages,
        description="The messages that they have written for later, or that could not be sent, the "
        f"earliest first, {MAX_SCHEDULED} at most.",
    )
    unread_count: int = strawberry.field(
        resolver=_unread_count,
        description="How many messages they have not read, in all chats, muted ones too.",
    )
    unread_chats: int = strawberry.field(
        resolver=_unread_chats,
        description="In how many chats they have not read everything, without muted and archived "
        "ones: for the badge on an app's icon.",
    )
    mention_count: int = strawberry.field(
        resolver=_mention_count,
        description="How many messages that they have not read mention them, in all chats, muted "
        "ones too.",
    )


async def viewer(info: Info) -> Viewer | None:
    """Resolve `Query.viewer`."""
    signed_in = info.context.viewer
    if signed_in is None:
        return None
    async with info.context.db.reading() as db:
        row = (await users.by_ids(db, [signed_in.user_id])).get(signed_in.user_id)
    if row is None:
        raise Unauthenticated
    return Viewer(user=User.of(row), email=row.email, locale=row.locale)
