"""Polls: what is asked stands in the message, how often each answer was chosen here.

Tallies are kept with every vote, under the chat's lock, so that no vote is ever counted. A poll has
a row from its first vote on. Who voted how is stored of anonymous polls as well, so that a vote can
be changed and counts once; nothing but their own votes is ever read of them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import UtcDateTime, metadata, new_key
from models.database import Connection
from models.messages import Message, MessageKey, MessageKind, messages

polls = sa.Table(
    "polls",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    # A JSON list: how many chose each answer, in their order.
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("voters", sa.Integer, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.PrimaryKeyConstraint("chat_id", "message_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)

poll_votes = sa.Table(
    "poll_votes",
    metadata,
    # UUIDv7, so an answer's voters are listed in the order in which they voted.
    sa.Column("id", sa.Uuid),
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("option", sa.SmallInteger, autoincrement=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.PrimaryKeyConstraint("chat_id", "message_seq", "option", "id"),
    # For who asks for their own, and for who takes them along.
    sa.Index("uq_poll_votes_user_id", "user_id", "chat_id", "message_seq", "option", unique=True),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a poll asks besides the text of its message."""

    options: Sequence[str]
    multiple: bool
    anonymous: bool
    closes_at: datetime | None

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Self:
        """Return the poll that a message's details hold."""
        poll = details["poll"]
        closes_at = poll["closes_at"]
        return cls(
            poll["options"],
            poll["multiple"],
            poll["anonymous"],
            datetime.fromisoformat(closes_at) if closes_at else None,
        )

    def closed(self, tally: "Tally", now: datetime) -> bool:
        """Whether nobody can vote any more, also before the worker has come by."""
        return tally.closed_at is not None or (self.closes_at is not None and self.closes_at <= now)

    def as_details(self) -> dict[str, Any]:
        """Return the poll as a message's details hold it."""
        closes_at = self.closes_at.isoformat() if self.closes_at else None
        return {
            "poll": {
                "options": list(self.options),
                "multiple": self.multiple,
                "anonymous": self.anonymous,
                "closes_at": closes_at,
            }
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each answer was chosen, by how many people, and since when that is final."""

    counts: Sequence[int] = ()
    voters: int = 0
    closed_at: datetime | None = None

    def of(self, option: int) -> int:
        """Return how many chose an answer."""
        return self.counts[option] if option < len(self.counts) else 0


NO_VOTES = Tally()


def definition(message: Message) -> Definition | None:
    """Return what a message asks; None if it is no poll, or deleted."""
    if message.kind != MessageKind.POLL or message.deleted_at is not None or not message.details:
        return None
    return Definition.of(message.details)


def with_options(details: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """Return a poll's details with other words for its answers."""
    return {**details, "poll": {**details["poll"], "options": list(options)}}


_DIALECTS = ("sqlite", "postgresql")
_COUNTED = [polls.c.chat_id, polls.c.message_seq, polls.c.counts, polls.c.voters, polls.c.closed_at]
_TALLIES = {
    dialect: sa.text(
        pairs.by_pairs(dialect, _COUNTED, polls.c.chat_id, polls.c.message_seq)
    ).columns(*_COUNTED)
    for dialect in _DIALECTS
}
_VOTED = [poll_votes.c.chat_id, poll_votes.c.message_seq, poll_votes.c.option]
_OF_USER = {
    dialect: sa.text(
        pairs.by_pairs(
            dialect,
            _VOTED,
            poll_votes.c.chat_id,
            poll_votes.c.message_seq,
            where="user_id = :user_id",
        )
    )
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(*_VOTED)
    for dialect in _DIALECTS
}


async def tallies(connection: Connection, keys: Iterable[MessageKey]) -> dict[MessageKey, Tally]:
    """Return the tally of each of these polls."""
    wanted = set(keys)
    found = dict.fromkeys(wanted, NO_VOTES)
    if not wanted:
        return found
    dialect = connection.dialect.name
    for row in await connection.execute(_TALLIES[dialect], pairs.parameters(dialect, wanted)):
        found[row.chat_id, row.message_seq] = Tally(row.counts, row.voters, row.closed_at)
    return found


async def of_user(
    connection: Connection, user_id: UUID, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[int]]:
    """Return the answers that somebody has chosen in each of these polls."""
    wanted = set(keys)
    found: dict[MessageKey, list[int]] = {key: [] for key in wanted}
    if not wanted:
        return found
    dialect = connection.dialect.name
    rows = await connection.execute(
        _OF_USER[dialect], {"user_id": user_id, **pairs.parameters(dialect, wanted)}
    )
    for row in rows:
        found[row.chat_id, row.message_seq].append(row.option)
    return {key: sorted(options) for key, options in found.items()}


Answer = tuple[UUID, int, int]  # a chat, a message's number, an option's


@dataclass(frozen=True, slots=True)
class Vote:
    """Somebody's choice of an answer; `id` is its place among the others'."""

    id: UUID
    user_id: UUID


_VOTERS_OF_EACH = {
    "postgresql": """
        SELECT found.id, found.chat_id, found.message_seq, found.option, found.user_id
        FROM unnest(
            CAST(:chat_ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:options AS smallint[])
        ) AS wanted (of_chat, of_seq, of_option)
        CROSS JOIN LATERAL (
            SELECT * FROM poll_votes
            WHERE chat_id = of_chat AND message_seq = of_seq AND option = of_option AND id > :after
            ORDER BY id LIMIT :limit
        ) AS found
        ORDER BY found.id
    """,
    "sqlite": """
        SELECT v.id, v.chat_id, v.message_seq, v.option, v.user_id
        FROM json_each(:answers) AS wanted CROSS JOIN poll_votes AS v
            ON v.chat_id = json_extract(wanted.value, '$[0]')
            AND v.message_seq = json_extract(wanted.value, '$[1]')
            AND v.option = json_extract(wanted.value, '$[2]')
            AND v.id > :after AND v.id <= coalesce((
                SELECT p.id FROM poll_votes AS p
                WHERE p.chat_id = json_extract(wanted.value, '$[0]')
                  AND p.message_seq = json_extract(wanted.value, '$[1]')
                  AND p.option = json_extract(wanted.value, '$[2]') AND p.id > :after
                ORDER BY p.id LIMIT 1 OFFSET :limit - 1
            ), 'g')
        ORDER BY v.id
    """,  # "g" sorts after every hexadecimal digit
}
_VOTERS = {
    dialect: sa.text(text)
    .bindparams(sa.bindparam("after", type_=sa.Uuid))
    .columns(
        poll_votes.c.id,
        poll_votes.c.chat_id,
        poll_votes.c.message_seq,
        poll_votes.c.option,
        poll_votes.c.user_id,
    )
    for dialect, text in _VOTERS_OF_EACH.items()
}


async def voters(
    connection: Connection, answers: Iterable[Answer], *, after: UUID | None, limit: int
) -> dict[Answer, list[Vote]]:
    """Return up to `limit` who chose each of these answers, in the order in which they did.

    The caller has made sure that the viewer may know.
    """
    wanted = list(set(answers))
    found: dict[Answer, list[Vote]] = {answer: [] for answer in wanted}
    if not wanted:
        return found
    dialect = connection.dialect.name
    values: dict[str, object] = {"after": after or UUID(int=0), "limit": limit}
    if dialect == "sqlite":
        values["answers"] = json.dumps([(chat.hex, seq, option) for chat, seq, option in wanted])
    else:
        for number, name in enumerate(("chat_ids", "seqs", "options")):
            values[name] = [answer[number] for answer in wanted]
    for row in await connection.execute(_VOTERS[dialect], values):
        vote = Vote(row.id, row.user_id)
        found[row.chat_id, row.message_seq, row.option].append(vote)
    return found


async def choose(
    connection: Connection, key: MessageKey, user_id: UUID, chosen: Sequence[int]
) -> None:
    """Replace somebody's choice in a locked chat by another one; the tally is stored apart."""
    chat_id, seq = key
    await connection.execute(
        poll_votes.delete().where(
            poll_votes.c.chat_id == chat_id,
            poll_votes.c.message_seq == seq,
            poll_votes.c.user_id == user_id,
        )
    )
    if chosen:
        row = {"chat_id": chat_id, "message_seq": seq, "user_id": user_id}
        await connection.execute(
            poll_votes.insert(), [{**row, "id": new_key(), "option": option} for option in chosen]
        )


async def store(connection: Connection, key: MessageKey, tally: Tally) -> None:
    """Store the tally of a poll in a locked chat."""
    chat_id, seq = key
    values = {"counts": list(tally.counts), "voters": tally.voters, "closed_at": tally.closed_at}
    changed = await connection.execute(
        polls.update().where(polls.c.chat_id == chat_id, polls.c.message_seq == seq).values(values)
    )
    if not changed.rowcount:
        await connection.execute(polls.insert().values(chat_id=chat_id, message_seq=seq, **values))


async def forget(connection: Connection, key: MessageKey) -> None:
    """Take away what a deleted poll asked, and what was answered."""
    chat_id, seq = key
    for table in (poll_votes, polls):
        await connection.execute(
            table.delete().where(table.c.chat_id == chat_id, table.c.message_seq == seq)
        )
    await connection.execute(
        messages.update()
        .where(messages.c.chat_id == chat_id, messages.c.seq == seq)
        .values(details=None, closes_at=None)
    )


_DUE = (
    sa.select(messages.c.chat_id, messages.c.seq)
    .where(messages.c.closes_at <= sa.bindparam("now"), messages.c.closes_at.is_not(None))
    .order_by(messages.c.closes_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


async def due(connection: Connection, now: datetime, *, limit: int) -> list[MessageKey]:
    """Return polls that are to be closed by now, the longest due first."""
    rows = await connection.execute(_DUE, {"now": now, "limit": limit})
    return [(row.chat_id, row.seq) for row in rows]


async def settle(connection: Connection, key: MessageKey) -> None:
    """Note that a poll has not to be closed any more."""
    chat_id, seq = key
    await connection.execute(
        messages.update()
        .where(messages.c.chat_id == chat_id, messages.c.seq == seq)
        .values(closes_at=None)
    )
