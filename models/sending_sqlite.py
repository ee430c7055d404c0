"""A batch on SQLite: one thread that writes through the standard library's driver.

Message by message the batch is looked at and numbered, and then everything is inserted at once.
Through aiosqlite every statement costs two changes of thread: 1,700 µs a message, this 50.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from models.base import columns, moment_to_sqlite, sqlite_reader
from models.database import BUSY_TIMEOUT, SQLITE_PRAGMAS, Database
from models.errors import Unreachable
from models.marking import mark_on_sqlite
from models.messages import Message, messages
from models.reacting import react_on_sqlite
from models.search import INSERT_ON_SQLITE as _FOUND_BY
from models.search import Text, document
from models.sending import (
    EXTRAS,
    PLAIN,
    SENT,
    Change,
    Outcome,
    Outgoing,
    Verdict,
    as_json,
    by_kind,
    by_name,
    in_order,
)
from models.terms import Terms

_STAY = """
SELECT members.id, members.first_message_seq, chats.last_message_seq, chats.last_event_seq
FROM members JOIN chats ON chats.id = members.chat_id
WHERE members.user_id = ? AND members.chat_id = ? AND members.left_seq IS NULL
"""
_COLUMNS = columns(messages, Message)
_EARLIER = f"""
SELECT content_hash, {", ".join(column.name for column in _COLUMNS)}
FROM messages WHERE sender_id = ? AND client_message_id = ?
"""  # noqa: S608 - what is put in are names of columns
_message = sqlite_reader(_COLUMNS)
_ANSWERED = """
SELECT 1 FROM messages
WHERE chat_id = ? AND seq = ? AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > ?)
"""
_MESSAGE = f"""
INSERT INTO messages (chat_id, seq, sender_id, text, reply_to_seq, client_message_id, content_hash,
                      created_at, {", ".join(EXTRAS)})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, {", ".join("?" for _ in EXTRAS)})
"""  # noqa: S608 - what is put in are names of columns
_EVENT = f"""
INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, created_at)
VALUES (?, ?, '{SENT}', ?, ?, ?)
"""  # noqa: S608 - what is put in is a constant
_ADVANCE = """
UPDATE chats SET last_message_seq = ?, last_event_seq = ?, last_activity_at = ? WHERE id = ?
"""
# Who writes has read what was there; everybody knows, so it is no news.
_READ = "UPDATE members SET delivered_seq = ?, read_seq = ? WHERE id = ?"

# The disk or the file is what failed, not a row. https://sqlite.org/rescode.html
_FILE_CODES = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PROTOCOL,
}
_HELD_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY = 0xFF  # the part of a result code that its extensions share


class SqliteWriter:
    """Store batches from a thread of its own, taking turns with this process's other writers."""

    def __init__(self, db: Database, terms: Terms) -> None:
        """Open the file when the first batch comes; messages are found by these terms."""
        self._db = db
        self._terms = terms
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite writer")
        self._connection: sqlite3.Connection | None = None

    async def store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        """Store a batch; see `models.sending.Writer`.

        Another process that writes for longer than the busy timeout makes every message wait.
        """
        async with self._db.sole_writer():
            storing = asyncio.get_running_loop().run_in_executor(self._thread, self._store, batch)
            try:
                return await asyncio.shield(storing)
            except asyncio.CancelledError:
                # The thread cannot be stopped: nobody else may write before it is done.
                with suppress(Exception):
                    await storing
                raise

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    # --- in the thread --------------------------------------------------------------------------

    def _store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        try:
            if self._connection is None:
                self._connection = _connected(self._db.sqlite_file())
            return [*_transact(self._connection, batch, self._terms)]
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            if code in _HELD_CODES:
                return [None for _ in batch]
            if code in _FILE_CODES:
                self._close()
                raise Unreachable(str(error)) from error
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)
    return connection


def _transact(
    connection: sqlite3.Connection, batch: Sequence[Change], terms: Terms
) -> list[Outcome]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        sent, marks, reactions = by_kind(batch)
        outcomes = [
            *in_order(
                batch,
                _send(connection, sent, terms),
                mark_on_sqlite(connection, marks),
                [*react_on_sqlite(connection, reactions)],
            )
        ]
        connection.execute("COMMIT")
    except BaseException:
        # Some errors, a full disk among them, have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _send(connection: sqlite3.Connection, batch: Sequence[Outgoing], terms: Terms) -> list[Outcome]:
    store = _Storing(connection, terms)
    outcomes = [store.outcome(message) for message in batch]
    store.write()
    return outcomes


