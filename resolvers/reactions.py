"""Reacting to messages."""

from models.errors import Forbidden, InvalidInput, NotFound
from models.messages import Message, MessageKey
from models.reactions import MAX_KINDS
from models.sending import Reaction, Verdict
from models.viewer import Viewer
from resolvers.services import Services
from resolvers.text import checked

MAX_EMOJI = 32  # characters; joined emoji have up to ten


async def react(
    services: Services, viewer: Viewer, *, key: MessageKey, emoji: str, wanted: bool
) -> Message:
    """Let the viewer react to a message, or take that back; repeating it changes nothing.

    Returns the message. Raises `NotFound`, `Forbidden` or `InvalidInput`.
    """
    emoji = checked(emoji, what="The reaction", maximum=MAX_EMOJI, path=["emoji"])
    if any(character.isspace() for character in emoji):
        raise InvalidInput("A reaction is one emoji or one word, without space.", path=["emoji"])
    chat_id, seq = key
    outcome = await services.sending.submit(
        Reaction(chat_id, seq, viewer.user_id, emoji, wanted=wanted)
    )
    if outcome.message is not None:
        return outcome.message
    if outcome.verdict is Verdict.TOO_MANY:
        raise InvalidInput(
            f"A message takes at most {MAX_KINDS} different reactions.", path=["emoji"]
        )
    if outcome.verdict is Verdict.NOT_IN_SET:
        raise InvalidInput("This chat takes other reactions only.", path=["emoji"])
    if outcome.verdict is Verdict.SILENCED:
        raise Forbidden("You may not react in this chat at present.", path=["messageId"])
    raise NotFound("The message", path=["messageId"])
