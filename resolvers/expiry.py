"""What is said for a time, and gone afterwards.

Nobody sees a message any more from the moment on in which it expires: `models/messages.py` sees to
that. What is done here is to take its content off the disk, and to tell clients.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from models import chats, events, expiry
from models.errors import InvalidInput
from models.events import EventKind, LoggedEvent
from resolvers import contents
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

MIN_SECONDS = 5
MAX_SECONDS = 365 * 24 * 3600
BATCH = 200  # messages looked for at once; those of a chat are one transaction


def until(seconds: int, *, sent_at: datetime, path: Sequence[str]) -> datetime:
    """Return when a message expires that is to be there so long; raises `InvalidInput`."""
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InvalidInput(
            f"A message lasts {MIN_SECONDS} to {MAX_SECONDS} seconds, a year.", path=path
        )
    return sent_at + timedelta(seconds=seconds)


async def expire_due(services: Services) -> int:
    """Take away what expired messages said; returns how many there were."""
    count = 0
    while True:
        now = utc_now()
        async with services.db.reading() as connection:
            due = await expiry.due(connection, now, limit=BATCH)
        by_chat: dict[UUID, list[int]] = defaultdict(list)
        for chat_id, seq in due:
            by_chat[chat_id].append(seq)
        for chat_id, seqs in by_chat.items():
            count += await _expire(services, chat_id, seqs, now)
        if len(due) < BATCH:
            return count


async def _expire(services: Services, chat_id: UUID, seqs: Sequence[int], now: datetime) -> int:
    """Take away what messages of a chat said, with an event for each; returns how many."""
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        gone = await expiry.empty(connection, chat_id, seqs, now)
        if not gone:
            return 0  # another worker was faster
        await contents.take_away(connection, chat_id, gone)
        first = await expiry.advance(connection, chat_id, len(gone))
        await events.record_many(
            connection,
            [
                LoggedEvent(
                    id=0,
                    chat_id=chat_id,
                    user_id=None,
                    seq=first + place,
                    kind=EventKind.MESSAGE_EXPIRED.value,
                    actor_id=None,
                    subject_id=None,
                    message_seq=seq,
                    created_at=now,
                )
                for place, seq in enumerate(gone)
            ],
        )
    services.node.announce_log()
    return len(gone)
