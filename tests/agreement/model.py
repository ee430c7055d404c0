"""The plain model: people, chats and what is in them, as simple and obviously right as can be.

Nothing is kept that can be counted, nothing is fast, and nothing of the product is imported. What
people do to it is in `doings_….py`; what they see of it in `views.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KEEPERS = ("OWNER", "ADMIN")
RANKS = {"OWNER": 2, "ADMIN": 1, "MEMBER": 0}
MENTION_ALL = "@all"


class Refused(Exception):
    """A doing is refused with a code, and changes nothing."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


NOT_FOUND = "NOT_FOUND"
FORBIDDEN = "FORBIDDEN"
INVALID = "INVALID_INPUT"


@dataclass(eq=False)
class Person:
    """Somebody with an account."""

    handle: str
    blocks: list[Person] = field(default_factory=list)
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "whoMayMessage": "EVERYBODY",
            "whoMayAdd": "EVERYBODY",
            "hides": False,
        }
    )
    folders: list[Folder] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # the types of their own events, in order

    def __repr__(self) -> str:
        return self.handle


@dataclass(eq=False)
class Folder:
    """Chats under a name."""

    name: str
    chats: list[Chat]


@dataclass(eq=False)
class Stay:
    """Somebody's being in a chat, from an event of it to another."""

    person: Person
    role: str
    joined: int
    first: int  # the first message that they may read
    left: int | None = None
    delivered: int = 0
    read: int = 0
    silenced: bool = False
    waits: bool = False  # has written in slow mode, which lasts longer than any run
    muted: bool = False
    archived: int | None = None  # the last message that was there then
    pinned: int | None = None  # its place among the pinned chats


@dataclass(eq=False)
class Poll:
    """What is asked, and who has chosen what."""

    options: int
    multiple: bool
    closed: bool = False
    votes: dict[Person, list[int]] = field(default_factory=dict)


@dataclass(eq=False)
class Message:
    """A message, or what is left of it."""

    chat: Chat
    seq: int
    sender: Person
    text: str
    kind: str = "TEXT"
    answers: Message | None = None
    quote: str | None = None
    forwarded: bool = False
    deleted: bool = False  # or expired
    expires: bool = False  # at some time after the run, unless the clock is moved
    versions: list[str] = field(default_factory=list)  # what it said before
    reactions: dict[str, list[Person]] = field(default_factory=dict)
    mentions: list[Person] = field(default_factory=list)
    mentions_all: bool = False
    hidden_by: list[Person] = field(default_factory=list)
    poll: Poll | None = None
    root: Message | None = None  # of the thread that it is a reply in
    number: int | None = None  # in that thread
    system: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{self.chat}/{self.seq}"


@dataclass(frozen=True)
class Happened:
    """An entry of a chat's log."""

    what: str
    by: Person | None
    about: Person | Message | None = None


@dataclass(eq=False)
class Link:
    """A way into a chat."""

    chat: Chat
    by: Person
    approval: bool
    name: str
    uses_left: int | None = None
    open: bool = True

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False)
class Request:
    """Somebody who wants to be let into a chat."""

    chat: Chat
    person: Person
    name: str
    pending: bool = True
    declined: bool = False

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False)
class Chat:
    """A chat with everything that was ever in it."""

    name: str  # what it is called here; no client sees that
    kind: str
    by: Person
    title: str | None = None
    description: str | None = None
    history: str = "SINCE_JOINING"
    ttl: int | None = None
    slow: int | None = None
    reaction_set: list[str] | None = None
    parted: bool = False  # whether one of the two has ever blocked the other
    messages: list[Message] = field(default_factory=list)
    log: list[Happened] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    banned: list[Person] = field(default_factory=list)
    pins: list[Message] = field(default_factory=list)
    follows: dict[tuple[Person, Message], bool] = field(default_factory=dict)
    drafts: dict[Person, str] = field(default_factory=dict)
    expired: int = 0  # how many messages at the beginning of the history were gone by an expiry
    active: int = 0

    def __repr__(self) -> str:
        return self.name

    @property
    def open(self) -> bool:
        """Whether people come and go."""
        return self.kind in ("GROUP", "CHANNEL")

    def stay(self, person: Person) -> Stay | None:
        """Return somebody's present stay."""
        return next((s for s in self.stays if s.person is person and s.left is None), None)

    def present(self) -> list[Stay]:
        """Return who is in it, in the order in which they came."""
        return [stay for stay in self.stays if stay.left is None]

    def keeps(self, stay: Stay) -> bool:
        """Whether somebody keeps order here."""
        return self.open and stay.role in KEEPERS

    def may_write(self, stay: Stay) -> bool:
        return self.kind != "CHANNEL" or stay.role in KEEPERS

    def tell(self, what: str, by: Person | None, about: Person | Message | None = None) -> int:
        """Note something in the log, and return its number."""
        self.log.append(Happened(what, by, about))
        return len(self.log)

    def replies(self, root: Message) -> list[Message]:
        return [message for message in self.messages if message.root is root]


