"""The words of a message that its answer is about."""

from uuid import UUID

from models import messages
from models.errors import InvalidInput, NotFound
from models.messages import MAX_QUOTE, MessageKey
from models.viewer import Viewer
from resolvers.services import Services
from resolvers.text import checked


async def checked_quote(
    services: Services,
    viewer: Viewer,
    *,
    quote: str,
    reply_to: MessageKey | None,
    client_message_id: UUID,
) -> str:
    """Return a quote, which has to be words of the message that is answered.

    They are compared with what that says now: it may be edited or deleted a moment later, and the
    quote stays what was said. A repetition of what was sent before is not compared again. Raises
    `NotFound` or `InvalidInput`.
    """
    quote = checked(quote, what="The quote", maximum=MAX_QUOTE, path=["quote"])
    if reply_to is None:
        raise InvalidInput("A quote is of the message that replyToId names.", path=["quote"])
    async with services.db.reading() as connection:
        if await messages.sent_among(connection, viewer.user_id, [client_message_id]):
            return quote
        found = await messages.readable_by_keys(connection, viewer.user_id, [reply_to])
    answered = found.get(reply_to)
    if answered is None or answered.deleted_at is not None:
        raise NotFound("The message replied to", path=["replyToId"])
    if quote not in answered.text:
        raise InvalidInput("These are no words of the message replied to.", path=["quote"])
    return quote
