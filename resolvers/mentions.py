"""Mentions: finding in a text whom it names."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from models import mentions
from models.errors import InvalidInput
from models.messages import MessageKey
from models.viewer import Viewer
from resolvers.locked_chat import LockedChat
from resolvers.markup import MENTION
from resolvers.permissions import Act, allows
from resolvers.services import Services

MAX_MENTIONS = 50  # handles that a message may hold: each costs a row and wakes somebody up
ALL = "all"  # a handle that nobody can have: `accounts/handles.py`

_BACKTICKS = re.compile(r"`+")
_FENCE = 3  # backticks


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a text names: handles in lower case, and whether everybody is meant."""

    handles: frozenset[str] = frozenset()
    everybody: bool = False


def named(text: str) -> Named:
    """Return whom a text names outside code; raises `InvalidInput` beyond `MAX_MENTIONS`."""
    if "@" not in text:
        return Named()
    found = {
        match.group(1).lower() for part in _outside_code(text) for match in MENTION.finditer(part)
    }
    handles = frozenset(found - {ALL})
    if len(handles) > MAX_MENTIONS:
        raise InvalidInput(f"A message mentions at most {MAX_MENTIONS} people.", path=["text"])
    return Named(handles, everybody=ALL in found)


def _outside_code(text: str) -> Iterator[str]:
    """Yield what of a text is not between backticks: as many of them end a piece as began it.

    A fence, at the beginning of a line, that nothing ends goes on to the end of the text.
    """
    runs = [match.span() for match in _BACKTICKS.finditer(text)]
    ends: dict[int, deque[tuple[int, int]]] = defaultdict(deque)  # those of a length, in order
    for start, end in runs:
        ends[end - start].append((start, end))
    done = 0
    for start, end in runs:
        if start < done:
            continue
        ahead = ends[end - start]
        while ahead and ahead[0][0] <= start:
            ahead.popleft()
        if ahead:
            yield text[done:start]
            done = ahead.popleft()[1]
        elif end - start >= _FENCE and not text[text.rfind("\n", 0, start) + 1 : start].strip():
            yield text[done:start]
            return
    yield text[done:]


async def in_chat(
    services: Services, viewer: Viewer, chat_id: UUID, whom: Named
) -> tuple[UUID, ...]:
    """Return who is meant of those who are in the chat now, without whoever blocks the viewer."""
    if not whom.handles:
        return ()
    async with services.db.reading() as connection:
        return tuple(await mentions.present(connection, chat_id, viewer.user_id, whom.handles))


async def renew(locked: LockedChat, key: MessageKey, *, before: str, after: str) -> None:
    """Let a message whose text was changed mention whom it names now; raises `InvalidInput`."""
    if "@" not in before and "@" not in after:
        return
    whom, connection = named(after), locked.connection
    people = (
        await mentions.present(connection, locked.chat.id, locked.me.user_id, whom.handles)
        if whom.handles
        else []
    )
    everybody = whom.everybody and allows(locked.chat, locked.me, Act.MENTION_ALL)
    await mentions.renew(connection, key, people, everybody=everybody)
