"""Keep the books of one chat: number what happens in it exactly as the use-cases would have."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from models.chats import Chat, ChatKind
from models.events import EventKind, LoggedEvent
from models.members import FIRST_EVENT_SEQ, Member, Role
from models.messages import Message, MessageKey, MessageKind, SystemKind
from resolvers import markup
from server.demo.people import Person
from server.demo.story import Scene, Story
from server.demo.telling import Spoken

# Both lie within the pause between two conversations, after the last edit of the first.
COMES_BEFORE = timedelta(minutes=1)
GOES_AFTER = timedelta(minutes=2)

ContentHash = Callable[[UUID, str, MessageKey | None], bytes]


class Keys:
    """Keys as they would have been made then: UUIDv7 (RFC 9562 §5.7), of a past moment."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._count = 0

    def at(self, moment: datetime) -> UUID:
        """Return a key; of two for the same millisecond the later one sorts later (§6.2)."""
        self._count = (self._count + 1) % 2**12
        milliseconds = int(moment.timestamp() * 1000)
        high = milliseconds << 80 | 0x7 << 76 | self._count << 64
        return UUID(int=high | 0b10 << 62 | self._rng.getrandbits(62))

    def random(self) -> UUID:
        """Return a key as a client makes it: UUIDv4."""
        return UUID(int=self._rng.getrandbits(128), version=4)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event for the log, and the message it is about if that was sent by it."""

    event: LoggedEvent
    sent: tuple[Message, bytes] | None = None


class Ledger:
    """One chat's books; they are right once `entries` has been read to its end."""

    def __init__(
        self, story: Story, users: Mapping[str, UUID], keys: Keys, content_hash: ContentHash
    ) -> None:
        self.story = story
        self._users = users
        self._keys = keys
        self._content_hash = content_hash
        coming = {scene.comes for _, scene in story.scenes}
        founders = [person for person in story.people if person not in coming]
        self.chat = Chat(
            id=keys.at(story.begins),
            kind=(ChatKind.DIRECT if story.direct else ChatKind.GROUP).value,
            title=story.title,
            description=story.description,
            created_by=users[founders[0].handle],
            created_at=story.begins,
            last_message_seq=0,
            last_event_seq=0,
            last_activity_at=story.begins,
            member_count=len(founders),
        )
        self._present: dict[str, Member] = {}
        self._left: list[Member] = []
        for person in founders:
            owns = person is founders[0] and not story.direct
            self._join(person, Role.OWNER if owns else Role.MEMBER, story.begins, FIRST_EVENT_SEQ)

    @property
    def founders(self) -> Sequence[UUID]:
        """Who was in the chat from its first event on, its creator first."""
        return [
            member.user_id
            for member in (*self._present.values(), *self._left)
            if member.joined_seq == FIRST_EVENT_SEQ
        ]

    @property
    def members(self) -> Sequence[Member]:
        """Every stay, with how far each person has read."""
        last = self.chat.last_message_seq
        present = [
            replace(
                member,
                delivered_seq=last,
                read_seq=max(member.read_seq, last - self.story.unread[handle]),
            )
            for handle, member in self._present.items()
        ]
        return [*present, *self._left]

    def entries(self) -> Iterator[Entry]:
        """Yield what happened, in the order of time."""
        owner = self.story.people[0]
        yield self._event(EventKind.CHAT_CREATED, self.chat.created_at, owner)
        for number, person in enumerate(self.story.admins, start=1):
            moment = self.chat.created_at + timedelta(seconds=20 * number)
            stay = self._present[person.handle]
            self._present[person.handle] = replace(stay, role=Role.ADMIN.value)
            yield self._event(EventKind.MEMBER_ROLE_CHANGED, moment, owner, subject=person)
        for begins, scene in self.story.scenes:
            if scene.comes is not None:
                moment = begins - COMES_BEFORE
                yield self._event(EventKind.MEMBER_JOINED, moment, owner, subject=scene.comes)
                self._join(scene.comes, Role.MEMBER, moment, self.chat.last_event_seq)
                self._count_members(+1)
                yield self._say(SystemKind.MEMBER_ADDED, moment, owner, subject=scene.comes)
            yield from self._conversation(begins, scene)
            if scene.goes is not None:
                moment = begins + scene.length + GOES_AFTER
                yield self._event(EventKind.MEMBER_LEFT, moment, scene.goes, subject=scene.goes)
                self._leave(scene.goes)
                self._count_members(-1)
                yield self._say(SystemKind.MEMBER_LEFT, moment, scene.goes, subject=scene.goes)

    def _conversation(self, begins: datetime, scene: Scene) -> Iterator[Entry]:
        """Yield messages and their changes; a change may come after somebody's next message."""
        steps: list[tuple[datetime, int, EventKind]] = []
        moment = begins
        for position, spoken in enumerate(scene.spoken):
            moment += spoken.after
            steps.append((moment, position, EventKind.MESSAGE_SENT))
            if spoken.changed_after is not None:
                kind = EventKind.MESSAGE_DELETED if spoken.withdrawn else EventKind.MESSAGE_EDITED
                steps.append((moment + spoken.changed_after, position, kind))
        first_seq = self.chat.last_message_seq + 1
        for moment, position, kind in sorted(steps):
            spoken = scene.spoken[position]
            if kind is EventKind.MESSAGE_SENT:
                yield self._send(spoken, moment, first_seq)
            else:
                yield self._event(kind, moment, spoken.who, message_seq=first_seq + position)

    def _send(self, spoken: Spoken, now: datetime, first_seq: int) -> Entry:
        event = self._message_sent(now, spoken.who)
        seq = self.chat.last_message_seq
        changed_at = None if spoken.changed_after is None else now + spoken.changed_after
        reply_to_seq = None if spoken.answers is None else first_seq + spoken.answers
        text = "" if spoken.withdrawn else spoken.text
        message = Message(
            chat_id=self.chat.id,
            seq=seq,
            sender_id=self._users[spoken.who.handle],
            text=text,
            reply_to_seq=None if spoken.withdrawn else reply_to_seq,
            client_message_id=self._keys.random(),
            created_at=now,
            edited_at=None if spoken.withdrawn else changed_at,
            deleted_at=changed_at if spoken.withdrawn else None,
            has_link=bool(markup.links(text)),
        )
        # A retry would bring what was sent, so that is what the hash is of.
        first_hash = self._content_hash(
            self.chat.id,
            spoken.first_text or spoken.text,
            None if reply_to_seq is None else (self.chat.id, reply_to_seq),
        )
        self._has_read(spoken.who)
        return Entry(event, (message, first_hash))

    def _say(self, what: SystemKind, now: datetime, actor: Person, *, subject: Person) -> Entry:
        """Tell in the history who came or went, as `resolvers/comings.py` does."""
        event = self._message_sent(now, actor)
        message = Message(
            chat_id=self.chat.id,
            seq=self.chat.last_message_seq,
            sender_id=self._users[actor.handle],
            text="",
            reply_to_seq=None,
            client_message_id=self._keys.at(now),
            created_at=now,
            edited_at=None,
            deleted_at=None,
            kind=MessageKind.SYSTEM.value,
            details={"what": what.value, "count": 1},
            subject_id=self._users[subject.handle],
        )
        if actor.handle in self._present:
            self._has_read(actor)
        return Entry(event, (message, b""))

    def _message_sent(self, now: datetime, actor: Person) -> LoggedEvent:
        """Give the next number to a message."""
        seq = self.chat.last_message_seq + 1
        self.chat = replace(self.chat, last_message_seq=seq, last_activity_at=now)
        return self._event(EventKind.MESSAGE_SENT, now, actor, message_seq=seq).event

    def _has_read(self, person: Person) -> None:
        """Note that somebody has read everything so far, as who writes has."""
        stay = self._present[person.handle]
        self._present[person.handle] = replace(stay, read_seq=self.chat.last_message_seq)

    def _event(
        self,
        kind: EventKind,
        now: datetime,
        actor: Person,
        *,
        subject: Person | None = None,
        message_seq: int | None = None,
    ) -> Entry:
        seq = self.chat.last_event_seq + 1
        self.chat = replace(self.chat, last_event_seq=seq)
        return Entry(
            LoggedEvent(
                id=0,  # the log gives its own
                chat_id=self.chat.id,
                user_id=None,
                seq=seq,
                kind=kind.value,
                actor_id=self._users[actor.handle],
                subject_id=None if subject is None else self._users[subject.handle],
                message_seq=message_seq,
                created_at=now,
            )
        )

    def _join(self, person: Person, role: Role, now: datetime, event_seq: int) -> None:
        last = self.chat.last_message_seq
        self._present[person.handle] = Member(
            id=self._keys.at(now),
            chat_id=self.chat.id,
            user_id=self._users[person.handle],
            role=role.value,
            joined_at=now,
            joined_seq=event_seq,
            first_message_seq=last + 1,
            left_seq=None,
            delivered_seq=last,
            read_seq=last,
        )

    def _leave(self, person: Person) -> None:
        stay = self._present.pop(person.handle)
        last = self.chat.last_message_seq
        self._left.append(
            replace(stay, left_seq=self.chat.last_event_seq, delivered_seq=last, read_seq=last)
        )

    def _count_members(self, change: int) -> None:
        self.chat = replace(self.chat, member_count=self.chat.member_count + change)
