"""A batch's messages on PostgreSQL: who may, the numbers, the rows and the counts, in a statement.

The chats are locked already. What is as with most messages costs next to nothing: a part that
nobody in the batch has any of is a loop over no rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import UtcDateTime, columns
from models.messages import Message, MessageKind, messages
from models.search import INSERT_ON_POSTGRESQL, Text, document
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
    by_name,
)

_COLUMNS = columns(messages, Message)
_MESSAGE = ", ".join(column.name for column in _COLUMNS)
_EARLIER = ", ".join(f"earlier.{column.name}" for column in _COLUMNS)
# Most messages have none, and then nothing is taken out of nothing.
_TYPES: dict[type, str] = {
    sa.String: "text",
    sa.BigInteger: "bigint",
    sa.Uuid: "uuid",
    sa.Boolean: "boolean",
    UtcDateTime: "timestamptz",
}
# Decided here, whatever the message came with.
_DECIDED = {"mentions_all": "everybody", "expires_at": "until", "thread_root_seq": "root_seq"}


def _extra(column: sa.Column[Any]) -> str:
    if column.name in _DECIDED:
        return _DECIDED[column.name]
    if isinstance(column.type, sa.JSON):
        return f"CAST(extras -> '{column.name}' AS json)"
    value = f"CAST(extras ->> '{column.name}' AS {_TYPES[type(column.type)]})"
    default = getattr(PLAIN, column.name)
    return value if default is None else f"coalesce({value}, '{default}')"


_EXTRAS = ", ".join(_extra(messages.c[name]) for name in EXTRAS)

_INDEX = INSERT_ON_POSTGRESQL.format(
    rows="""(
        SELECT chat_id, seq, made.words, n FROM numbered
        JOIN unnest(CAST(:words AS text[])) WITH ORDINALITY AS made (words, n) USING (n)
    ) AS found"""
)

# OFFSET 0 and the ANY (ARRAY …) make the planner look up each row by its key, whatever it believes
# about the size of the batch. Rows are inserted in the order of the batch, so that within a chat
# the log's ids grow with its numbers.
_ON_POSTGRESQL = sa.text(
    f"""
    WITH batch AS MATERIALIZED (
        SELECT *, CAST(extras ->> 'thread_root_seq' AS bigint) AS root_seq FROM unnest(
            CAST(:chat_ids AS uuid[]), CAST(:sender_ids AS uuid[]), CAST(:client_ids AS uuid[]),
            CAST(:hashes AS bytea[]), CAST(:texts AS text[]), CAST(:replies AS bigint[]),
            CAST(:extras AS jsonb[])
        ) WITH ORDINALITY
        AS row (chat_id, sender_id, client_message_id, content_hash, text, reply_to_seq, extras, n)
    ),
    now AS MATERIALIZED (SELECT clock_timestamp() AS moment),
    stay AS MATERIALIZED (
        SELECT batch.n, found.* FROM batch CROSS JOIN LATERAL (
            SELECT members.id, first_message_seq, silenced_until, last_sent_at, message_ttl,
                   slow_mode * interval '1 second' AS pause, kind || '/' || role AS standing
            FROM members JOIN chats ON chats.id = members.chat_id
            WHERE user_id = batch.sender_id AND chat_id = batch.chat_id AND left_seq IS NULL
            OFFSET 0
        ) AS found
    ),
    earlier AS MATERIALIZED (
        SELECT batch.n, found.* FROM batch CROSS JOIN LATERAL (
            SELECT {_MESSAGE}, messages.content_hash = batch.content_hash AS same
            FROM messages
            WHERE sender_id = batch.sender_id AND client_message_id = batch.client_message_id
            OFFSET 0
        ) AS found
    ),
    unanswerable AS MATERIALIZED (
        SELECT batch.n FROM batch JOIN stay USING (n) CROSS JOIN now LEFT JOIN LATERAL (
            SELECT seq FROM messages
            WHERE chat_id = batch.chat_id AND seq = batch.reply_to_seq AND deleted_at IS NULL
              AND (expires_at IS NULL OR expires_at > now.moment)
            OFFSET 0
        ) AS found ON true
        WHERE batch.reply_to_seq IS NOT NULL
          AND (found.seq IS NULL OR found.seq < stay.first_message_seq)
    ),
    root AS MATERIALIZED (
        SELECT batch.n, found.sender_id AS author_id
        FROM batch JOIN stay USING (n) CROSS JOIN now CROSS JOIN LATERAL (
            SELECT seq, sender_id FROM messages
            WHERE chat_id = batch.chat_id AND seq = batch.root_seq AND deleted_at IS NULL
              AND (expires_at IS NULL OR expires_at > now.moment)
              AND thread_root_seq IS NULL AND kind <> '{MessageKind.SYSTEM}'
            OFFSET 0
        ) AS found
        WHERE batch.root_seq IS NOT NULL AND found.seq >= stay.first_message_seq
    ),
    judged AS MATERIALIZED (
        SELECT batch.n, CASE
            WHEN stay.n IS NULL THEN '{Verdict.NO_CHAT}'
            WHEN earlier.same THEN '{Verdict.DUPLICATE}'
            WHEN earlier.n IS NOT NULL THEN '{Verdict.CONFLICT}'
            WHEN standing <> ALL (CAST(:may_write AS text[])) THEN '{Verdict.MAY_NOT_WRITE}'
            WHEN silenced_until > moment THEN '{Verdict.SILENCED}'
            WHEN unanswerable.n IS NOT NULL THEN '{Verdict.NO_REPLY_TARGET}'
            WHEN root_seq IS NOT NULL AND root.n IS NULL THEN '{Verdict.NO_THREAD}'
            ELSE '{Verdict.STORED}' END AS verdict
        FROM batch CROSS JOIN now LEFT JOIN stay USING (n) LEFT JOIN earlier USING (n)
        LEFT JOIN unanswerable USING (n) LEFT JOIN root USING (n)
    ),
    hasty AS MATERIALIZED (
        SELECT n, wait FROM (
            SELECT judged.n, CASE
                WHEN last_sent_at + pause > moment THEN last_sent_at + pause - moment
                WHEN row_number() OVER (PARTITION BY stay.id ORDER BY judged.n) > 1 THEN pause
                END AS wait
            FROM judged JOIN stay USING (n) CROSS JOIN now
            WHERE verdict = '{Verdict.STORED}' AND pause > interval '0'
              AND standing <> ALL (CAST(:may_hurry AS text[]))
        ) AS paced
        WHERE wait IS NOT NULL
    ),
    accepted AS MATERIALIZED (
        SELECT batch.*, stay.id AS stay_id, pause, message_ttl,
               row_number() OVER (PARTITION BY batch.chat_id ORDER BY batch.n) AS place,
               coalesce(CAST(extras ->> 'mentions_all' AS boolean), false)
               AND standing = ANY (CAST(:may_mention_all AS text[])) AS everybody
        FROM batch JOIN judged USING (n) JOIN stay USING (n)
        WHERE verdict = '{Verdict.STORED}'
          AND NOT EXISTS (SELECT FROM hasty WHERE hasty.n = batch.n)
    ),
    advanced AS (
        -- Within a chat a later number never has an earlier time, although a node whose clock goes
        -- before ours told something there just now.
        UPDATE chats
        SET last_message_seq = last_message_seq + share.size,
            last_event_seq = last_event_seq + share.size,
            all_mentions = all_mentions + share.to_everybody,
            last_activity_at = greatest(now.moment, last_activity_at)
        FROM (
            SELECT chat_id, count(*) AS size, count(*) FILTER (WHERE everybody) AS to_everybody
            FROM accepted GROUP BY chat_id
        ) AS share, now
        WHERE chats.id = share.chat_id
          AND chats.id = ANY (ARRAY(SELECT chat_id FROM accepted))
        RETURNING chats.id AS chat_id,
                  last_message_seq - share.size AS messages_before,
                  last_event_seq - share.size AS events_before,
                  all_mentions - share.to_everybody AS mentions_before,
                  last_activity_at AS sent_at
    ),
    numbered AS MATERIALIZED (
        SELECT accepted.*, messages_before + place AS seq, events_before + place AS event_seq,
               mentions_before, sent_at,
               least(
                   CAST(extras ->> 'expires_at' AS timestamptz),
                   sent_at + make_interval(secs => message_ttl)
               ) AS until
        FROM accepted JOIN advanced USING (chat_id)
    ),
    reply AS MATERIALIZED (
        SELECT n, chat_id, root_seq, seq, sender_id, sent_at,
               row_number() OVER (PARTITION BY chat_id, root_seq ORDER BY n) AS place
        FROM numbered WHERE root_seq IS NOT NULL
    ),
    counted AS (
        INSERT INTO threads (chat_id, root_seq, reply_count, last_reply_seq, last_reply_at)
        SELECT chat_id, root_seq, max(place), max(seq), max(sent_at)
        FROM reply GROUP BY chat_id, root_seq
        ON CONFLICT (chat_id, root_seq) DO UPDATE
        SET reply_count = threads.reply_count + excluded.reply_count,
            last_reply_seq = excluded.last_reply_seq, last_reply_at = excluded.last_reply_at
        RETURNING chat_id, root_seq, reply_count
    ),
    threaded AS MATERIALIZED (
        SELECT reply.*,
               reply_count - count(*) OVER (PARTITION BY chat_id, root_seq) + place AS number
        FROM reply JOIN counted USING (chat_id, root_seq)
    ),
    followed AS (
        -- Who writes has read what was there, and follows the thread, again if need be.
        INSERT INTO thread_follows (user_id, chat_id, root_seq, following, read_count)
        SELECT sender_id, chat_id, root_seq, true, max(number)
        FROM threaded GROUP BY sender_id, chat_id, root_seq
        ON CONFLICT (user_id, chat_id, root_seq) DO UPDATE
        SET following = true, read_count = excluded.read_count
    ),
    followed_by_author AS (
        -- So does whose message it is, unless they said otherwise; what they were away for is not
        -- theirs to read.
        INSERT INTO thread_follows (user_id, chat_id, root_seq, following, read_count)
        SELECT author_id, threaded.chat_id, root_seq, true, min(number) - 1
        FROM threaded JOIN root USING (n) CROSS JOIN LATERAL (
            SELECT id FROM members
            WHERE user_id = author_id AND chat_id = threaded.chat_id AND left_seq IS NULL
            OFFSET 0
        ) AS here
        WHERE NOT EXISTS (
            SELECT FROM threaded AS own WHERE own.sender_id = author_id
              AND own.chat_id = threaded.chat_id AND own.root_seq = threaded.root_seq
        )
        GROUP BY author_id, threaded.chat_id, root_seq
        ON CONFLICT (user_id, chat_id, root_seq) DO NOTHING
    ),
    stored AS (
        INSERT INTO messages (chat_id, seq, sender_id, text, reply_to_seq, client_message_id,
                              content_hash, created_at, thread_number, {", ".join(EXTRAS)})
        SELECT chat_id, seq, sender_id, text, reply_to_seq, client_message_id, content_hash,
               sent_at, number, {_EXTRAS}
        FROM numbered LEFT JOIN (SELECT n, number FROM threaded) AS in_thread USING (n)
        ORDER BY n
    ),
    indexed AS ({_INDEX}),
    logged AS (
        INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, xid, created_at)
        SELECT chat_id, event_seq, '{SENT}', sender_id, seq, pg_current_xact_id(), moment
        FROM numbered, now ORDER BY n
    ),
    mentioned AS MATERIALIZED (
        SELECT here.id, named.user_id, numbered.chat_id, numbered.seq,
               NOT numbered.everybody AS counted
        FROM unnest(CAST(:naming AS bigint[]), CAST(:named AS uuid[])) AS named (n, user_id)
        JOIN numbered USING (n) CROSS JOIN LATERAL (
            SELECT id FROM members
            WHERE user_id = named.user_id AND chat_id = numbered.chat_id AND left_seq IS NULL
            OFFSET 0
        ) AS here
    ),
    noted AS (
        INSERT INTO mentions (user_id, chat_id, message_seq, counted)
        SELECT user_id, chat_id, seq, counted FROM mentioned
    ),
    noted_for_all AS (
        INSERT INTO all_mentions (chat_id, message_seq, number)
        SELECT chat_id, seq,
               mentions_before + row_number() OVER (PARTITION BY chat_id ORDER BY n)
        FROM numbered WHERE everybody
    ),
    own AS MATERIALIZED (
        SELECT stay_id AS id, max(seq) AS seq, bool_or(pause IS NOT NULL) AS paced
        FROM numbered GROUP BY stay_id
    ),
    named AS MATERIALIZED (
        SELECT id, count(*) FILTER (WHERE counted AND mentioned.seq > coalesce(own.seq, 0)) AS size
        FROM mentioned LEFT JOIN own USING (id) GROUP BY id
    ),
    read AS (
        -- Who writes has read what was there; everybody knows, so it is no news.
        UPDATE members
        SET delivered_seq = coalesce(change.seq, delivered_seq),
            read_seq = coalesce(change.seq, read_seq),
            unread_mentions = coalesce(change.size, 0)
                              + CASE WHEN change.seq IS NULL THEN unread_mentions ELSE 0 END,
            last_sent_at = CASE WHEN change.paced THEN moment ELSE last_sent_at END
        FROM (SELECT id, seq, paced, size FROM own FULL JOIN named USING (id)) AS change, now
        WHERE members.id = change.id
          AND members.id = ANY (ARRAY(SELECT id FROM own UNION ALL SELECT id FROM named))
    )
    SELECT CASE WHEN hasty.n IS NULL THEN verdict ELSE '{Verdict.TOO_SOON}' END AS verdict,
           numbered.seq AS new_seq, numbered.sent_at, numbered.until, numbered.everybody,
           threaded.number AS thread_number_,
           CAST(ceil(extract(epoch FROM hasty.wait)) AS integer) AS retry_after,
           {_EARLIER}
    FROM judged LEFT JOIN earlier USING (n) LEFT JOIN hasty USING (n)
    LEFT JOIN numbered USING (n) LEFT JOIN threaded USING (n)
    ORDER BY n
    """  # noqa: S608 - what is put in are constants
).columns(
    sa.column("verdict", sa.String),
    sa.column("new_seq", sa.BigInteger),
    sa.column("sent_at", UtcDateTime),
    sa.column("until", UtcDateTime),
    sa.column("everybody", sa.Boolean),
    sa.column("thread_number_", sa.Integer),
    sa.column("retry_after", sa.Integer),
    *_COLUMNS,
)


async def store_on_postgresql(
    connection: AsyncConnection, batch: Sequence[Outgoing], rules: Rules
) -> list[Outcome]:
    """Store messages in locked chats, and return what became of each."""
    rights, terms = rules.rights, rules.terms
    named = [(n, who) for n, message in enumerate(batch, 1) for who in message.mentioned]
    rows = await connection.execute(
        _ON_POSTGRESQL,
        {
            "chat_ids": [message.chat_id for message in batch],
            "sender_ids": [message.sender_id for message in batch],
            "client_ids": [message.client_message_id for message in batch],
            "hashes": [message.content_hash for message in batch],
            "texts": [message.text for message in batch],
            "replies": [message.reply_to_seq for message in batch],
            "extras": [
                None if message.extras is PLAIN else as_json(by_name(message.extras))
                for message in batch
            ],
            # Only the statement knows under which numbers they are stored.
            "words": [
                document("postgresql", terms, Text(m.chat_id, 0, m.sender_id, m.text))
                for m in batch
            ],
            "naming": [n for n, _ in named],
            "named": [who for _, who in named],
            "may_write": _standings(rights.write),
            "may_mention_all": _standings(rights.mention_all),
            "may_hurry": _standings(rights.hurry),
        },
    )
    return [_outcome(message, *row) for message, row in zip(batch, rows.all(), strict=True)]


def _standings(standings: frozenset[Standing]) -> list[str]:
    return [f"{kind}/{role}" for kind, role in standings]


def _outcome(
    message: Outgoing,
    verdict: str,
    seq: int | None,
    sent_at: datetime | None,
    expires_at: datetime | None,
    mentions_all: bool | None,
    thread_number: int | None,
    retry_after: int | None,
    *earlier: Any,
) -> Outcome:
    match Verdict(verdict):
        case Verdict.STORED:
            if seq is None or sent_at is None:
                raise RuntimeError("the chat of a message that was let through was not there")
            stored = message.stored(
                seq,
                sent_at,
                expires_at=expires_at,
                mentions_all=bool(mentions_all),
                thread_number=thread_number,
            )
            return Outcome(Verdict.STORED, stored)
        case Verdict.DUPLICATE:
            return Outcome(Verdict.DUPLICATE, Message(*earlier))
        case refused:
            return Outcome(refused, retry_after=retry_after or 0)
