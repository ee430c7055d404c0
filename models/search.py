"""The index in which messages are found by their words, and the search in it.

Each message with a text has an entry with its terms (`models/terms.py`): its words as they are
written, in their order, and their stems, marked with `=`. Besides the words an entry has terms for
the chat, for the sender, and on PostgreSQL for its era: entries are numbered as they come, and each
thousand of them is an era. Whoever changes a text changes its entry in the same transaction.

What is found comes newest first, so that a page ends where the next one begins, whatever is written
meanwhile. SQLite walks its index in this order. PostgreSQL gathers whatever fits and sorts it: it
looks for the words in the newest eras first, in more of them if these do not fill the page, and
then everywhere. So a word that everybody says costs what is in two eras, and one that hardly
anybody says what there is of it.

The words alone never decide what is shown: each hit is looked up as what the person may read now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from models.base import BigIdentity, UtcDateTime, columns, metadata
from models.database import Connection
from models.members import members
from models.messages import HIDDEN_AT, Message, MessageKind, messages
from models.search_query import Condition
from models.terms import Terms, Token

ERA = 10  # bits: 1024 entries
WINDOWS = (2, 32, None)  # eras looked through, until a page is full
# Up to so many chats are looked through one by one, instead of everything that is indexed.
FEW_CHATS = 200
BEYOND_ALL = 2**62
# How much of what came lately waits to be sorted in, in kB: a search reads it whole, and whoever
# sends the message that is too much for it has to wait for that: some 20 ms.
PENDING = 512

search_entries = sa.Table(
    "search_entries",
    metadata,
    sa.Column("id", BigIdentity, primary_key=True, autoincrement=True),
    # Without foreign keys, which every send would pay for: an entry alone shows nothing.
    sa.Column("chat_id", sa.Uuid, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # On SQLite what `search_index` holds, which triggers keep in step.
    sa.Column("words", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
    sa.UniqueConstraint("chat_id", "seq"),
    sqlite_autoincrement=True,
)
sa.Index(
    "ix_search_entries_words",
    search_entries.c.words,
    postgresql_using="gin",
    postgresql_with={"gin_pending_list_limit": PENDING},
).ddl_if(dialect="postgresql")


@dataclass(frozen=True, slots=True)
class Text:
    """A message's text, to be found again."""

    chat_id: UUID
    seq: int
    sender_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a message must be besides having the words; None stands for anything."""

    chat_id: UUID | None = None
    sender_id: UUID | None = None
    kind: str | None = None
    sent_from: datetime | None = None
    sent_until: datetime | None = None
    has_link: bool | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and its place among all that are."""

    id: int
    message: Message


# --- terms as each database takes them ----------------------------------------------------------


def _of_chat(chat_id: UUID) -> str:
    return f"_c{chat_id.hex}"


def _of_sender(sender_id: UUID) -> str:
    return f"_u{sender_id.hex}"


def _of_era(number: int) -> str:
    return f"_e{number}"


def _stems(tokens: Sequence[Token]) -> set[str]:
    """Return the stems of a text that are not among its words as they are."""
    return {f"={stem}" for t in tokens for stem in t.forms.stems if stem != t.forms.written}


def document(dialect: str, terms: Terms, text: Text) -> str:
    """Return the terms of a message as its entry has them, without those of the era."""
    tokens = [*terms.tokens(text.text)]
    others = [_of_chat(text.chat_id), _of_sender(text.sender_id), *_stems(tokens)]
    if dialect == "sqlite":
        return " ".join([*(token.forms.written for token in tokens), *others])
    places: dict[str, list[str]] = {}
    for place, token in enumerate(tokens, 1):
        places.setdefault(token.forms.written, []).append(str(place))
    # No term has a quote or a backslash in it.
    words = (f"'{word}':{','.join(at)}" for word, at in places.items())
    return " ".join([*words, *(f"'{other}'" for other in others)])


