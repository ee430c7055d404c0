"""What people can do about how they keep their chats: a part of `Mutation`."""

import strawberry

from schema import folders as folder_fields
from schema import keeping as keeping_fields


@strawberry.type
class KeepingMutations:
    update_viewer_membership: keeping_fields.UpdateViewerMembershipPayload = strawberry.mutation(
        resolver=keeping_fields.update_viewer_membership,
        description="Mute a chat, put it into the archive, pin it, or undo that, for oneself.",
    )
    order_pinned_chats: keeping_fields.OrderPinnedChatsPayload = strawberry.mutation(
        resolver=keeping_fields.order_pinned_chats,
        description="Put one's pinned chats into another order.",
    )
    create_folder: folder_fields.CreateFolderPayload = strawberry.mutation(
        resolver=folder_fields.create_folder, description="Make a folder for chats of one's own."
    )
    update_folder: folder_fields.UpdateFolderPayload = strawberry.mutation(
        resolver=folder_fields.update_folder,
        description="Give a folder another name, or other chats.",
    )
    delete_folder: folder_fields.DeleteFolderPayload = strawberry.mutation(
        resolver=folder_fields.delete_folder,
        description="Delete a folder. Its chats stay where they are.",
    )
    order_folders: folder_fields.OrderFoldersPayload = strawberry.mutation(
        resolver=folder_fields.order_folders, description="Put one's folders into another order."
    )
