"""A batch's messages on SQLite: looked at and numbered one by one, then inserted all at once.

Runs in the writer's thread, on the standard library's driver. What few messages have, a thread or a
name in them, is written right away: it is looked up by those that follow.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID

from models.base import columns, moment_from_sqlite, moment_to_sqlite, sqlite_reader
from models.messages import Message, MessageKind, messages
from models.search import INSERT_ON_SQLITE as _FOUND_BY
from models.search import Text, document
from models.sending import (
    EXTRAS,
    PLAIN,
    SENT,
    Outcome,
    Outgoing,
    Rules,
    Standing,
    Verdict,
    as_json,
)

_STAY = """
SELECT members.id, members.role, members.first_message_seq, members.silenced_until,
       members.last_sent_at, chats.kind, chats.last_activity_at, chats.slow_mode, chats.message_ttl,
       chats.last_message_seq, chats.last_event_seq, chats.all_mentions
FROM members JOIN chats ON chats.id = members.chat_id
WHERE members.user_id = ? AND members.chat_id = ? AND members.left_seq IS NULL
"""
_COLUMNS = columns(messages, Message)
_EARLIER = f"""
SELECT content_hash, {", ".join(column.name for column in _COLUMNS)}
FROM messages WHERE sender_id = ? AND client_message_id = ?
"""  # noqa: S608 - what is put in are names of columns
_message = sqlite_reader(_COLUMNS)
_THERE = "deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
_ANSWERED = f"SELECT 1 FROM messages WHERE chat_id = ? AND seq = ? AND {_THERE}"  # noqa: S608
_ROOT = f"""
SELECT sender_id FROM messages WHERE chat_id = ? AND seq = ? AND {_THERE}
  AND thread_root_seq IS NULL AND kind <> '{MessageKind.SYSTEM}'
"""  # noqa: S608 - what is put in are constants
_MESSAGE = f"""
INSERT INTO messages (chat_id, seq, sender_id, text, reply_to_seq, client_message_id, content_hash,
                      created_at, thread_number, {", ".join(EXTRAS)})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {", ".join("?" for _ in EXTRAS)})
"""  # noqa: S608 - what is put in are names of columns
_EVENT = f"""
INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, created_at)
VALUES (?, ?, '{SENT}', ?, ?, ?)
"""  # noqa: S608 - what is put in is a constant
_ADVANCE = """
UPDATE chats SET last_message_seq = ?, last_event_seq = ?, all_mentions = ?, last_activity_at = ?
WHERE id = ?
"""
# Who writes has read what was there; everybody knows, so it is no news.
_READ = """
UPDATE members SET delivered_seq = ?, read_seq = ?, unread_mentions = 0 WHERE id = ?
"""
_LAST_SENT = "UPDATE members SET last_sent_at = ? WHERE id = ?"
_COUNT = """
INSERT INTO threads (chat_id, root_seq, reply_count, last_reply_seq, last_reply_at)
VALUES (?, ?, 1, ?, ?)
ON CONFLICT (chat_id, root_seq) DO UPDATE SET reply_count = threads.reply_count + 1,
    last_reply_seq = excluded.last_reply_seq, last_reply_at = excluded.last_reply_at
RETURNING reply_count
"""
# Who writes has read what was there, and follows the thread, again if need be. So does whose
# message it is, unless they said otherwise; what they were away for is not theirs to read.
_FOLLOW = """
INSERT INTO thread_follows (user_id, chat_id, root_seq, following, read_count)
VALUES (?, ?, ?, 1, ?)
ON CONFLICT (user_id, chat_id, root_seq)
"""
_WRITER_FOLLOWS = f"{_FOLLOW} DO UPDATE SET following = 1, read_count = excluded.read_count"
_AUTHOR_FOLLOWS = f"{_FOLLOW} DO NOTHING"
_NOTE = "INSERT INTO mentions (user_id, chat_id, message_seq, counted) VALUES (?, ?, ?, ?)"
_NOTE_FOR_ALL = "INSERT INTO all_mentions (chat_id, message_seq, number) VALUES (?, ?, ?)"
_MENTIONED = "UPDATE members SET unread_mentions = unread_mentions + 1 WHERE id = ?"


def store_on_sqlite(
    connection: sqlite3.Connection, batch: Sequence[Outgoing], rules: Rules
) -> list[Outcome]:
    """Store messages inside the batch's transaction, and return what became of each."""
    storing = _Storing(connection, rules)
    outcomes = [storing.outcome(message) for message in batch]
    storing.write()
    return outcomes


@dataclass(slots=True)
class _Chat:
    """A chat, with its last numbers as far as the batch has got."""

    id: str
    kind: str
    sent_at: datetime  # all of the batch that goes there
    moment: str  # the same, as it is stored
    slow_mode: int | None
    message_ttl: int | None
    message_seq: int
    event_seq: int
    all_mentions: int


