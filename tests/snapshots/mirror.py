"""What a client keeps of a person's state, and what each kind of event does to it.

A kind of event is an entry of `KINDS`: what to ask for, and how to apply it. Events may come that
the snapshot holds already, so applying one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.parts.people import Person
from tests.snapshots.chat_mirror import (
    CHAT,
    DETAILS,
    DRAFT,
    KEPT,
    MEMBERSHIP,
    MESSAGE,
    ChatMirror,
    State,
    chat_state,
)

SCHEDULED = "id text sendAt state"
PROFILE = "handle displayName bio"
SETTINGS = "whoMayCall hides"
FOLDERS = "folders { id name chatIds }"
SNAPSHOT = f"""
    {{ viewer {{
        cursor unreadCount user {{ id {PROFILE} }} settings {{ {SETTINGS} }}
        sessions {{ id deviceName }} {FOLDERS} blocks {{ nodes {{ id }} }}
        scheduledMessages {{ {SCHEDULED} chat {{ id }} }}
        chats(first: 20) {{ nodes {{ {CHAT} }} }}
    }} }}
"""
ONE_CHAT = f"query ($id: ID!) {{ chat(id: $id) {{ {CHAT} }} }}"


def state_of(viewer: Any) -> State:
    """Return a fetched snapshot in the form in which two of them can be compared."""
    return {
        "unreadCount": viewer["unreadCount"],
        "sessions": {each["id"]: each["deviceName"] for each in viewer["sessions"]},
        "user": viewer["user"],
        "settings": viewer["settings"],
        "folders": viewer["folders"],
        "blocks": {each["id"] for each in viewer["blocks"]["nodes"]},
        "scheduled": _scheduled(viewer),
        "chats": {chat["id"]: chat_state(chat) for chat in viewer["chats"]["nodes"]},
    }


def _scheduled(viewer: Any) -> State:
    """Return what is scheduled, by chat; for one that the person has left there is no chat."""
    found: State = {}
    for each in viewer["scheduledMessages"]:
        if each["chat"] is not None:
            kept = {name: each[name] for name in SCHEDULED.split()}
            found.setdefault(each["chat"]["id"], []).append(kept)
    return found


@dataclass(slots=True)
class Mirror:
    """What a client of a person knows, from a snapshot on."""

    person: Person
    user_id: str
    cursor: str
    user: State
    settings: State
    folders: list[State]
    blocks: set[str]
    chats: dict[str, ChatMirror] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    scheduled: State = field(default_factory=dict)

    @classmethod
    async def take(cls, person: Person) -> Mirror:
        """Fetch a snapshot."""
        viewer = (await person.ask(SNAPSHOT))["viewer"]
        return cls(
            person=person,
            user_id=viewer["user"]["id"],
            cursor=viewer["cursor"],
            user=viewer["user"],
            settings=viewer["settings"],
            folders=viewer["folders"],
            blocks={each["id"] for each in viewer["blocks"]["nodes"]},
            chats={chat["id"]: ChatMirror.of(chat) for chat in viewer["chats"]["nodes"]},
            sessions={each["id"]: each["deviceName"] for each in viewer["sessions"]},
            scheduled=_scheduled(viewer),
        )

    async def apply(self, event: Any) -> None:
        """Change what is known by an event; the chat's details come with every one."""
        chat = self.chats.get(event["chat"]["id"]) if event["chat"] else None
        if chat is not None and event["seq"] is not None:
            chat.details = {name: event["chat"][name] for name in DETAILS}
        await KINDS[event["__typename"]].apply(self, chat, event)

    def state(self) -> State:
        """Return the same as `state_of` a snapshot that would be fetched now."""
        chats = {
            chat_id: chat.state()
            for chat_id, chat in self.chats.items()
            if chat.messages or not chat.theirs
        }
        return {
            "unreadCount": sum(chat["viewerMembership"]["unreadCount"] for chat in chats.values()),
            "sessions": self.sessions,
            "user": self.user,
            "settings": self.settings,
            "folders": self.folders,
            "blocks": self.blocks,
            # A client shows what is scheduled with the chat that it is for.
            "scheduled": {
                chat_id: each for chat_id, each in self.scheduled.items() if chat_id in chats
            },
            "chats": chats,
        }

    async def enter(
        self, chat_id: str, is_this_stay: Callable[[Any], bool], *, theirs: bool = False
    ) -> None:
        """Fetch a chat that the person has come into, unless they are gone or back by now."""
        fetched = (await self.person.ask(ONE_CHAT, id=chat_id))["chat"]
        if fetched is not None and is_this_stay(fetched["viewerMembership"]):
            self.chats[chat_id] = ChatMirror.of(fetched, theirs=theirs)