@dataclass(slots=True)
class _Chat:
    """A chat's last numbers, as far as the batch has got."""

    id: str
    message_seq: int
    event_seq: int


@dataclass(slots=True)
class _Stay:
    """Somebody's stay in a chat."""

    id: str
    first_message_seq: int
    chat: _Chat


class _Storing:
    """What a transaction has looked up, and what it is going to write."""

    def __init__(self, connection: sqlite3.Connection, terms: Terms) -> None:
        self._connection = connection
        self._terms = terms
        # Taken under the lock: within a chat, a later number never has an earlier time.
        self._now = datetime.now(UTC)
        self._moment = moment_to_sqlite(self._now)
        self._chats: dict[str, _Chat] = {}
        self._stays: dict[tuple[str, str], _Stay | None] = {}
        self._messages: list[tuple[object, ...]] = []
        self._found_by: list[tuple[object, ...]] = []
        self._events: list[tuple[object, ...]] = []
        self._advanced: dict[str, _Chat] = {}
        self._read: dict[str, int] = {}

    def outcome(self, message: Outgoing) -> Outcome:
        """Return what becomes of a message, and number it if it is to be stored."""
        chat_id, sender_id = message.chat_id.hex, message.sender_id.hex
        client_id, reply_to_seq = message.client_message_id.hex, message.reply_to_seq
        stay = self._stay(sender_id, chat_id)
        if stay is None:
            return Outcome(Verdict.NO_CHAT)
        earlier = self._connection.execute(_EARLIER, (sender_id, client_id)).fetchone()
        if earlier is not None:
            first_hash, *first = earlier
            if first_hash != message.content_hash:
                return Outcome(Verdict.CONFLICT)
            return Outcome(Verdict.DUPLICATE, Message(*_message(first)))
        if reply_to_seq is not None and (
            reply_to_seq < stay.first_message_seq
            or not self._connection.execute(
                _ANSWERED, (chat_id, reply_to_seq, self._moment)
            ).fetchone()
        ):
            return Outcome(Verdict.NO_REPLY_TARGET)
        chat = self._advanced[chat_id] = stay.chat
        chat.message_seq += 1
        chat.event_seq += 1
        seq = self._read[stay.id] = chat.message_seq  # who writes has read what was there
        self._messages.append(
            (
                chat_id,
                seq,
                sender_id,
                message.text,
                reply_to_seq,
                client_id,
                message.content_hash,
                self._moment,
                *_extras(message),
            )
        )
        text = Text(message.chat_id, seq, message.sender_id, message.text)
        self._found_by.append((chat_id, seq, document("sqlite", self._terms, text)))
        self._events.append((chat_id, chat.event_seq, sender_id, seq, self._moment))
        return Outcome(Verdict.STORED, message.stored(seq, self._now))

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
                (chat.message_seq, chat.event_seq, self._moment, chat.id)
                for chat in self._advanced.values()
            ],
        )
        self._connection.executemany(_READ, [(seq, seq, id_) for id_, seq in self._read.items()])

    def _stay(self, user_id: str, chat_id: str) -> _Stay | None:
        """Return the sender's present stay in a chat, with the chat as the batch has it."""
        if (user_id, chat_id) in self._stays:
            return self._stays[user_id, chat_id]
        row = self._connection.execute(_STAY, (user_id, chat_id)).fetchone()
        stay = None
        if row is not None:
            id_, first_message_seq, message_seq, event_seq = row
            chat = self._chats.setdefault(chat_id, _Chat(chat_id, message_seq, event_seq))
            stay = _Stay(id_, first_message_seq, chat)
        self._stays[user_id, chat_id] = stay
        return stay


_NO_EXTRAS = tuple(getattr(PLAIN, name) for name in EXTRAS)


def _extras(message: Outgoing) -> Sequence[object]:
    """Return what few messages have, as the driver by itself stores it."""
    if message.extras is PLAIN:
        return _NO_EXTRAS
    return [_stored(value) for value in by_name(message.extras).values()]


def _stored(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return moment_to_sqlite(value)
        case dict():
            return as_json(value)
    return value