def _alternatives(condition: Condition) -> list[str]:
    """Return the terms of which a text has one that has the condition's single word in any form."""
    (word,) = condition.words
    return [*dict.fromkeys([word.written, *word.stems, *(f"={stem}" for stem in word.stems)])]


def _match(condition: Condition) -> str:
    """Return a condition in the language of FTS5."""
    if condition.loose:
        return "(" + " OR ".join(f'"{term}"' for term in _alternatives(condition)) + ")"
    phrase = " ".join(word.written for word in condition.words)
    return f'"{phrase}"*' if condition.open else f'"{phrase}"'


def _tsquery(condition: Condition) -> str:
    """Return a condition as a tsquery."""
    if condition.loose:
        return "(" + " | ".join(f"'{term}'" for term in _alternatives(condition)) + ")"
    phrase = " <-> ".join(f"'{word.written}'" for word in condition.words)
    return f"({phrase}:*)" if condition.open else f"({phrase})"


def _any_of(dialect: str, tokens: Sequence[str]) -> str:
    if dialect == "sqlite":
        return "(" + " OR ".join(f'"{token}"' for token in tokens) + ")"
    return "(" + " | ".join(f"'{token}'" for token in tokens) + ")"


def _query(dialect: str, conditions: Sequence[Condition], *among: Sequence[str]) -> str:
    """Return all conditions in a database's language; of each of `among` one term is there."""
    one = _match if dialect == "sqlite" else _tsquery
    both, but_not = (" AND ", " NOT ") if dialect == "sqlite" else (" & ", " & !")
    wanted = [one(each) for each in conditions if not each.excluded]
    wanted += [_any_of(dialect, tokens) for tokens in among if tokens]
    excluded = [but_not + one(each) for each in conditions if each.excluded]
    return "(" + both.join(wanted) + ")" + "".join(excluded)


# --- keeping the index ---------------------------------------------------------------------------

_WITH_ERA = f"CAST(given.words || ' ''_e' || (id >> {ERA}) || '''' AS tsvector)"
# How rows with `chat_id`, `seq` and `words`, in the order of `n`, become entries.
INSERT_ON_POSTGRESQL = f"""
    INSERT INTO search_entries (id, chat_id, seq, words)
    SELECT id, chat_id, seq, {_WITH_ERA}
    FROM (
        SELECT nextval('search_entries_id_seq') AS id, ordered.*
        FROM (SELECT chat_id, seq, words FROM {{rows}} ORDER BY n) AS ordered
    ) AS given
"""  # noqa: S608 - what is put in are constants
INSERT_ON_SQLITE = "INSERT INTO search_entries (chat_id, seq, words) VALUES (?, ?, ?)"

_INSERT = sa.text(
    INSERT_ON_POSTGRESQL.format(
        rows="""unnest(
            CAST(:chat_ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:words AS text[])
        ) WITH ORDINALITY AS row (chat_id, seq, words, n)"""
    )
)
_CHANGE = {
    "postgresql": f"""
        UPDATE search_entries SET words = {_WITH_ERA}
        FROM (SELECT CAST(:words AS text) AS words) AS given
        WHERE chat_id = :chat_id AND seq = :seq
    """,  # noqa: S608 - what is put in is a constant
    "sqlite": "UPDATE search_entries SET words = :words WHERE chat_id = :chat_id AND seq = :seq",
}
_CHANGE_OF = {
    dialect: sa.text(sql).bindparams(sa.bindparam("chat_id", type_=sa.Uuid))
    for dialect, sql in _CHANGE.items()
}


async def add(connection: Connection, terms: Terms, texts: Sequence[Text]) -> None:
    """Have messages found that were not, the oldest first."""
    if not texts:
        return
    dialect = connection.dialect.name
    words = [document(dialect, terms, text) for text in texts]
    if dialect == "sqlite":
        await connection.execute(
            search_entries.insert(),
            [
                {"chat_id": text.chat_id, "seq": text.seq, "words": of_text}
                for text, of_text in zip(texts, words, strict=True)
            ],
        )
        return
    await connection.execute(
        _INSERT,
        {
            "chat_ids": [text.chat_id for text in texts],
            "seqs": [text.seq for text in texts],
            "words": words,
        },
    )


