"""A person's device: what it fetched once, kept up to date by nothing but events.

It hears each event of a chat once and in order, as the model's log has them, during the person's
stays and at no other time. Applying an event twice changes nothing, as `docs/PROTOCOL.md` asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.agreement import observing
from tests.agreement.copies import Copy, tombstone
from tests.agreement.model import Chat, Message, Person, World
from tests.agreement.observing import DETAILS, KEPT, Names
from tests.agreement.views import View
from tests.parts.people import Person as Client

_MESSAGE = f"message {{ {observing.MESSAGE} }}"
_MEMBER = f"membership {{ {observing.MEMBERSHIP} }}"
_SELECTIONS = {
    "MemberJoined": _MEMBER,
    "MemberLeft": _MEMBER,
    "MemberRoleChanged": _MEMBER,
    "MemberSilenced": _MEMBER,
    "MessageSent": _MESSAGE,
    "MessageEdited": _MESSAGE,
    "MessageDeleted": "messageSeq",
    "MessageExpired": "messageSeq",
    "ReactionsChanged": _MESSAGE,
    "PollChanged": _MESSAGE,
    "MessagePinned": "messageSeq",
    "MessageUnpinned": "messageSeq",
    "ReceiptsAdvanced": "user { handle } deliveredSeq readSeq",
    "MessageHidden": "messageId",
    "HistoryCleared": "chatId clearedSeq",
    "ViewerMembershipChanged": f"keptChat: chat {{ id viewerMembership {{ {KEPT} }} }}",
    "BlocksChanged": "user { handle viewerBlocks }",
    "SettingsChanged": f"settings {{ {observing.SETTINGS} }}",
    "FoldersChanged": observing.FOLDERS,
    "DraftChanged": "chatId threadId draft { text }",
}
EVENTS = f"""subscription ($after: Cursor) {{ events(after: $after) {{
    __typename cursor seq actor {{ handle }}
    chat {{ id {" ".join(DETAILS)} lastActivityAt createdAt }}
    {" ".join(f"... on {name} {{ {what} }}" for name, what in _SELECTIONS.items())}
}} }}"""
ABOUT_ITSELF = {"CursorAdvanced", "ResyncRequired"}


class Wrong(Exception):
    """The product and the model disagree."""


class Device:
    """What a client of somebody knows, from a snapshot on."""

    def __init__(self, world: World, person: Person, client: Client, names: Names) -> None:
        self.world, self.person, self.client, self.names = world, person, client, names
        self.cursor = ""
        self.copies: dict[str, Copy] = {}
        self.others: View = {}  # what there is beside the chats
        self.hidden: set[str] = set()  # messages
        # How much of the model's logs was heard, or was there before.
        self._heard: dict[Chat, int] = {}
        self._told = 0

    async def fetch(self) -> None:
        """Begin with a snapshot."""
        viewer = (await self.client.ask(observing.EVERYTHING))["viewer"]
        seen = observing.view_of(viewer, self.names)
        self.cursor = viewer["cursor"]
        self.others = {name: seen[name] for name in ("blocks", "settings", "folders")}
        self.copies = {
            self.names.chat(chat["id"]): Copy.of(chat) for chat in viewer["chats"]["nodes"]
        }
        self._heard = {chat: len(chat.log) for chat in self.world.chats}
        self._told = len(self.person.told)

    def state(self) -> View:
        """Return what the device shows, in the form of `known`."""
        copies = sorted(self.copies.items(), key=lambda each: each[1].active, reverse=True)
        chats = {name: copy.state() for name, copy in copies}
        own = [chat["own"] for chat in chats.values()]
        return {
            "order": list(chats),
            "unread": sum(each["unread"] for each in own),
            "badge": sum(
                each["unread"] > 0 and not each["muted"] and not each["archived"] for each in own
            ),
            **self.others,
            "chats": chats,
        }

    # --- what is to come ------------------------------------------------------------------------

    def expects(self) -> str | None:
        """Return an event that has not been heard yet; None if there is none."""
        for chat in self.world.chats:
            seq = self._next(chat)
            if seq is not None:
                return f"{chat}#{seq} {chat.log[seq - 1].what}"
        missing = self.person.told[self._told :]
        return missing[0] if missing else None

    def _next(self, chat: Chat) -> int | None:
        """Return the number of the next event of a chat that the person has to hear."""
        heard = self._heard.get(chat, 0)
        for stay in chat.stays:
            if stay.person is self.person:
                seq = max(heard + 1, stay.joined)
                if seq <= min(stay.left or len(chat.log), len(chat.log)):
                    return seq
        return None

    async def hear(self, event: Any) -> None:
        """Check an event against the model, and apply it; raises `Wrong`."""
        type_, self.cursor = event["__typename"], event["cursor"]
        if type_ in ABOUT_ITSELF:
            if type_ == "ResyncRequired":
                raise Wrong("the log was said to be gone")
            return
        name = self.names.chat(event["chat"]["id"]) if event["chat"] else None
        if event["seq"] is None:
            if type_ != "ReceiptsAdvanced":
                self._own(type_)
        else:
            self._of_chat(name, event)
        copy = self.copies.get(name) if name else None
        if copy is not None and event["seq"] is not None:
            copy.details = {each: event["chat"][each] for each in DETAILS}
            copy.active = event["chat"]["lastActivityAt"]
        handler = _HANDLERS.get(type_)
        if handler is not None:
            handler(self, copy, event)
        elif type_ == "MessageSent":
            await self._message_sent(copy, event)
        elif type_ in ("ChatCreated", "MemberJoined"):
            await self._came(copy, event)

    def _own(self, type_: str) -> None:
        told = self.person.told
        if self._told >= len(told) or told[self._told] != type_:
            due = told[self._told] if self._told < len(told) else "nothing"
            raise Wrong(f"heard {type_} of one's own, and {due} was due")
        self._told += 1

    def _of_chat(self, name: str | None, event: Any) -> None:
        chat = next((chat for chat in self.world.chats if chat.name == name), None)
        what = f"{name}#{event['seq']} {event['__typename']}"
        if chat is None:
            raise Wrong(f"heard {what} of a chat that nobody has begun")
        due = self._next(chat)
        if due is None or due != event["seq"]:
            raise Wrong(f"heard {what}, and #{due} was due")
        happened = chat.log[due - 1]
        by, about = event["actor"] and event["actor"]["handle"], _about(event)
        real: tuple[str, str | None, int | str | None] = (
            happened.what,
            _handle(happened.by),
            happened.about.seq if isinstance(happened.about, Message) else _handle(happened.about),
        )
        if (event["__typename"], by, about) != real:
            raise Wrong(f"heard {what} by {by} about {about}, and what happened was {real}")
        self._heard[chat] = due

    # --- what needs to be fetched -----------------------------------------------------------------

    async def _came(self, copy: Copy | None, event: Any) -> None:
        id_, type_ = event["chat"]["id"], event["__typename"]
        if type_ == "MemberJoined":
            stay = event["membership"]
            if copy is not None:
                copy.members[stay["id"]] = observing.member(stay)
            elif stay["user"]["handle"] == self.person.handle:
                await self._enter(id_, lambda chat: chat["viewerMembership"]["id"] == stay["id"])
        elif copy is None:
            theirs = event["chat"]["kind"] == "DIRECT" and not _is(event["actor"], self.person)
            since = event["chat"]["createdAt"]
            await self._enter(
                id_,
                # Somebody else's direct chat is listed once it is used.
                lambda chat: (
                    chat["viewerMembership"]["joinedAt"] == since
                    and (not theirs or chat["lastMessage"] is not None)
                ),
            )

    async def _message_sent(self, copy: Copy | None, event: Any) -> None:
        found = event["message"]
        if copy is None:
            if event["chat"]["kind"] == "DIRECT":
                await self._enter(event["chat"]["id"], lambda chat: True)
            return
        seq = found["seq"]
        if seq > max([0, *copy.messages]) and not copy.kept["muted"]:
            copy.kept = {**copy.kept, "archived": False}
        copy.put(found, hidden=found["id"] in self.hidden)
        copy.got_to(found["sender"]["handle"], seq, seq)

    async def _enter(self, id_: str, is_meant: Callable[[Any], bool]) -> None:
        """Fetch a chat that the person has come into, unless they are gone or back by now."""
        found = (await self.client.ask(observing.ONE_CHAT, id=id_))["chat"]
        if found is not None and is_meant(found):
            self.copies[self.names.chat(id_)] = Copy.of(found)


def known(view: View, world: World) -> View:
    """Return of a view what a device can know from events.

    It takes no counted mention back, and is not told how far somebody has read meanwhile who has
    blocked its person, or whom they have.
    """
    parted = {chat.name for chat in world.chats if chat.parted}
    chats = {
        name: {
            **chat,
            "own": _without(chat["own"], {"mentions"}),
            "members": [
                _without(each, {"delivered", "read"} if name in parted else set())
                for each in chat["members"]
            ],
        }
        for name, chat in view["chats"].items()
    }
    unknown = {"mentioned", "pinned", "chats"}
    return {**_without(view, unknown), "chats": chats}


def _without(view: View, names: set[str]) -> View:
    return {name: value for name, value in view.items() if name not in names}


def _is(user: Any, person: Person) -> bool:
    return bool(user) and user["handle"] == person.handle


def _handle(person: Person | None) -> str | None:
    return person.handle if person else None


def _about(event: Any) -> int | str | None:
    """Return the message or the person that an event names."""
    if event.get("message"):
        return int(event["message"]["seq"])
    if event.get("membership"):
        return str(event["membership"]["user"]["handle"])
    seq: int | None = event.get("messageSeq")
    return seq


# --- what the other events do -------------------------------------------------------------------

Handler = Callable[[Device, Copy | None, Any], None]


def _member_left(device: Device, copy: Copy | None, event: Any) -> None:
    if copy is None:
        return
    if event["membership"]["id"] == copy.own:
        del device.copies[device.names.chat(event["chat"]["id"])]
    else:
        copy.members.pop(event["membership"]["id"], None)


def _member_changed(device: Device, copy: Copy | None, event: Any) -> None:
    found = event["membership"]
    if copy is not None and found["id"] in copy.members:
        seen = observing.member(found)
        name = "role" if event["__typename"] == "MemberRoleChanged" else "silenced"
        copy.members[found["id"]][name] = seen[name]


def _message_changed(device: Device, copy: Copy | None, event: Any) -> None:
    found = event["message"]
    if copy is not None and found["seq"] in copy.messages:
        copy.put(found, hidden=found["id"] in device.hidden)


def _message_deleted(device: Device, copy: Copy | None, event: Any) -> None:
    seq = event["messageSeq"]
    if copy is not None and seq in copy.messages:
        copy.messages[seq] = tombstone(copy.messages[seq])
        copy.pins = [each for each in copy.pins if each != seq]


def _pinned(device: Device, copy: Copy | None, event: Any) -> None:
    seq = event["messageSeq"]
    if copy is not None and seq in copy.messages:
        copy.pins = [seq, *(each for each in copy.pins if each != seq)]


def _unpinned(device: Device, copy: Copy | None, event: Any) -> None:
    if copy is not None:
        copy.pins = [each for each in copy.pins if each != event["messageSeq"]]


def _receipts(device: Device, copy: Copy | None, event: Any) -> None:
    if copy is not None:
        copy.got_to(event["user"]["handle"], event["deliveredSeq"], event["readSeq"])


def _hidden(device: Device, copy: Copy | None, event: Any) -> None:
    # Told of it before the message itself, after a while away.
    device.hidden.add(event["messageId"])
    for each in device.copies.values():
        each.hide(event["messageId"])


def _cleared(device: Device, copy: Copy | None, event: Any) -> None:
    copy = device.copies.get(device.names.chat(event["chatId"]))
    if copy is not None:
        copy.clear(event["clearedSeq"])
        copy.got_to(device.person.handle, event["clearedSeq"], event["clearedSeq"])


def _kept(device: Device, copy: Copy | None, event: Any) -> None:
    if copy is not None and event["keptChat"]["viewerMembership"]:
        own = event["keptChat"]["viewerMembership"]
        copy.kept = {name: own[name] for name in KEPT.split()}


def _blocks(device: Device, copy: Copy | None, event: Any) -> None:
    user = event["user"]
    others = set(device.others["blocks"]) - {user["handle"]}
    device.others["blocks"] = sorted(others | ({user["handle"]} if user["viewerBlocks"] else set()))


def _settings(device: Device, copy: Copy | None, event: Any) -> None:
    device.others["settings"] = event["settings"]


def _folders(device: Device, copy: Copy | None, event: Any) -> None:
    device.others["folders"] = observing.folders(event["folders"], device.names)


def _draft(device: Device, copy: Copy | None, event: Any) -> None:
    copy = device.copies.get(device.names.chat(event["chatId"]))
    if copy is not None and event["threadId"] is None:
        copy.draft = event["draft"] and event["draft"]["text"]


_HANDLERS: dict[str, Handler] = {
    "MemberLeft": _member_left,
    "MemberRoleChanged": _member_changed,
    "MemberSilenced": _member_changed,
    "MessageEdited": _message_changed,
    "ReactionsChanged": _message_changed,
    "PollChanged": _message_changed,
    "MessageDeleted": _message_deleted,
    "MessageExpired": _message_deleted,
    "MessagePinned": _pinned,
    "MessageUnpinned": _unpinned,
    "ReceiptsAdvanced": _receipts,
    "MessageHidden": _hidden,
    "HistoryCleared": _cleared,
    "ViewerMembershipChanged": _kept,
    "BlocksChanged": _blocks,
    "SettingsChanged": _settings,
    "FoldersChanged": _folders,
    "DraftChanged": _draft,
}
