"""What was done about order in a chat, as those see it who keep it."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

import strawberry

from models import chat_acts
from models.chat_acts import ChatAct as StoredAct
from resolvers import chat_acts as use_cases
from schema.batching import batched
from schema.chat_pages import key_of, page_of
from schema.connections import DEFAULT_PAGE, Connection, Page, page_size
from schema.context import Info
from schema.ids import encode_message
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from uuid import UUID

    from schema.chats import Chat

# Every act that is noted, under its own name: a new one is in the schema by itself.
ChatAct: Any = strawberry.enum(  # type: ignore[call-overload]
    Enum(
        "ChatAct",
        {
            act.name: strawberry.enum_value(
                act.value, description=act.value.replace("_", " ").capitalize() + "."
            )
            for act in StoredAct
        },
    ),
    description="What was done in a chat.",
)


@strawberry.type(description="One detail of what was done in a chat.")
class ChatActDetail:
    name: str = strawberry.field(description="What it is.")
    value: str | None = strawberry.field(description="What it was.")


async def _actors(objects: Sequence["ChatActEntry"], info: Info) -> list[User | None]:
    return await _people(info, [each.row.actor_id for each in objects])


async def _subjects(objects: Sequence["ChatActEntry"], info: Info) -> list[User | None]:
    return await _people(info, [each.row.subject_id for each in objects])


async def _people(info: Info, ids: Sequence["UUID | None"]) -> list[User | None]:
    known = [id_ for id_ in ids if id_ is not None]
    found = dict(zip(known, await users_by_ids(info.context, known), strict=True))
    return [found.get(id_) if id_ is not None else None for id_ in ids]


@strawberry.type(description="Something that was done about order in a chat. It stays as it is.")
class ChatActEntry:
    at: datetime = strawberry.field(description="When it was done.")
    act: ChatAct = strawberry.field(description="What was done.")
    actor: User | None = batched(
        _actors, description="Who did it; null for an administrator of the server."
    )
    subject: User | None = batched(_subjects, description="Whom it was done to.")
    message_id: strawberry.ID | None = strawberry.field(description="The message it is about.")
    details: list[ChatActDetail] = strawberry.field(description="What else there is to say.")
    row: strawberry.Private[chat_acts.Entry]

    @classmethod
    def of(cls, row: chat_acts.Entry) -> Self:
        """Return an act as those see it who may moderate."""
        message_id = None
        if row.message_seq is not None:
            message_id = strawberry.ID(encode_message((row.chat_id, row.message_seq)))
        return cls(
            at=row.at,
            act=ChatAct(row.act),
            message_id=message_id,
            details=[
                ChatActDetail(name=name, value=None if value is None else str(value))
                for name, value in row.details.items()
            ],
            row=row,
        )


@strawberry.type(description="A page of what was done in a chat, the newest first.")
class ChatActConnection(Connection[ChatActEntry]):
    pass


async def chat_act_pages(
    objects: Sequence["Chat"], info: Info, first: int | None, after: str | None
) -> list[ChatActConnection | None]:
    """Resolve `Chat.auditLog`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    found = await use_cases.pages(
        info.context.services,
        info.context.signed_in,
        [chat.row for chat in objects],
        after=key_of(after),
        limit=shown.fetch,
    )
    return [
        page_of(ChatActConnection, found.get(chat.row.id), shown, ChatActEntry.of, after)
        for chat in objects
    ]
