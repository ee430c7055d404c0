"""What goes with a message's content, however it comes to go."""

from collections.abc import Sequence
from uuid import UUID

from models import edits, mentions, pins, polls, reactions, search
from models.database import Connection


async def take_away(connection: Connection, chat_id: UUID, seqs: Sequence[int]) -> None:
    """Delete all that there is about messages of a locked chat besides their rows."""
    for seq in seqs:
        await mentions.forget(connection, (chat_id, seq))
        await polls.forget(connection, (chat_id, seq))
        await edits.forget(connection, (chat_id, seq))
        await pins.unpin(connection, (chat_id, seq))
    await reactions.clear(connection, chat_id, seqs)
    await search.drop(connection, chat_id, seqs)
