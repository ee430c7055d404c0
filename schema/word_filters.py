"""Word filters of chats and of the server."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import word_filters
from models.word_filters import FilterAction as StoredAction
from models.word_filters import FilterKind as StoredKind
from resolvers import word_filters as use_cases
from schema import chats as chat_types
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode

if TYPE_CHECKING:
    from schema.chats import Chat

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]


@strawberry.enum(description="How a word filter finds.")
class WordFilterKind(Enum):
    WORD = strawberry.enum_value(
        "word", description="A whole word, or several in a row; case and accents do not matter."
    )
    PART = strawberry.enum_value(
        "part", description="Anywhere, within words too; case and accents do not matter."
    )
    PATTERN = strawberry.enum_value(
        "pattern", description="A regular expression as RE2 takes it; case does not matter."
    )


@strawberry.enum(description="What becomes of a text in which a word filter finds something.")
class WordFilterAction(Enum):
    REFUSE = strawberry.enum_value(
        "refuse", description="It is refused with `FILTERED`, without saying for which word."
    )
    MASK = strawberry.enum_value(
        "mask", description="It is stored with a • for each character of what was found."
    )


@strawberry.type(description="Something that is not to be written.")
class WordFilter:
    pattern: str = strawberry.field(description="What is looked for.")
    kind: WordFilterKind = strawberry.field(description="How.")
    action: WordFilterAction = strawberry.field(description="What becomes of the text.")

    @classmethod
    def of(cls, row: word_filters.WordFilter) -> Self:
        """Return a filter as those see it who may set them."""
        return cls(
            pattern=row.pattern,
            kind=WordFilterKind(row.kind),
            action=WordFilterAction(row.action),
        )


@strawberry.input(description="Something that is not to be written.")
class WordFilterInput:
    pattern: str = strawberry.field(
        description=f"What to look for, up to {word_filters.MAX_PATTERN} characters."
    )
    kind: WordFilterKind = strawberry.field(default=WordFilterKind.WORD, description="How.")
    action: WordFilterAction = strawberry.field(
        default=WordFilterAction.REFUSE, description="What becomes of the text."
    )

    def stored(self) -> word_filters.WordFilter:
        """Return it as it is stored."""
        return word_filters.WordFilter(
            self.pattern,
            StoredKind[self.kind.name].value,
            StoredAction[self.action.name].value,
        )


async def word_filters_of_each(
    objects: Sequence["Chat"], info: Info
) -> list[list[WordFilter] | None]:
    """Resolve `Chat.wordFilters`."""
    found = await use_cases.of_chats(
        info.context.services, info.context.signed_in, [chat.row for chat in objects]
    )
    return [
        [WordFilter.of(row) for row in found[chat.row.id]] if chat.row.id in found else None
        for chat in objects
    ]


@strawberry.input(description="What is not to be written in a chat.")
class SetWordFiltersInput:
    chat_id: strawberry.ID = strawberry.field(description="The group or channel.")
    filters: list[WordFilterInput] = strawberry.field(
        description="The whole list, which takes the place of the one before: up to "
        f"{use_cases.MAX_FILTERS}, of these {use_cases.MAX_PATTERNS} patterns. Empty for none."
    )


@strawberry.type(description="The chat with its filters.")
class SetWordFiltersPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


_FILTERS = strawberry.argument(description="The filters.")


@refusals_into(SetWordFiltersPayload)
async def set_word_filters(
    info: Info, input: Annotated[SetWordFiltersInput, _FILTERS]
) -> SetWordFiltersPayload:
    """Resolve `Mutation.setWordFilters`."""
    chat = await use_cases.set_of_chat(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        filters=[each.stored() for each in input.filters],
    )
    return SetWordFiltersPayload(chat=chat_types.Chat.of(chat))


async def server_word_filters(info: Info) -> list[WordFilter]:
    """Resolve `Admin.wordFilters`."""
    return [WordFilter.of(row) for row in await use_cases.of_server(info.context.services)]


@strawberry.input(description="What is not to be written anywhere on this server.")
class AdminSetWordFiltersInput:
    filters: list[WordFilterInput] = strawberry.field(
        description="The whole list, which takes the place of the one before: up to "
        f"{use_cases.MAX_FILTERS}, of these {use_cases.MAX_PATTERNS} patterns. Empty for none."
    )


@strawberry.type(description="The filters that hold everywhere.")
class AdminSetWordFiltersPayload:
    word_filters: list[WordFilter] | None = strawberry.field(
        default=None, description="The filters."
    )
    errors: list[UserError] = errors_field()


@refusals_into(AdminSetWordFiltersPayload)
async def set_server_word_filters(
    info: Info, input: Annotated[AdminSetWordFiltersInput, _FILTERS]
) -> AdminSetWordFiltersPayload:
    """Resolve `Mutation.adminSetWordFilters`."""
    rows = await use_cases.set_of_server(
        info.context.services,
        info.context.signed_in,
        filters=[each.stored() for each in input.filters],
        client=info.context.client,
    )
    return AdminSetWordFiltersPayload(word_filters=[WordFilter.of(row) for row in rows])