@dataclass(eq=False)
class World:
    """Everything."""

    people: list[Person]
    chats: list[Chat] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    clock: int = 0

    def messages(self) -> list[Message]:
        return [message for chat in self.chats for message in chat.messages]

    # --- who may reach whom ---------------------------------------------------------------------

    def inside(self, person: Person, chat: Chat) -> Stay:
        """Return somebody's stay in a chat, which to others is not there."""
        stay = chat.stay(person)
        if stay is None:
            raise Refused(NOT_FOUND)
        return stay

    def readable(self, person: Person, message: Message) -> Stay:
        """Return the stay of somebody for whom a message is there, as it is for everybody."""
        stay = self.inside(person, message.chat)
        if message.deleted or message.seq < stay.first:
            raise Refused(NOT_FOUND)
        return stay

    def sees(self, viewer: Person, other: Person) -> bool:
        """Whether somebody is there for somebody."""
        return (
            viewer is other
            or (not other.settings["hides"] and viewer not in other.blocks)
            or self._met(viewer, other)
        )

    def _met(self, one: Person, other: Person) -> bool:
        end = float("inf")
        return any(
            mine.person is one
            and theirs.person is other
            and mine.joined <= (theirs.left or end)
            and theirs.joined <= (mine.left or end)
            for chat in self.chats
            for mine in chat.stays
            for theirs in chat.stays
        )

    def reach(self, person: Person, others: list[Person], setting: str) -> None:
        """Raise unless somebody may write to these people, or add them."""
        others = [other for other in others if other is not person]
        if not all(self.sees(person, other) for other in others):
            raise Refused(NOT_FOUND)
        for other in others:
            contact = any(
                chat.stay(person)
                and chat.stay(other)
                and (chat.open or any(message.sender is other for message in chat.messages))
                for chat in self.chats
            )
            audience = other.settings[setting]
            if (
                self.blocked(person, other)
                or audience == "NOBODY"
                or (audience == "CONTACTS" and not contact)
            ):
                raise Refused(FORBIDDEN)

    def blocked(self, one: Person, other: Person) -> bool:
        """Whether one of two blocks the other."""
        return one in other.blocks or other in one.blocks

    def silent(self, chat: Chat, stay: Stay) -> bool:
        """Whether somebody may not write at present."""
        other = next((each.person for each in chat.stays if each is not stay), None)
        if chat.kind == "DIRECT" and other is not None:
            return self.blocked(stay.person, other)
        return stay.silenced

    def between(self, one: Person, other: Person) -> Chat | None:
        """Return the direct chat of two people, or somebody's own."""
        kind = "SELF" if one is other else "DIRECT"
        return next(
            (c for c in self.chats if c.kind == kind and c.stay(one) and c.stay(other)), None
        )

    # --- what happens ---------------------------------------------------------------------------

    def found(self, chat: Chat, others: list[Person]) -> Chat:
        """Put a chat into the world, with its founders in it."""
        own = "OWNER" if chat.kind != "DIRECT" else "MEMBER"
        chat.stays = [Stay(chat.by, own, 1, 1), *(Stay(p, "MEMBER", 1, 1) for p in others)]
        chat.tell("ChatCreated", chat.by)
        self.clock += 1
        chat.active = self.clock
        self.chats.append(chat)
        return chat

    def chat_of(self, one: Person, other: Person) -> Chat:
        """Return the only chat of two people, or of one, begun by the first if need be."""
        existing = self.between(one, other)
        if existing:
            return existing
        self.reach(one, [other], "whoMayMessage")
        kind = "SELF" if one is other else "DIRECT"
        chat = Chat(self.name(), kind, one)
        return self.found(chat, [] if one is other else [other])

    def name(self) -> str:
        """Return what the next chat is called here."""
        return f"chat{len(self.chats) + 1}"

    def say(self, message: Message) -> Message:
        """Put a message into its chat, as the next one."""
        chat = message.chat
        message.seq = len(chat.messages) + 1
        message.expires = message.expires or chat.ttl is not None
        chat.messages.append(message)
        chat.tell("MessageSent", message.sender, message)
        self.clock += 1
        chat.active = self.clock
        stay = chat.stay(message.sender)
        if stay:  # who writes has read everything before
            stay.read = stay.delivered = message.seq
        return message

    def note(self, chat: Chat, by: Person, what: str, **facts: Any) -> None:
        """Have a chat tell what somebody did."""
        self.say(Message(chat, 0, by, "", kind="SYSTEM", system={"what": what, **facts}))

    def come(self, chat: Chat, person: Person, by: Person) -> None:
        """Let somebody in."""
        joined = chat.tell("MemberJoined", by, person)
        last = len(chat.messages)
        first = 1 if chat.history == "FROM_START" else last + 1
        earlier = next((each for each in reversed(chat.stays) if each.person is person), None)
        stay = Stay(person, "MEMBER", joined, first, delivered=last, read=last)
        if earlier:  # what binds somebody there is not left behind
            stay.silenced, stay.waits = earlier.silenced, earlier.waits
        chat.stays.append(stay)
        if all(each.role != "OWNER" for each in chat.present()):
            stay.role = "OWNER"
            chat.tell("MemberRoleChanged", by, person)
        for request in self.requests:
            if request.chat is chat and request.person is person:
                request.pending = request.declined = False

    def go(self, chat: Chat, person: Person, by: Person) -> None:
        """End somebody's stay."""
        stay = self.inside(person, chat)
        stay.left = chat.tell("MemberLeft", by, person)

    def comings(self, chat: Chat, by: Person, what: str, people: list[Person]) -> None:
        """Have a group tell who came or went."""
        if people and chat.kind == "GROUP":
            self.note(chat, by, what, subject=people[0], count=len(people))

    def ask_keepers(self, chat: Chat) -> None:
        """Tell who answers them that others want to come in than before."""
        for stay in chat.present():
            if stay.role in KEEPERS:
                stay.person.told.append("JoinRequestsChanged")
