"""What people have left in a chat that they are banned from: nothing of it reads or writes on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from models import audit, bots, guests, incoming_webhooks, join_links, members, webhooks
from models.audit import Act
from models.incoming_webhooks import IncomingWebhook
from models.members import Member, Role
from models.viewer import Viewer
from resolvers import bots as bot_cases
from resolvers.guests import remove_ended
from resolvers.locked_chat import LockedChat
from resolvers.services import Services
from resolvers.webhook_chats import take_out


class Leftovers:
    """What of somebody's a ban has closed, and what is done about it after the commit."""

    def __init__(self, guest_links: Sequence[UUID], incoming: Sequence[IncomingWebhook]) -> None:
        """Note which links and webhooks are closed by now."""
        self._guest_links = guest_links
        self._incoming = incoming

    async def clear_away(self, services: Services, by: Viewer) -> None:
        """Take out the guests, and end the bots, that came by what was closed."""
        for link_id in self._guest_links:
            await remove_ended(services, link_id=link_id)
        for webhook in self._incoming:
            await bot_cases.close(services, webhook.bot_id, by=by)


async def close_all_of(
    locked: LockedChat, viewer: Viewer, user_id: UUID, *, now: datetime
) -> Leftovers:
    """Close the ways that somebody has made into or out of a locked chat."""
    connection, chat_id = locked.connection, locked.chat.id
    await join_links.revoke_made_by(connection, chat_id, user_id, now)
    guest_links = await guests.revoke_made_by(connection, chat_id, user_id, now)
    incoming = await incoming_webhooks.revoke_made_by(connection, chat_id, user_id, now)
    told = (await webhooks.of_chats(connection, [chat_id]))[chat_id]
    outgoing = [each for each in told if each.created_by == user_id]
    for each in outgoing:
        await take_out(connection, each.id, chat_id)
    acts: list[tuple[Act, UUID, UUID | None]] = [
        (Act.INCOMING_WEBHOOK_REVOKED, each.id, each.bot_id) for each in incoming
    ]
    acts += [(Act.WEBHOOK_DELETED, each.id, None) for each in outgoing]
    for act, webhook_id, subject_id in acts:
        await audit.record(
            connection,
            act,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            subject_id=subject_id,
            details={"chat": str(chat_id), "webhook": str(webhook_id)},
        )
    return Leftovers(guest_links, incoming)


async def bots_there(locked: LockedChat, user_id: UUID) -> list[Member]:
    """Return the stays of somebody's bots in a locked chat; of what nobody is above, none.

    That is the owner of the chat, which a bot may be that has made it, and whoever asks.
    """
    bot_ids = await bots.ids_of_owner(locked.connection, user_id)
    found = await members.among(locked.connection, locked.chat.id, bot_ids)
    return [
        stay
        for stay in found.values()
        if stay.role != Role.OWNER and stay.user_id != locked.me.user_id
    ]
