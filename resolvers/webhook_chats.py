"""Which chats a webhook is told of: from where on, and no more."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from models import members, webhook_deliveries, webhooks
from models.chats import Chat
from models.database import Connection
from models.viewer import Viewer
from models.webhooks import Beginning, Webhook


async def beginnings(
    connection: Connection, viewer: Viewer, chats: Mapping[UUID, Chat]
) -> dict[UUID, Beginning]:
    """Return from where on a webhook is told of locked chats whom the viewer has told.

    Of what happens from now on, and of messages what the viewer may read of them.
    """
    stays = await members.of_chats(connection, viewer.user_id, chats)
    return {
        chat_id: Beginning(chat.last_event_seq, stays[chat_id].first_message_seq)
        for chat_id, chat in chats.items()
    }


async def begin_later(
    connection: Connection, viewer: Viewer, webhook_id: UUID, chats: Mapping[UUID, Chat]
) -> None:
    """Tell a webhook no more than the viewer may read, who has said where else it goes."""
    begin = await beginnings(connection, viewer, chats)
    first = {chat_id: each.first_message_seq for chat_id, each in begin.items()}
    await webhooks.begin_later(connection, webhook_id, first)


async def forget(connection: Connection, webhook: Webhook, chat_id: UUID) -> Webhook:
    """Tell a locked webhook no more of a chat, nor what waits of it.

    Returns the webhook with what is left to send, which is not stored yet.
    """
    await webhooks.forget_chat(connection, webhook.id, chat_id)
    dropped = await webhook_deliveries.drop_waiting(connection, webhook.id, chat_id)
    return replace(webhook, waiting=max(webhook.waiting - dropped, 0))


async def take_out(connection: Connection, webhook_id: UUID, chat_id: UUID) -> None:
    """Take a locked chat out of a webhook, which is deleted with its last one."""
    webhook = await webhooks.by_id(connection, webhook_id, lock=True)
    if webhook is None:
        return
    if (await webhooks.chats_of(connection, [webhook_id]))[webhook_id] == [chat_id]:
        await webhooks.delete(connection, webhook_id)
        return
    left = await forget(connection, webhook, chat_id)
    await webhooks.change(connection, webhook_id, waiting=left.waiting)
