"""Who reads messages from the database, and why none of them shows what has expired."""

import re

from tests.house.checkout import ROOT

# What leads to a message's text: rows of the table, or its columns by name.
_READS = re.compile(
    r"columns\(messages, Message\)|messages\.c\.text|sa\.select\(messages|"
    r"(?:FROM|JOIN)\s+messages\b|holding\(\s*messages\."
)
_MAKES_MESSAGES = "makes a Message of each row, which empties itself"

READERS = {
    "models/expiry.py": "names messages, and reads nothing that they say",
    "models/history.py": _MAKES_MESSAGES,
    "models/messages.py": _MAKES_MESSAGES,
    "models/own_data.py": "hands out columns as they are now: AS_IT_IS_NOW",
    "models/polls.py": "names messages and when polls close, and reads nothing that they say",
    "models/reacting.py": _MAKES_MESSAGES,
    "models/retention.py": "reads moments alone",
    "models/search.py": "makes a Message of each row; texts are read to be indexed",
    "models/storing_postgresql.py": _MAKES_MESSAGES,
    "models/storing_sqlite.py": _MAKES_MESSAGES,
    "models/thread_reading.py": _MAKES_MESSAGES,
}


def test_every_module_that_reads_messages_says_why_it_shows_nothing_that_has_expired():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("models", "realtime", "resolvers", "schema", "server")
        for path in (ROOT / folder).rglob("*.py")
        if _READS.search(path.read_text())
    }
    assert found == READERS.keys()


def test_a_row_with_its_text_in_it_makes_a_message_without():
    from datetime import UTC, datetime, timedelta
    from uuid import UUID

    from models.messages import EMPTIED, Message

    now = datetime.now(UTC)

    def made(expires_at):
        return Message(
            chat_id=UUID(int=1),
            seq=1,
            sender_id=UUID(int=2),
            text="said",
            reply_to_seq=4,
            client_message_id=UUID(int=3),
            created_at=now - timedelta(days=1),
            edited_at=None,
            deleted_at=None,
            quote="quoted",
            has_link=True,
            details={"question": "Why?"},
            expires_at=expires_at,
        )

    past, future = now - timedelta(seconds=1), now + timedelta(hours=1)
    assert {name: getattr(made(past), name) for name in EMPTIED} == EMPTIED
    assert made(past).deleted_at == past
    assert (made(future).text, made(future).deleted_at) == ("said", None)
    assert made(None).text == "said"
