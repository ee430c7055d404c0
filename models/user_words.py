"""How people are found: what their names say, from each word on.

A person has an entry for every word of their handle and of their display name: that word, those
that follow it, and then those before it. So whoever types the beginning of any word, or several in
a row, or the family name first, looks at one stretch of one index, which is as short as the page,
however many people there are.

Only those who may be found have entries; `models/users.py` keeps them in step.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models.base import metadata
from models.database import Connection

# Whoever looks for more than this of a name finds those that begin alike.
FOLDED = 128  # characters
MAX_WORDS = 8  # of a name that it is found by; the longest name in the demo has four

# Compared code point by code point on both databases, as its ends are below.
_Word = sa.String(FOLDED).with_variant(sa.String(FOLDED, collation="C"), "postgresql")
_BEYOND = "\U0010ffff"  # no character, so no word has it

user_words = sa.Table(
    "user_words",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("word", _Word, primary_key=True),
    sa.Index("ix_user_words_word_user_id", "word", "user_id"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody, at a word of theirs: a place in the list of everybody."""

    word: str
    user_id: UUID


# `models/users.py` imports this module, so its table is named here instead of imported.
_USERS = sa.table(
    "users", sa.column("id", sa.Uuid), sa.column("suspended_at"), sa.column("deleted_at")
)
_earlier = user_words.alias("earlier")
_FIND = (
    sa.select(user_words.c.word, user_words.c.user_id)
    .where(
        # From where the page before ended; as one comparison, which an index can begin at.
        sa.tuple_(user_words.c.word, user_words.c.user_id)
        > sa.tuple_(
            sa.bindparam("after_word", type_=_Word), sa.bindparam("after_id", type_=sa.Uuid())
        ),
        user_words.c.word < sa.bindparam("end", type_=_Word),
        # Everybody once: at the first of their words that begins so. A value and not EXISTS, which
        # PostgreSQL may take for a reason to read the table whole.
        user_words.c.word
        == sa.select(sa.func.min(_earlier.c.word))
        .where(
            _earlier.c.user_id == user_words.c.user_id,
            _earlier.c.word >= sa.bindparam("prefix", type_=_Word),
        )
        .scalar_subquery(),
        # Whoever is suspended keeps their entries, for the day on which they are not.
        sa.select(_USERS.c.suspended_at.is_(None) & _USERS.c.deleted_at.is_(None))
        .where(_USERS.c.id == user_words.c.user_id)
        .scalar_subquery(),
    )
    .order_by(user_words.c.word, user_words.c.user_id)
    .limit(sa.bindparam("limit", type_=sa.Integer()))
)
_NOBODY = UUID(int=0)


async def replace(connection: Connection, user_id: UUID, names: Sequence[str]) -> None:
    """Have somebody found by these names alone; by none of them, not at all."""
    await connection.execute(user_words.delete().where(user_words.c.user_id == user_id))
    rows = [{"user_id": user_id, "word": word} for word in entries(names)]
    if rows:
        await connection.execute(user_words.insert(), rows)


async def find(
    connection: Connection, prefix: str, *, after: Entry | None, limit: int
) -> Sequence[Entry]:
    """Return the first people after a place that have a word which begins so, by that word."""
    folded = " ".join(words(prefix))[:FOLDED].rstrip()
    if not folded:
        return []
    start = Entry(folded, _NOBODY) if after is None or after.word < folded else after
    rows = await connection.execute(
        _FIND,
        {
            "prefix": folded,
            "end": folded + _BEYOND,
            "after_word": start.word,
            "after_id": start.user_id,
            "limit": limit,
        },
    )
    return [Entry(*row) for row in rows]


def entries(names: Sequence[str]) -> list[str]:
    """Return what somebody with these names is found by."""
    found: dict[str, None] = {}
    for name in names:
        said = words(name)
        for place in range(min(len(said), MAX_WORDS)):
            turned = " ".join(said[place:] + said[:place])
            found[turned[:FOLDED].rstrip()] = None
    return list(found)


# Letters that Unicode does not take apart, as those write them who have no such key.
_PLAIN = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)
# Unicode's categories of what parts words: separators, punctuation, symbols, controls.
_PARTING = "ZPSC"
# What is within words and left out: O’Brien is OBrien. Joiners and variation selectors besides.
_WITHIN = frozenset("'’`\u00b4\u02bc\u00ad\u200c\u200d") | {
    chr(code) for code in range(0xFE00, 0xFE10)
}


def words(text: str) -> list[str]:
    """Return the words of a text without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = []
    for character in decomposed:
        if character in _WITHIN or unicodedata.combining(character):
            continue
        parts = unicodedata.category(character)[0] in _PARTING
        kept.append(" " if parts else character)
    plain = "".join(kept).casefold().translate(_PLAIN)
    return unicodedata.normalize("NFC", plain).split()