# --- what each kind of event does -----------------------------------------------------------------

Apply = Callable[[Mirror, ChatMirror | None, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What to ask of an event, and what it does."""

    selection: str
    apply: Apply


async def _chat_created(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if chat is None:
        created_at = event["chat"]["createdAt"]
        by_somebody = (event["actor"] or {}).get("id") != mirror.user_id
        await mirror.enter(
            event["chat"]["id"],
            lambda own: own["joinedAt"] == created_at,
            theirs=by_somebody and event["chat"]["kind"] == "DIRECT",
        )


async def _chat_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    """Nothing but the chat's details, which come with every event."""


async def _member_joined(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    membership = event["membership"]
    if chat is not None:
        chat.members[membership["id"]] = membership
    elif membership["user"]["id"] == mirror.user_id:
        await mirror.enter(event["chat"]["id"], lambda own: own["id"] == membership["id"])


async def _member_left(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if chat is None:
        return
    if event["membership"]["id"] == chat.own_id:
        del mirror.chats[event["chat"]["id"]]
    else:
        chat.members.pop(event["membership"]["id"], None)


async def _member_role_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    membership = event["membership"]
    if chat is not None and membership["id"] in chat.members:
        chat.members[membership["id"]]["role"] = membership["role"]


async def _member_silenced(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    membership = event["membership"]
    if chat is not None and membership["id"] in chat.members:
        chat.members[membership["id"]]["silencedUntil"] = membership["silencedUntil"]


async def _message_sent(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    message = event["message"]
    if chat is not None:
        newest = max((each["seq"] for each in chat.messages.values()), default=0)
        if message["seq"] > newest and not chat.kept["muted"]:
            chat.kept = {**chat.kept, "archived": False}
        chat.messages[message["id"]] = message
        chat.got_to(message["sender"]["id"], delivered=message["seq"], read=message["seq"])
    elif event["chat"]["kind"] == "DIRECT":  # it was not listed while nothing was said in it
        await mirror.enter(event["chat"]["id"], lambda _: True)


async def _message_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    message = event["message"]
    if chat is not None and message["id"] in chat.messages:
        chat.messages[message["id"]] = message


async def _message_deleted(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if chat is not None and event["messageId"] in chat.messages:
        chat.messages[event["messageId"]] |= {
            "text": "",
            "deletedAt": event["occurredAt"],
            "replyTo": None,
            "reactions": [],
            "viewerReactions": [],
            "poll": None,
        }


async def _message_hidden(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    """It looks deleted, to this person alone."""
    for each in mirror.chats.values():
        await _message_deleted(mirror, each, event)


async def _history_cleared(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    """Who clears a chat has read it too, of which they are told by a receipt."""
    cleared = mirror.chats.get(event["chatId"])
    if cleared is not None:
        cleared.messages = {
            id_: message
            for id_, message in cleared.messages.items()
            if message["seq"] > event["clearedSeq"]
        }


async def _receipts_advanced(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if chat is not None:
        chat.got_to(event["user"]["id"], delivered=event["deliveredSeq"], read=event["readSeq"])


async def _session_started(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if event["session"] is not None:
        mirror.sessions[event["session"]["id"]] = event["session"]["deviceName"]


async def _session_ended(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    mirror.sessions.pop(event["sessionId"], None)


async def _profile_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    mirror.user = event["user"]


async def _settings_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    mirror.settings = event["settings"]


async def _blocks_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    user = event["user"]
    (mirror.blocks.add if user["viewerBlocks"] else mirror.blocks.discard)(user["id"])


async def _join_requests_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    """Nothing that the snapshot has: who shows the requests fetches them anew."""


async def _folders_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    mirror.folders = event["folders"]


async def _viewer_membership_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if chat is not None:
        chat.kept = event["chat"]["viewerMembership"]


async def _scheduled_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    mirror.scheduled.pop(event["chatId"], None)
    if event["scheduledMessages"]:
        mirror.scheduled[event["chatId"]] = event["scheduledMessages"]


async def _draft_changed(mirror: Mirror, chat: ChatMirror | None, event: Any) -> None:
    if event["threadId"] is None and event["chatId"] in mirror.chats:
        mirror.chats[event["chatId"]].draft = event["draft"]


_ABOUT_MEMBER = f"membership {{ {MEMBERSHIP} }}"
_ABOUT_MESSAGE = f"message {{ {MESSAGE} }}"

KINDS: dict[str, Kind] = {
    "ChatCreated": Kind("", _chat_created),
    "ChatChanged": Kind("", _chat_changed),
    "MemberJoined": Kind(_ABOUT_MEMBER, _member_joined),
    "MemberLeft": Kind(_ABOUT_MEMBER, _member_left),
    "MemberRoleChanged": Kind(_ABOUT_MEMBER, _member_role_changed),
    "MemberSilenced": Kind(_ABOUT_MEMBER, _member_silenced),
    "MessageSent": Kind(_ABOUT_MESSAGE, _message_sent),
    "MessageEdited": Kind(_ABOUT_MESSAGE, _message_changed),
    "MessageDeleted": Kind("messageId", _message_deleted),
    "MessageExpired": Kind("messageId", _message_deleted),
    "MessageHidden": Kind("messageId", _message_hidden),
    "HistoryCleared": Kind("chatId clearedSeq", _history_cleared),
    "ReactionsChanged": Kind(_ABOUT_MESSAGE, _message_changed),
    "PollChanged": Kind(_ABOUT_MESSAGE, _message_changed),
    "ReceiptsAdvanced": Kind("user { id } deliveredSeq readSeq", _receipts_advanced),
    "SessionStarted": Kind("session { id deviceName }", _session_started),
    "SessionEnded": Kind("sessionId", _session_ended),
    "ProfileChanged": Kind(f"user {{ id {PROFILE} }}", _profile_changed),
    "SettingsChanged": Kind(f"settings {{ {SETTINGS} }}", _settings_changed),
    "BlocksChanged": Kind("user { id viewerBlocks }", _blocks_changed),
    "JoinRequestsChanged": Kind("chatId", _join_requests_changed),
    "JoinRequestAnswered": Kind("requestId approved", _join_requests_changed),
    "FoldersChanged": Kind(FOLDERS, _folders_changed),
    "ViewerMembershipChanged": Kind(
        f"chat {{ viewerMembership {{ {' '.join(KEPT)} }} }}", _viewer_membership_changed
    ),
    "ScheduledMessagesChanged": Kind(
        f"chatId scheduledMessages {{ {SCHEDULED} }}", _scheduled_changed
    ),
    "DraftChanged": Kind(f"chatId threadId draft {{ {DRAFT} }}", _draft_changed),
}
# What changes nothing that a client keeps, besides its cursor: nothing at all, or what this client
# shows nowhere: threads but in their chats' history, pins, previews of links, webhooks.
NO_CHANGE = {
    "CursorAdvanced",
    "LinkPreviewAdded",
    "MessagePinned",
    "MessageUnpinned",
    "ResyncRequired",
    "ThreadChanged",
    "WebhookDisabled",
}

EVENTS = f"""
    subscription ($after: Cursor) {{ events(after: $after) {{
        __typename seq occurredAt actor {{ id }} chat {{ id {" ".join(DETAILS)} createdAt }}
        {
    " ".join(
        f"... on {name} {{ {kind.selection} }}" for name, kind in KINDS.items() if kind.selection
    )
}
    }} }}
"""