async def change(connection: Connection, terms: Terms, text: Text) -> None:
    """Have a message found by another text."""
    dialect = connection.dialect.name
    values = {
        "chat_id": text.chat_id,
        "seq": text.seq,
        "words": document(dialect, terms, text),
    }
    result = await connection.execute(_CHANGE_OF[dialect], values)
    if result.rowcount == 0:
        await add(connection, terms, [text])


async def drop(connection: Connection, chat_id: UUID, seqs: Sequence[int]) -> None:
    """Have messages of a chat found by nobody any more."""
    await connection.execute(
        search_entries.delete().where(
            search_entries.c.chat_id == chat_id, search_entries.c.seq.in_(seqs)
        )
    )


async def texts_after(
    connection: Connection, last: int, *, limit: int
) -> tuple[list[Text], int | None]:
    """Return the texts of the next entries, and the last of these; None after all of them."""
    rows = (
        await connection.execute(
            sa.select(
                search_entries.c.id,
                messages.c.chat_id,
                messages.c.seq,
                messages.c.sender_id,
                messages.c.text,
            )
            .join(
                messages,
                (messages.c.chat_id == search_entries.c.chat_id)
                & (messages.c.seq == search_entries.c.seq),
            )
            .where(search_entries.c.id > last)
            .order_by(search_entries.c.id)
            .limit(limit)
        )
    ).all()
    return [Text(*row[1:]) for row in rows], rows[-1].id if rows else None


# --- searching -----------------------------------------------------------------------------------

_COLUMNS = columns(messages, Message)
_MESSAGE = ", ".join(f"messages.{column.name}" for column in _COLUMNS)
# What a message must be, whoever looks for it; then what this person wants. Each is looked up by
# its key, so whatever of it is left out costs nothing.
_FITS = f"""
    messages.deleted_at IS NULL AND messages.kind <> '{MessageKind.SYSTEM}'
    AND (messages.expires_at IS NULL OR messages.expires_at > :now)
    AND (:kind IS NULL OR messages.kind = :kind)
    AND (:sent_from IS NULL OR messages.created_at >= :sent_from)
    AND (:sent_until IS NULL OR messages.created_at < :sent_until)
    AND (:has_link IS NULL OR messages.has_link = :has_link)
"""
_ON_SQLITE = f"""
    SELECT hit.rowid AS hit_id, {_MESSAGE}
    FROM search_index AS hit
    CROSS JOIN search_entries AS entry ON entry.id = hit.rowid
    CROSS JOIN members AS stay
        ON stay.user_id = :viewer_id AND stay.chat_id = entry.chat_id AND stay.left_seq IS NULL
        AND stay.first_message_seq <= entry.seq
    CROSS JOIN messages
        ON messages.chat_id = entry.chat_id AND messages.seq = entry.seq AND {_FITS}
        AND {HIDDEN_AT} IS NULL
    WHERE hit.search_index MATCH :query AND hit.rowid < :before
    ORDER BY hit.rowid DESC LIMIT :limit
"""  # noqa: S608 - what is put in are constants
_TYPED = {
    ":kind": "CAST(:kind AS text)",
    ":sent_from": "CAST(:sent_from AS timestamptz)",
    ":sent_until": "CAST(:sent_until AS timestamptz)",
    ":has_link": "CAST(:has_link AS boolean)",
}


def _typed(condition: str) -> str:
    """Return a condition whose values PostgreSQL knows the types of, also where one is absent."""
    for name, typed in _TYPED.items():
        condition = condition.replace(name, typed)
    return condition


