"""Word filters: the lists of chats and of the server, and what they make of a text."""

from collections.abc import Sequence
from uuid import UUID

from models import audit, members, word_filters
from models.chat_acts import ChatAct
from models.chats import Chat
from models.client import NOWHERE, Client
from models.errors import Filtered, InvalidInput
from models.viewer import Viewer
from models.word_filters import MAX_PATTERN, SERVER, FilterKind, WordFilter
from resolvers.chat_acts import note
from resolvers.locked_chat import changing
from resolvers.matching import MAX_LETTERS, MAX_PROGRAMS, checked_pattern, folded
from resolvers.permissions import Act, allows, require
from resolvers.services import Services, utc_now
from resolvers.text import line

MAX_FILTERS = 200  # in a list
MAX_PATTERNS = 10  # of these patterns, which take longer to look for than words


async def checked(services: Services, chat_id: UUID, text: str, *, path: Sequence[str]) -> str:
    """Return what may be written into a chat in place of a text: itself, or with words masked.

    To be asked before anything is stored, by everything that brings a text into a chat. Raises
    `Filtered`.
    """
    for matcher in await services.word_filters.of(services.db, chat_id):
        if matcher.refuses(text):
            raise Filtered(path=path)
        text = matcher.masked(text)
    return text


async def set_of_chat(
    services: Services, viewer: Viewer, *, chat_id: UUID, filters: Sequence[WordFilter]
) -> Chat:
    """Give a chat another list; raises `NotFound`, `Forbidden` or `InvalidInput`."""
    wanted = _valid(filters)
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.MODERATE)
        before = await word_filters.of_many(locked.connection, [chat_id])
        if before[chat_id] != wanted:
            await word_filters.put(locked.connection, chat_id, wanted, now)
            details = {"filters": len(wanted)}
            await note(locked, ChatAct.WORD_FILTERS_SET, now=now, details=details)
        chat = locked.chat
    services.word_filters.recheck()
    return chat


async def set_of_server(
    services: Services,
    viewer: Viewer,
    *,
    filters: Sequence[WordFilter],
    client: Client = NOWHERE,
) -> Sequence[WordFilter]:
    """Give the server another list, which holds in every chat; raises `InvalidInput`."""
    wanted = _valid(filters)
    now = utc_now()
    async with services.db.writing() as connection:
        before = await word_filters.of_many(connection, [SERVER])
        if before[SERVER] != wanted:
            await word_filters.put(connection, SERVER, wanted, now)
            await audit.record(
                connection,
                audit.Act.WORD_FILTERS_SET,
                now=now,
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
                details={"filters": len(wanted)},
            )
    services.word_filters.recheck()
    return wanted


async def of_server(services: Services) -> Sequence[WordFilter]:
    """Return the list that holds in every chat; who may see it has been decided."""
    async with services.db.reading() as connection:
        return (await word_filters.of_many(connection, [SERVER]))[SERVER]


async def of_chats(
    services: Services, viewer: Viewer, asked: Sequence[Chat]
) -> dict[UUID, list[WordFilter]]:
    """Return the lists of those of the chats in which the viewer may moderate."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in asked}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [id_ for id_, me in mine.items() if allows(by_id[id_], me, Act.MODERATE)]
        return await word_filters.of_many(connection, seen)


def _valid(filters: Sequence[WordFilter]) -> list[WordFilter]:
    """Return a list without what is there twice; raises `InvalidInput`."""
    if len(filters) > MAX_FILTERS:
        raise InvalidInput(f"A list has {MAX_FILTERS} filters at most.", path=["filters"])
    wanted = []
    letters = program = 0
    for number, each in enumerate(filters):
        path = ["filters", str(number), "pattern"]
        text = line(each.pattern, what="The pattern", maximum=MAX_PATTERN, path=path)
        if each.kind == FilterKind.PATTERN:
            program += checked_pattern(text, path=path)
        else:
            plain = folded(text)[0]
            if not plain.strip():
                raise InvalidInput("The pattern has nothing to look for.", path=path)
            letters += len(plain)
        wanted.append(WordFilter(text, each.kind, each.action))
    if sum(each.kind == FilterKind.PATTERN for each in wanted) > MAX_PATTERNS:
        raise InvalidInput(f"A list has {MAX_PATTERNS} patterns at most.", path=["filters"])
    if program > MAX_PROGRAMS:
        raise InvalidInput(
            "The patterns together are too much to look for: repeat less.", path=["filters"]
        )
    if letters > MAX_LETTERS:
        raise InvalidInput(
            f"The words of a list have {MAX_LETTERS} letters together at most.", path=["filters"]
        )
    return list(dict.fromkeys(wanted))
