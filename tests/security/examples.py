"""Sensible arguments for every field, with the ids left open: what the walk asks with.

A new root field, or a new field that takes an id, needs a line here; a test says so.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schema.ids import Kind


class Thing(enum.Enum):
    """What an id may name: a bot's id is of the same kind as a person's, and another thing."""

    USER = ("user", Kind.USER)
    CHAT = ("chat", Kind.CHAT)
    MESSAGE = ("message", Kind.MESSAGE)
    MEMBERSHIP = ("membership", Kind.MEMBERSHIP)
    SESSION = ("session", Kind.SESSION)
    PASSKEY = ("passkey", Kind.PASSKEY)
    GUEST_LINK = ("guest link", Kind.GUEST_LINK)
    FOLDER = ("folder", Kind.FOLDER)
    BOT = ("bot", Kind.USER)
    BOT_TOKEN = ("bot token", Kind.BOT_TOKEN)
    EXPORT = ("export", Kind.EXPORT)
    INVITATION = ("invitation", Kind.INVITATION)
    REPORT = ("report", Kind.REPORT)
    AUDIT_ENTRY = ("audit entry", Kind.AUDIT_ENTRY)
    JOIN_LINK = ("join link", Kind.JOIN_LINK)
    JOIN_REQUEST = ("join request", Kind.JOIN_REQUEST)
    OWN_REQUEST = ("one's own join request", Kind.JOIN_REQUEST)
    SCHEDULED = ("scheduled message", Kind.SCHEDULED_MESSAGE)
    THREAD = ("thread", Kind.THREAD)
    WEBHOOK = ("webhook", Kind.WEBHOOK)
    INCOMING_WEBHOOK = ("incoming webhook", Kind.INCOMING_WEBHOOK)

    @property
    def kind(self) -> Kind:
        """What its ids say that they are of."""
        return self.value[1]

    def __str__(self) -> str:
        return self.value[0]


# People are there for whoever is signed in: whom one writes to is found by handle. So these ids
# are tried only by those who are not.
PUBLIC = frozenset({Thing.USER})
# What `node` knows; to every other id it answers null, whosever it is.
NODES = frozenset({Thing.USER, Thing.CHAT, Thing.MESSAGE, Thing.MEMBERSHIP, Thing.THREAD})
# As accounts, bots are as public as people; as somebody's own they are not.
_NODES = [thing for thing in Thing if thing is not Thing.BOT]

USER, CHAT, MESSAGE, MEMBERSHIP, SESSION, PASSKEY, GUEST_LINK, FOLDER, BOT, BOT_TOKEN, *_ = Thing


SCHEDULED, THREAD = Thing.SCHEDULED, Thing.THREAD
FAR_AHEAD = (datetime.now(UTC) + timedelta(days=300)).isoformat()


@dataclass(frozen=True)
class Example:
    """How a field is asked; where a `Thing` stands, its id comes."""

    arguments: dict[str, Any]
    # For a field that is not at the root: the operation, with `$own` ids of the asker's.
    document: str | None = None


def _of(**arguments: Any) -> list[Example]:
    return [Example(arguments)]


def _input(**fields: Any) -> list[Example]:
    return [Example({"input": fields})]


FRESH = object()  # where it stands, a new UUID comes each time

EXAMPLES: dict[str, list[Example]] = {
    "Query.viewer": _of(),
    "Query.server": _of(),
    "Query.user": _of(handle="ana"),
    "Query.users": _of(search="a"),
    "Query.chat": _of(id=CHAT),
    "Query.joinLink": _of(token="nothing"),
    "Query.searchMessages": [
        Example({"query": "hello", "filter": {"chatId": CHAT}}),
        Example({"query": "hello", "filter": {"senderId": USER}}),
    ],
    "Query.node": [Example({"id": thing}) for thing in _NODES],
    "Query.nodes": [Example({"ids": [thing]}) for thing in _NODES],
    "Chat.message": [
        Example(
            {"chat": CHAT, "id": MESSAGE},
            "query Walk($chat: ID!, $id: ID!) "
            "{ chat(id: $chat) { message(id: $id) { __typename text } } }",
        )
    ],
    "Chat.messages": [
        Example(
            {"chat": CHAT, "aroundId": MESSAGE},
            "query Walk($chat: ID!, $aroundId: ID!) "
            "{ chat(id: $chat) { messages(aroundId: $aroundId) { nodes { text } } } }",
        ),
        Example(
            {"chat": CHAT, "chatId": CHAT, "senderId": USER},
            "query Walk($chat: ID!, $chatId: ID!, $senderId: ID!) { chat(id: $chat) "
            "{ messages(filter: { chatId: $chatId, senderId: $senderId }) { nodes { text } } } }",
        ),
    ],
    "Mutation.register": _input(handle="somebody", password="x" * 20, displayName="Somebody"),
    "Mutation.logIn": _input(handle="ana", password="wrong, and long enough"),
    "Mutation.refreshSession": _input(refreshToken="nothing"),
    "Mutation.logOut": _of(),
    "Mutation.completeLogIn": _input(challengeToken="nothing", factor={"totpCode": "123456"}),
    "Mutation.beginPasskeyLogIn": _of(),
    "Mutation.finishPasskeyLogIn": _input(challengeId="nothing", credential="{}"),
    "Mutation.beginTotp": _of(),
    "Mutation.confirmTotp": _input(code="123456"),
    "Mutation.disableTotp": _of(),
    "Mutation.regenerateRecoveryCodes": _of(),
    "Mutation.beginPasskeyRegistration": _of(),
    "Mutation.finishPasskeyRegistration": _input(
        challengeId="nothing", name="Walk", credential="{}"
    ),
    "Mutation.renamePasskey": _input(passkeyId=PASSKEY, name="Walked"),
    "Mutation.removePasskey": _input(passkeyId=PASSKEY),
    "Mutation.beginPasskeyConfirmation": _of(),
    "Mutation.confirmIdentity": _input(password="wrong, and long enough"),
    "Mutation.revokeSession": _input(sessionId=SESSION),
    "Mutation.revokeOtherSessions": _of(),
    "Mutation.joinAsGuest": _input(token="nothing", displayName="Somebody"),
    "Mutation.requestDataExport": _of(),
    "Mutation.deleteAccount": _input(handle="ana"),
    "Mutation.cancelAccountDeletion": _of(),
    "Mutation.updateProfile": _input(bio="Walked"),
    "Mutation.changeHandle": _input(handle="walked"),
    "Mutation.updateSettings": _input(hides=True),
    "Mutation.requestEmailVerification": _of(),
    "Mutation.verifyEmail": _input(token="nothing"),
    "Mutation.changeEmail": _input(newEmail="walk@example.org"),
    "Mutation.restoreEmail": _input(token="nothing"),
    "Mutation.requestPasswordReset": _input(handle="ana"),
    "Mutation.resetPassword": _input(token="nothing", newPassword="wrong, and long enough"),
    "Mutation.changePassword": _input(
        currentPassword="wrong, and long enough", newPassword="another, and long enough"
    ),
    "Mutation.createGuestLink": _input(chatId=CHAT),
    "Mutation.revokeGuestLink": _input(linkId=GUEST_LINK),
    "Mutation.createJoinLink": _input(chatId=CHAT),
    "Mutation.revokeJoinLink": _input(linkId=Thing.JOIN_LINK),
    "Mutation.joinChat": _input(token="nothing"),
    "Mutation.answerJoinRequest": _input(requestId=Thing.JOIN_REQUEST, answer="APPROVE"),
    "Mutation.withdrawJoinRequest": _input(requestId=Thing.OWN_REQUEST),
    "Mutation.banMember": _input(chatId=CHAT, userId=USER),
    "Mutation.unbanMember": _input(chatId=CHAT, userId=USER),
    "Mutation.silenceMember": _input(chatId=CHAT, userId=USER),
    "Mutation.unsilenceMember": _input(chatId=CHAT, userId=USER),
    "Mutation.setWordFilters": _input(chatId=CHAT, filters=[{"pattern": "walk"}]),
    "Mutation.blockUser": _input(userId=USER),
    "Mutation.unblockUser": _input(userId=USER),
    "Mutation.createBot": _input(handle="walker", displayName="Walker", scopes=["CHATS_READ"]),
    "Mutation.createBotToken": _input(botId=BOT, name="Walk", scopes=["CHATS_READ"]),
    "Mutation.revokeBotToken": _input(tokenId=BOT_TOKEN),
    "Mutation.deleteBot": _input(botId=BOT),
    "Mutation.createWebhook": _input(
        name="Walk", url="https://example.org/", events=["MESSAGE_SENT"], chatIds=[CHAT]
    ),
    "Mutation.updateWebhook": [
        Example({"input": {"webhookId": Thing.WEBHOOK, "name": "Walked"}}),
        Example({"input": {"webhookId": Thing.WEBHOOK, "chatIds": [CHAT]}}),
    ],
    "Mutation.deleteWebhook": [
        Example({"input": {"webhookId": Thing.WEBHOOK}}),
        Example({"input": {"webhookId": Thing.WEBHOOK, "chatId": CHAT}}),
    ],
    "Mutation.rotateWebhookSecret": _input(webhookId=Thing.WEBHOOK),
    "Mutation.sendTestEvent": _input(webhookId=Thing.WEBHOOK),
    "Mutation.createIncomingWebhook": _input(chatId=CHAT, name="Walk"),
    "Mutation.revokeIncomingWebhook": _input(webhookId=Thing.INCOMING_WEBHOOK),
    "Mutation.reportUser": _input(userId=USER, reason="SPAM"),
    "Mutation.reportMessage": _input(messageId=MESSAGE, reason="SPAM"),
    "Mutation.reportChat": _input(chatId=CHAT, reason="SPAM"),
    "Mutation.createChat": _input(kind="GROUP", title="Walk", memberIds=[USER]),
    "Mutation.updateChat": _input(chatId=CHAT, title="Walked"),
    "Mutation.addMembers": _input(chatId=CHAT, userIds=[USER]),
    "Mutation.removeMember": _input(chatId=CHAT, userId=USER),
    "Mutation.leaveChat": _input(chatId=CHAT),
    "Mutation.changeMemberRole": _input(chatId=CHAT, userId=USER, role="ADMIN"),
    "Mutation.transferOwnership": _input(chatId=CHAT, userId=USER),
    "Mutation.updateViewerMembership": _input(chatId=CHAT, archived=True),
    "Mutation.orderPinnedChats": _input(chatIds=[CHAT]),
    "Mutation.createFolder": _input(name="Walk", chatIds=[CHAT]),
    "Mutation.updateFolder": _input(folderId=FOLDER, name="Walked", chatIds=[CHAT]),
    "Mutation.deleteFolder": _input(folderId=FOLDER),
    "Mutation.orderFolders": _input(folderIds=[FOLDER]),
    "Viewer.chats": [
        Example(
            {"folderId": FOLDER},
            # Nobody's `viewer` is null, which tells nothing; `nodes` says that they are nobody.
            "query Walk($folderId: ID!) { nodes(ids: []) { id } "
            "viewer { chats(filter: { folderId: $folderId }) { nodes { id } } } }",
        )
    ],
    "Mutation.sendMessage": [
        *_input(
            chatId=CHAT, text="Walk", clientMessageId=FRESH, replyToId=MESSAGE, threadId=THREAD
        ),
        *_input(toUserId=USER, text="Walk", clientMessageId=FRESH),
    ],
    "Mutation.editMessage": _input(messageId=MESSAGE, text="Walked"),
    "Mutation.deleteMessage": _input(messageId=MESSAGE),
    "Mutation.forwardMessages": [
        Example({"input": {"messageIds": [MESSAGE], "toChatId": CHAT, "clientMessageIds": [FRESH]}})
    ],
    "Mutation.pinMessage": _input(messageId=MESSAGE),
    "Mutation.unpinMessage": _input(messageId=MESSAGE),
    "Mutation.hideMessage": _input(messageId=MESSAGE),
    "Mutation.clearHistory": _input(chatId=CHAT),
    "Mutation.addReaction": _input(messageId=MESSAGE, emoji="👍"),
    "Mutation.removeReaction": _input(messageId=MESSAGE, emoji="👍"),
    "Mutation.votePoll": _input(messageId=MESSAGE, options=[0]),
    "Mutation.closePoll": _input(messageId=MESSAGE),
    "Query.thread": [Example({"id": MESSAGE}), Example({"id": THREAD})],
    "Mutation.followThread": _input(threadId=THREAD),
    "Mutation.unfollowThread": _input(threadId=THREAD),
    "Mutation.markThreadRead": _input(threadId=THREAD, number=1),
    "Subscription.threadEvents": _of(threadId=THREAD),
    "Mutation.scheduleMessage": [
        *_input(
            chatId=CHAT,
            text="Walk",
            clientMessageId=FRESH,
            replyToId=MESSAGE,
            threadId=THREAD,
            sendAt=FAR_AHEAD,
        ),
        *_input(toUserId=USER, text="Walk", clientMessageId=FRESH, sendAt=FAR_AHEAD),
    ],
    "Mutation.updateScheduledMessage": _input(scheduledMessageId=SCHEDULED, text="Walked"),
    "Mutation.cancelScheduledMessage": _input(scheduledMessageId=SCHEDULED),
    "Mutation.sendScheduledMessageNow": _input(scheduledMessageId=SCHEDULED),
    "Mutation.saveDraft": _input(chatId=CHAT, threadId=THREAD, text="Walk", replyToId=MESSAGE),
    "Mutation.markRead": _input(chatId=CHAT, seq=1),
    "Mutation.markDelivered": _input(chatId=CHAT, seq=1),
    "Mutation.setTyping": _input(chatId=CHAT, typing=True),
    "Mutation.setPresence": _input(state="ONLINE"),
    "Subscription.events": _of(chatIds=[CHAT]),
    "Subscription.typing": _of(chatId=CHAT),
    "Subscription.presence": _of(userIds=[USER]),
}