# The words are looked up apart from everything else. In one piece with it the planner may think
# of reading the entries from the newest on, which took 8 seconds for words that are nowhere: a plan
# that it keeps does not know which words they are.
_ON_POSTGRESQL = f"""
    WITH fitting AS MATERIALIZED (
        SELECT id, chat_id, seq FROM search_entries WHERE words @@ CAST(:query AS tsquery)
    )
    SELECT hit.id AS hit_id, {_MESSAGE}
    FROM (SELECT * FROM fitting WHERE id < :before ORDER BY id DESC OFFSET 0) AS hit
    CROSS JOIN LATERAL (
        SELECT id FROM members
        WHERE user_id = :viewer_id AND chat_id = hit.chat_id AND left_seq IS NULL
          AND first_message_seq <= hit.seq
        OFFSET 0
    ) AS stay
    CROSS JOIN LATERAL (
        SELECT * FROM messages
        WHERE chat_id = hit.chat_id AND seq = hit.seq AND {_typed(_FITS)} AND {HIDDEN_AT} IS NULL
        OFFSET 0
    ) AS messages
    ORDER BY hit.id DESC LIMIT :limit
"""  # noqa: S608 - what is put in are constants
_FIND = {
    dialect: sa.text(sql)
    .bindparams(
        sa.bindparam("viewer_id", type_=sa.Uuid),
        sa.bindparam("now", type_=UtcDateTime),
        sa.bindparam("sent_from", type_=UtcDateTime),
        sa.bindparam("sent_until", type_=UtcDateTime),
    )
    .columns(sa.column("hit_id", sa.BigInteger), *_COLUMNS)
    for dialect, sql in (("sqlite", _ON_SQLITE), ("postgresql", _ON_POSTGRESQL))
}
_CHATS = (
    sa.select(members.c.chat_id)
    .where(members.c.user_id == sa.bindparam("viewer_id"), members.c.left_seq.is_(None))
    .limit(FEW_CHATS + 1)
)
_NEWEST = sa.select(search_entries.c.id).order_by(search_entries.c.id.desc()).limit(1)


async def find(
    connection: Connection,
    viewer_id: UUID,
    conditions: Sequence[Condition],
    wanted: Wanted,
    *,
    now: datetime,
    before: int | None,
    limit: int,
) -> list[Hit]:
    """Return the newest messages that fit and that the viewer may read, the newest first.

    `before` is the place from which on they are older.
    """
    dialect = connection.dialect.name
    among = []
    if wanted.chat_id is not None:
        among.append([_of_chat(wanted.chat_id)])
    else:
        chat_ids = (await connection.execute(_CHATS, {"viewer_id": viewer_id})).scalars().all()
        if not chat_ids:
            return []
        if len(chat_ids) <= FEW_CHATS:
            among.append([_of_chat(chat_id) for chat_id in chat_ids])
    if wanted.sender_id is not None:
        among.append([_of_sender(wanted.sender_id)])
    values: dict[str, Any] = {
        "viewer_id": viewer_id,
        "now": now,
        "kind": wanted.kind,
        "sent_from": wanted.sent_from,
        "sent_until": wanted.sent_until,
        "has_link": wanted.has_link,
        "before": BEYOND_ALL if before is None else before,
        "limit": limit,
    }
    found: list[Hit] = []
    for eras in await _windows(connection, before):
        values["query"] = _query(dialect, conditions, *among, eras)
        rows = (await connection.execute(_FIND[dialect], values)).all()
        found = [Hit(row[0], Message(*row[1:])) for row in rows]
        if len(found) == limit:
            break
    return found


async def _windows(connection: Connection, before: int | None) -> Iterator[Sequence[str]]:
    """Return the terms of the eras to look through, more and more of them; none are all."""
    if connection.dialect.name == "sqlite":
        return iter([()])
    if before is None:
        before = (await connection.execute(_NEWEST)).scalar_one_or_none() or 0
    last = before >> ERA
    # With fewer eras than that there is no need to look through some of them first.
    sizes = [size for size in WINDOWS if size is None or size <= last]
    return (
        () if size is None else [_of_era(last - back) for back in range(size)] for size in sizes
    )
