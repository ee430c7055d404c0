"""The viewer's folders."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import strawberry

from models import folders
from resolvers import folders as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode


@strawberry.type(
    description="Chats that the viewer has put together under a name. `Viewer.chats` lists them "
    "with `filter: { folderId: … }`."
)
class Folder:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    name: str = strawberry.field(description="Its name.")
    chat_ids: list[strawberry.ID] = strawberry.field(
        description="Which chats are in it, as the viewer put them there. One that they have left "
        "is not listed, until they are in it again."
    )

    @classmethod
    def of(cls, row: folders.Folder) -> Self:
        """Return a folder as its owner sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.FOLDER, row.id)),
            name=row.name,
            chat_ids=[strawberry.ID(encode(Kind.CHAT, chat_id)) for chat_id in row.chats],
        )


async def viewer_folders(info: Info) -> list[Folder]:
    """Resolve `Viewer.folders`."""
    rows = await use_cases.of(info.context.services, info.context.signed_in)
    return [Folder.of(row) for row in rows]


async def folders_of_each(objects: Sequence[Any], info: Info) -> list[list[Folder]]:
    """Resolve the folders of events, all of them told to the viewer."""
    found = await viewer_folders(info)
    return [found for _ in objects]


@strawberry.input(description="A folder to make.")
class CreateFolderInput:
    name: str = strawberry.field(description=f"Its name, up to {use_cases.MAX_NAME} characters.")
    chat_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=f"Which of the viewer's chats are in it, {use_cases.MAX_CHATS} at most.",
    )


@strawberry.type(description="The folder, below the others.")
class CreateFolderPayload:
    folder: Folder | None = strawberry.field(default=None, description="The folder.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="What of a folder is to be another. What is absent stays.")
class UpdateFolderInput:
    folder_id: strawberry.ID = strawberry.field(description="The folder.")
    name: str | None = strawberry.field(
        default=None, description=f"Its name, up to {use_cases.MAX_NAME} characters."
    )
    chat_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"All of its chats, {use_cases.MAX_CHATS} at most."
    )


@strawberry.type(description="The folder as it is now.")
class UpdateFolderPayload:
    folder: Folder | None = strawberry.field(default=None, description="The folder.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A folder to delete.")
class DeleteFolderInput:
    folder_id: strawberry.ID = strawberry.field(description="The folder.")


@strawberry.type(description="The folder is gone; its chats are where they were.")
class DeleteFolderPayload:
    deleted_folder_id: strawberry.ID | None = strawberry.field(
        default=None, description="The folder's id."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="The order of the folders.")
class OrderFoldersInput:
    folder_ids: list[strawberry.ID] = strawberry.field(
        description="Every folder, once, the first one first."
    )


@strawberry.type(description="The folders in their order.")
class OrderFoldersPayload:
    folders: list[Folder] = strawberry.field(default_factory=list, description="The folders.")
    errors: list[UserError] = errors_field()


_CREATION = strawberry.argument(description="The folder.")
_CHANGE = strawberry.argument(description="What changes.")
_DELETION = strawberry.argument(description="What to delete.")
_ORDER = strawberry.argument(description="The order.")


def _chat_keys(ids: Sequence[strawberry.ID]) -> list[Any]:
    return [decode(Kind.CHAT, chat_id, path="chatIds") for chat_id in ids]


@refusals_into(CreateFolderPayload)
async def create_folder(
    info: Info, input: Annotated[CreateFolderInput, _CREATION]
) -> CreateFolderPayload:
    """Resolve `Mutation.createFolder`."""
    row = await use_cases.create(
        info.context.services,
        info.context.signed_in,
        name=input.name,
        chat_ids=_chat_keys(input.chat_ids),
    )
    return CreateFolderPayload(folder=Folder.of(row))


@refusals_into(UpdateFolderPayload)
async def update_folder(
    info: Info, input: Annotated[UpdateFolderInput, _CHANGE]
) -> UpdateFolderPayload:
    """Resolve `Mutation.updateFolder`."""
    changes: use_cases.Changes = {}
    if input.name is not None:
        changes["name"] = input.name
    if input.chat_ids is not None:
        changes["chat_ids"] = _chat_keys(input.chat_ids)
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        folder_id=decode(Kind.FOLDER, input.folder_id, path="folderId"),
        changes=changes,
    )
    return UpdateFolderPayload(folder=Folder.of(row))


@refusals_into(DeleteFolderPayload)
async def delete_folder(
    info: Info, input: Annotated[DeleteFolderInput, _DELETION]
) -> DeleteFolderPayload:
    """Resolve `Mutation.deleteFolder`."""
    await use_cases.delete(
        info.context.services,
        info.context.signed_in,
        folder_id=decode(Kind.FOLDER, input.folder_id, path="folderId"),
    )
    return DeleteFolderPayload(deleted_folder_id=input.folder_id)


@refusals_into(OrderFoldersPayload)
async def order_folders(
    info: Info, input: Annotated[OrderFoldersInput, _ORDER]
) -> OrderFoldersPayload:
    """Resolve `Mutation.orderFolders`."""
    rows = await use_cases.order(
        info.context.services,
        info.context.signed_in,
        folder_ids=[decode(Kind.FOLDER, each, path="folderIds") for each in input.folder_ids],
    )
    return OrderFoldersPayload(folders=[Folder.of(row) for row in rows])
