"""Telling administrators about somebody, and what they make of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from models import audit, chat_acts, chats, events, keepers, members, messages, reports, users
from models.audit import Act
from models.base import new_key
from models.chat_acts import ChatAct
from models.chats import ChatKind
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import InvalidInput, NotFound
from models.events import EventKind
from models.messages import MessageKey, MessageKind
from models.reports import (
    MAX_NOTE,
    MAX_REPORT,
    Report,
    ReportAction,
    ReportKind,
    ReportReason,
)
from models.viewer import Viewer
from resolvers import contents, evidence
from resolvers.locked_chat import LockedChat
from resolvers.members import go
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import tell_ended
from resolvers.text import checked

KEPT_FOR = timedelta(days=180)  # after a report was closed, with what was kept as evidence
PRUNED_AT_ONCE = 1000
_ACTS = {
    ReportKind.USER: Act.USER_REPORTED,
    ReportKind.MESSAGE: Act.MESSAGE_REPORTED,
    ReportKind.CHAT: Act.CHAT_REPORTED,
}


async def report(
    services: Services,
    viewer: Viewer,
    *,
    user_id: UUID,
    reason: ReportReason,
    text: str | None,
    client: Client = NOWHERE,
) -> None:
    """Tell the administrators about somebody; raises `NotFound`, `InvalidInput`, `RateLimited`."""
    text = await _words(services, viewer, text)
    if user_id == viewer.user_id:
        raise InvalidInput("Nobody reports themselves.", path=["userId"])
    now = utc_now()
    async with services.db.writing() as connection:
        # Whom one may not see, one learns nothing of this way either.
        if not await users.visible_to(
            connection, viewer, [user_id]
        ) and not await keepers.is_asked_by(connection, viewer.user_id, user_id):
            raise NotFound("The person", path=["userId"])
        await _store(connection, viewer, client, _new(viewer, user_id, reason, text, now))


async def report_message(
    services: Services,
    viewer: Viewer,
    *,
    key: MessageKey,
    reason: ReportReason,
    text: str | None,
    client: Client = NOWHERE,
) -> None:
    """Show the administrators a message, with a few around it; raises as `report` does."""
    text = await _words(services, viewer, text)
    now = utc_now()
    async with services.db.writing() as connection:
        shown = await evidence.of_message(connection, viewer, key, now)
        if shown is None:
            raise NotFound("The message", path=["messageId"])
        message, kept = shown
        if message.sender_id == viewer.user_id:
            raise InvalidInput("Nobody reports themselves.", path=["messageId"])
        if message.kind == MessageKind.SYSTEM:
            raise InvalidInput("Nobody has written that.", path=["messageId"])
        told = replace(
            _new(viewer, message.sender_id, reason, text, now),
            kind=ReportKind.MESSAGE.value,
            chat_id=key[0],
            message_seq=key[1],
            evidence=kept,
        )
        await _store(connection, viewer, client, told)


async def report_chat(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    reason: ReportReason,
    text: str | None,
    client: Client = NOWHERE,
) -> None:
    """Tell the administrators about a chat and who answers for it; raises as `report` does.

    That is its owner, and in a direct chat the other one.
    """
    text = await _words(services, viewer, text)
    now = utc_now()
    async with services.db.writing() as connection:
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        me = (await members.of_chats(connection, viewer.user_id, [chat_id]))[chat_id]
        answering = await _answering(connection, chat, viewer)
        if answering is None:
            raise InvalidInput("Nobody reports themselves.", path=["chatId"])
        told = replace(
            _new(viewer, answering, reason, text, now),
            kind=ReportKind.CHAT.value,
            chat_id=chat_id,
            evidence=evidence.of_chat(chat, me),
        )
        await _store(connection, viewer, client, told)


async def _words(services: Services, viewer: Viewer, text: str | None) -> str | None:
    await services.rates.spend(Rate.REPORT, str(viewer.user_id))
    if text is not None:
        text = checked(text, what="The text", maximum=MAX_REPORT, path=["text"], empty_ok=True)
    return text or None


async def _answering(connection: Connection, chat: chats.Chat, viewer: Viewer) -> UUID | None:
    """Return who answers for a chat to the viewer; None if that is the viewer."""
    if chat.kind == ChatKind.DIRECT:
        founders = (await members.founders(connection, [chat.id]))[chat.id]
        return next((each for each in founders if each != viewer.user_id), None)
    owner = await keepers.owner(connection, chat.id) or chat.created_by
    return None if owner == viewer.user_id else owner


def _new(
    viewer: Viewer, subject_id: UUID, reason: ReportReason, text: str | None, now: datetime
) -> Report:
    return Report(
        id=new_key(),
        reporter_id=viewer.user_id,
        subject_id=subject_id,
        reason=reason.value,
        text=text,
        created_at=now,
        resolved_at=None,
        resolved_by=None,
        note=None,
    )


async def _store(connection: Connection, viewer: Viewer, client: Client, told: Report) -> None:
    await reports.create(connection, told)
    await audit.record(
        connection,
        _ACTS[ReportKind(told.kind)],
        now=told.created_at,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
        subject_id=told.subject_id,
        details={"report": str(told.id), "reason": told.reason},
    )


async def page(
    services: Services, *, resolved: bool | None, after: UUID | None, limit: int
) -> Sequence[Report]:
    """Return reports, the newest first; `limit` rows at most."""
    async with services.db.reading() as connection:
        return await reports.page(connection, resolved=resolved, after=after, limit=limit)


async def resolve(
    services: Services,
    viewer: Viewer,
    *,
    report_id: UUID,
    note: str | None,
    action: ReportAction = ReportAction.NONE,
    client: Client = NOWHERE,
) -> Report:
    """Close a report, and do something about it; all of that is done, or nothing.

    What is gone already, the message or the stay, needs nothing to be done. Raises `NotFound`, also
    when it is closed already, `InvalidInput` for an action that does not fit, or `TooLong`.
    """
    if note is not None:
        note = checked(note, what="The note", maximum=MAX_NOTE, path=["note"], empty_ok=True)
    now = utc_now()
    ended: list[UUID] = []
    async with services.db.writing() as connection:
        closed = await reports.resolve(
            connection, report_id, by=viewer.user_id, note=note or None, action=action, now=now
        )
        if closed is None:
            raise NotFound("The report", path=["reportId"])
        if action is not ReportAction.NONE:
            ended = await _act(connection, viewer, client, closed, action, now)
        await audit.record(
            connection,
            Act.REPORT_RESOLVED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=closed.subject_id,
            details={"report": str(report_id), "action": action.value},
        )
    services.node.announce_log()
    await tell_ended(services, ended)
    return closed


async def prune(services: Services) -> int:
    """Delete reports that were closed long ago; returns how many."""
    count = 0
    while True:
        async with services.db.writing() as connection:
            pruned = await reports.prune(
                connection, before=utc_now() - KEPT_FOR, limit=PRUNED_AT_ONCE
            )
        count += pruned
        if pruned < PRUNED_AT_ONCE:
            return count


async def _act(
    connection: Connection,
    viewer: Viewer,
    client: Client,
    closed: Report,
    action: ReportAction,
    now: datetime,
) -> list[UUID]:
    """Do what an administrator wants done in a chat; returns sessions that ended with that.

    The chat is not told which administrator it was.
    """
    deleting = action is ReportAction.DELETE_MESSAGE
    if closed.chat_id is None or (deleting and closed.message_seq is None):
        raise InvalidInput("The report is about nothing of that sort.", path=["action"])
    await chats.lock(connection, [closed.chat_id])
    chat = (await chats.by_ids(connection, [closed.chat_id]))[closed.chat_id]
    if chat.kind == ChatKind.DIRECT and not deleting:
        raise InvalidInput("Nobody is removed from a direct chat.", path=["action"])
    ended: list[UUID] = []
    act, noted = Act.MEMBER_REMOVED_BY_ADMINISTRATOR, ChatAct.MEMBER_REMOVED
    if deleting:
        act, noted = Act.MESSAGE_DELETED_BY_ADMINISTRATOR, ChatAct.MESSAGE_DELETED
        await _delete(connection, closed, now)
    else:
        stays = await members.among(connection, chat.id, [closed.subject_id])
        if closed.subject_id in stays:
            ended = await go(LockedChat(connection, chat, stays[closed.subject_id]), now=now)
    await chat_acts.record(
        connection,
        noted,
        now=now,
        chat_id=chat.id,
        actor_id=None,
        subject_id=closed.subject_id,
        message_seq=closed.message_seq if deleting else None,
    )
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
        subject_id=closed.subject_id,
        details={"report": str(closed.id), "chat": str(chat.id)},
    )
    return ended


async def _delete(connection: Connection, closed: Report, now: datetime) -> None:
    """Take the content of a reported message in a locked chat away, if it is there still."""
    if closed.chat_id is None or closed.message_seq is None:
        return
    key = (closed.chat_id, closed.message_seq)
    message = await messages.by_key(connection, *key)
    if message is None or message.deleted_at is not None:
        return
    await messages.delete(connection, *key, now=now)
    await contents.take_away(connection, key[0], [key[1]])
    await events.record(
        connection,
        EventKind.MESSAGE_DELETED,
        now=now,
        chat_id=key[0],
        seq=await chats.next_event_seq(connection, key[0]),
        message_seq=key[1],
    )