@dataclass(slots=True)
class _Stay:
    """Somebody's stay in a chat."""

    id: str
    standing: Standing
    first_message_seq: int
    silenced_until: datetime | None
    last_sent_at: datetime | None
    chat: _Chat


@dataclass(slots=True)
class _Mention:
    """Somebody's being named by a message of the batch."""

    user_id: str
    stay_id: str
    chat_id: str
    seq: int
    counted: bool


class _Storing:
    """What a transaction has looked up, and what it is going to write."""

    def __init__(self, connection: sqlite3.Connection, rules: Rules) -> None:
        self._connection = connection
        self._rights = rules.rights
        self._terms = rules.terms
        # Taken under the lock, so that it is no earlier than what this process stored before.
        self._now = datetime.now(UTC)
        self._moment = moment_to_sqlite(self._now)
        self._chats: dict[str, _Chat] = {}
        self._stays: dict[tuple[str, str], _Stay | None] = {}
        self._messages: list[tuple[object, ...]] = []
        self._found_by: list[tuple[object, ...]] = []
        self._events: list[tuple[object, ...]] = []
        self._advanced: dict[str, _Chat] = {}
        self._read: dict[str, int] = {}
        self._paced: list[_Stay] = []
        self._mentions: list[_Mention] = []
        self._all_mentions: list[tuple[str, int, int]] = []
        self._follows: list[tuple[str, str, int, int]] = []
        self._authors: list[tuple[str, str, int, int]] = []

    def outcome(self, message: Outgoing) -> Outcome:
        """Return what becomes of a message, and number it if it is to be stored."""
        chat_id, sender_id = message.chat_id.hex, message.sender_id.hex
        stay = self._stay(sender_id, chat_id)
        if stay is None:
            return Outcome(Verdict.NO_CHAT)
        client_id = message.client_message_id.hex
        earlier = self._connection.execute(_EARLIER, (sender_id, client_id)).fetchone()
        if earlier is not None:
            first_hash, *first = earlier
            if first_hash != message.content_hash:
                return Outcome(Verdict.CONFLICT)
            return Outcome(Verdict.DUPLICATE, Message(*_message(first)))
        author_id = self._root_author(message, stay)
        refusal = self._refusal(message, stay, author_id)
        return refusal or Outcome(Verdict.STORED, self._stored(message, stay, author_id))

    def write(self) -> None:
        """Write what has been collected, the messages first: they are what can be refused."""
        if not self._messages:
            return
        self._connection.executemany(_MESSAGE, self._messages)
        self._connection.executemany(_FOUND_BY, self._found_by)
        self._connection.executemany(_EVENT, self._events)
        self._connection.executemany(
            _ADVANCE,
            [
                (chat.message_seq, chat.event_seq, chat.all_mentions, chat.moment, chat.id)
                for chat in self._advanced.values()
            ],
        )
        self._connection.executemany(_READ, [(seq, seq, id_) for id_, seq in self._read.items()])
        self._connection.executemany(_LAST_SENT, [(self._moment, stay.id) for stay in self._paced])
        self._connection.executemany(_WRITER_FOLLOWS, self._follows)
        self._connection.executemany(_AUTHOR_FOLLOWS, self._authors)
        self._connection.executemany(_NOTE_FOR_ALL, self._all_mentions)
        self._connection.executemany(
            _NOTE, [(each.user_id, each.chat_id, each.seq, each.counted) for each in self._mentions]
        )
        self._connection.executemany(
            _MENTIONED,
            [
                (each.stay_id,)
                for each in self._mentions
                if each.counted and each.seq > self._read.get(each.stay_id, 0)
            ],
        )

    def _refusal(self, message: Outgoing, stay: _Stay, author_id: str | None) -> Outcome | None:
        """Return why somebody who is in the chat may not send this; None, and pace them, if so."""
        if stay.standing not in self._rights.write:
            return Outcome(Verdict.MAY_NOT_WRITE)
        if stay.silenced_until is not None and stay.silenced_until > self._now:
            return Outcome(Verdict.SILENCED)
        reply_to_seq = message.reply_to_seq
        if reply_to_seq is not None and (
            reply_to_seq < stay.first_message_seq
            or not self._look_up(_ANSWERED, stay.chat.id, reply_to_seq)
        ):
            return Outcome(Verdict.NO_REPLY_TARGET)
        if message.extras.thread_root_seq is not None and author_id is None:
            return Outcome(Verdict.NO_THREAD)
        wait = self._wait(stay)
        return None if wait is None else Outcome(Verdict.TOO_SOON, retry_after=wait)

    def _root_author(self, message: Outgoing, stay: _Stay) -> str | None:
        """Return who wrote what a reply's thread starts from, if that is there for its sender."""
        root_seq = message.extras.thread_root_seq
        if root_seq is None or root_seq < stay.first_message_seq:
            return None
        found = self._look_up(_ROOT, stay.chat.id, root_seq)
        return found[0] if found else None

    def _stored(self, message: Outgoing, stay: _Stay, author_id: str | None) -> Message:
        """Return a message as it is going to be stored, and collect what belongs to it."""
        chat, sender_id = stay.chat, message.sender_id.hex
        self._advanced[chat.id] = chat
        chat.message_seq += 1
        chat.event_seq += 1
        seq = self._read[stay.id] = chat.message_seq  # who writes has read what was there
        self._events.append((chat.id, chat.event_seq, sender_id, seq, self._moment))
        mentions_all = message.extras.mentions_all and stay.standing in self._rights.mention_all
        if mentions_all:
            chat.all_mentions += 1
            self._all_mentions.append((chat.id, seq, chat.all_mentions))
        stored = message.stored(
            seq,
            chat.sent_at,
            expires_at=self._expiry(chat, message.extras.expires_at),
            mentions_all=mentions_all,
            thread_number=None if author_id is None else self._reply(message, chat, author_id),
        )
        for user_id in message.mentioned:
            there = self._stay(user_id.hex, chat.id)
            if there is not None:
                named = _Mention(user_id.hex, there.id, chat.id, seq, counted=not mentions_all)
                self._mentions.append(named)
        self._messages.append(
            (
                chat.id,
                seq,
                sender_id,
                stored.text,
                stored.reply_to_seq,
                message.client_message_id.hex,
                message.content_hash,
                chat.moment,
                stored.thread_number,
                *_extras(message, stored),
            )
        )
        text = Text(message.chat_id, seq, message.sender_id, stored.text)
        self._found_by.append((chat.id, seq, document("sqlite", self._terms, text)))
        return stored

    def _reply(self, message: Outgoing, chat: _Chat, author_id: str) -> int:
        """Count a chat's last message in its thread, and return its number there."""
        thread = (chat.id, message.extras.thread_root_seq)
        last = (chat.message_seq, chat.moment)
        counted = self._connection.execute(_COUNT, (*thread, *last)).fetchone()
        number = int(counted[0])
        root_seq = message.extras.thread_root_seq or 0
        self._follows.append((message.sender_id.hex, thread[0], root_seq, number))
        if self._stay(author_id, thread[0]) is not None:
            self._authors.append((author_id, thread[0], root_seq, number - 1))
        return number

    def _wait(self, stay: _Stay) -> int | None:
        """Return for how many seconds somebody has to wait; None, and note it, if they need not."""
        if not stay.chat.slow_mode or stay.standing in self._rights.hurry:
            return None
        if stay.last_sent_at is not None:
            due = stay.last_sent_at + timedelta(seconds=stay.chat.slow_mode)
            if due > self._now:
                return ceil((due - self._now).total_seconds())
        stay.last_sent_at = self._now
        self._paced.append(stay)
        return None

    def _expiry(self, chat: _Chat, own: datetime | None) -> datetime | None:
        if chat.message_ttl is None:
            return own
        latest = chat.sent_at + timedelta(seconds=chat.message_ttl)
        return latest if own is None else min(own, latest)

    def _look_up(self, statement: str, chat_id: str, seq: int) -> tuple[str] | None:
        """Return what is found of a message that is there."""
        found: tuple[str] | None = self._connection.execute(
            statement, (chat_id, seq, self._moment)
        ).fetchone()
        return found

    def _stay(self, user_id: str, chat_id: str) -> _Stay | None:
        """Return somebody's present stay in a chat, with the chat as the batch has it."""
        if (user_id, chat_id) in self._stays:
            return self._stays[user_id, chat_id]
        row = self._connection.execute(_STAY, (user_id, chat_id)).fetchone()
        stay = None
        if row is not None:
            id_, role, first_message_seq, silenced, last_sent, kind, last, *of_chat = row
            # Within a chat a later number never has an earlier time, although another process
            # with another clock told something there just now.
            sent_at = max(self._now, moment_from_sqlite(last))
            chat = self._chats.setdefault(
                chat_id,
                _Chat(chat_id, kind, sent_at, moment_to_sqlite(sent_at), *of_chat),
            )
            stay = _Stay(
                id_,
                (kind, role),
                first_message_seq,
                silenced and moment_from_sqlite(silenced),
                last_sent and moment_from_sqlite(last_sent),
                chat,
            )
        self._stays[user_id, chat_id] = stay
        return stay


_NO_EXTRAS = tuple(getattr(PLAIN, name) for name in EXTRAS)


def _extras(message: Outgoing, stored: Message) -> Sequence[object]:
    """Return what few messages have, as the driver by itself stores it."""
    if message.extras is PLAIN and stored.expires_at is None:
        return _NO_EXTRAS
    return [_stored(getattr(stored, name)) for name in EXTRAS]


def _stored(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return moment_to_sqlite(value)
        case dict():
            return as_json(value)
    return value
