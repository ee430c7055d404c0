"""Who is there while the schema is walked: people with a secret, and somebody who wants it."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field

from models import exports, passkeys
from models.base import new_key
from models.bots import BotScope
from models.passkeys import Passkey
from resolvers.services import utc_now
from schema.ids import (
    Kind,
    decode,
    decode_message,
    encode,
    encode_message,
    encode_thread,
)
from tests.parts.people import Person
from tests.parts.roles import administrator, guest_link, join_link, join_request
from tests.parts.running import Running
from tests.security.examples import FAR_AHEAD, Thing

Ids = dict[Thing, str]

SCOPES = [scope.name for scope in BotScope]
KEPT = """{ admin {
  invitations { id } reports(first: 1) { nodes { id } } auditLog(first: 1) { nodes { id } }
} }"""
MEMBERSHIP_OF_VIEWER = "query($id: ID!) { chat(id: $id) { viewerMembership { id } } }"


@dataclass
class Asking:
    """Somebody who asks: what they own, what they must not reach, and what does not exist."""

    person: Person
    own: Ids
    hidden: Ids
    nothing: Ids


@dataclass
class Stage:
    """Ana and Ben, and what is theirs alone; Ana is signed in on a second device as well."""

    server: Running
    ana: Person
    second: Person
    ben: Person
    root: Person
    secret: Ids
    kept: Ids
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def set_up(cls, server: Running) -> Stage:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        # Before she has a passkey, without which she could not.
        second = server.person()
        await second.log_in("ana")
        root = await administrator(server)
        kept = await _kept(root, ana, ben)
        secret = kept | await belongings(server, ana, ben)
        return cls(server, ana, second, ben, root, secret, kept)

    async def stranger(self) -> Asking:
        """Return somebody who is signed in, has a chat of their own, and is in none of Ana's."""
        person = await self.server.registered(f"mallory{next(self._numbers)}")
        own = self.kept | await belongings(self.server, person, self.ben)
        return Asking(person, own, self.secret, nothing())

    def nobody(self) -> Asking:
        """Return somebody who is not signed in."""
        return Asking(self.server.person(), self.secret, self.secret, nothing())


async def belongings(server: Running, owner: Person, friend: Person) -> Ids:
    """Return the ids of what is the owner's, one of each kind, the chat shared with a friend."""
    chat_id = await owner.group("Belongings", friend)
    message = await owner.send(chat_id, "A secret")
    place = await owner.ask(MEMBERSHIP_OF_VIEWER, id=chat_id)
    session = await owner.ask("{ viewer { session { id } } }")
    link_id, _ = await guest_link(owner, chat_id)
    folder = await owner.done("createFolder", "folder { id }", name="Mine", chatIds=[chat_id])
    bot_id, token_id = await _bot(owner)
    join_link_id, token = await join_link(owner, chat_id, requiresApproval=True)
    _, elsewhere = await join_link(friend, await friend.group("Elsewhere"), requiresApproval=True)
    asking = await server.registered(f"asking{uuid.uuid4().hex[:16]}")
    return {
        Thing.USER: friend.user_id,
        Thing.CHAT: chat_id,
        Thing.MESSAGE: message["id"],
        Thing.THREAD: encode_thread(decode_message(message["id"])),
        Thing.MEMBERSHIP: place["chat"]["viewerMembership"]["id"],
        Thing.SESSION: session["viewer"]["session"]["id"],
        Thing.GUEST_LINK: link_id,
        Thing.FOLDER: folder["folder"]["id"],
        Thing.WEBHOOK: await _webhook(owner, chat_id),
        Thing.INCOMING_WEBHOOK: await _incoming_webhook(owner, chat_id),
        Thing.BOT: bot_id,
        Thing.SCHEDULED: await _scheduled(owner, chat_id),
        Thing.BOT_TOKEN: token_id,
        Thing.JOIN_LINK: join_link_id,
        Thing.JOIN_REQUEST: await join_request(asking, token),
        Thing.OWN_REQUEST: await join_request(owner, elsewhere),
        **await _rows(server, owner),
    }


async def _scheduled(owner: Person, chat_id: str) -> str:
    """Return the id of a message that the owner has written for later."""
    payload = await owner.done(
        "scheduleMessage",
        "scheduledMessage { id }",
        chatId=chat_id,
        text="A secret for later",
        clientMessageId=str(uuid.uuid4()),
        sendAt=FAR_AHEAD,
    )
    id_: str = payload["scheduledMessage"]["id"]
    return id_


async def _bot(owner: Person) -> tuple[str, str]:
    """Return the ids of a bot of the owner's, and of a token of it; nobody may have many."""
    bots = (await owner.ask("{ viewer { bots { user { id } tokens { id } } } }"))["viewer"]["bots"]
    if bots:
        bot_id = bots[0]["user"]["id"]
        tokens = [token["id"] for token in bots[0]["tokens"]]
    else:
        handle = f"b{uuid.uuid4().hex[:20]}"
        payload = await owner.done(
            "createBot", "bot { user { id } }", handle=handle, displayName="B", scopes=SCOPES
        )
        bot_id, tokens = payload["bot"]["user"]["id"], []
    if not tokens:
        payload = await owner.done(
            "createBotToken", "botToken { id }", botId=bot_id, name="t", scopes=SCOPES
        )
        tokens = [payload["botToken"]["id"]]
    return bot_id, tokens[0]


async def _webhook(owner: Person, chat_id: str) -> str:
    payload = await owner.done(
        "createWebhook",
        "webhook { id }",
        name="W",
        url="https://example.org/",
        events=["MESSAGE_SENT"],
        chatIds=[chat_id],
    )
    return str(payload["webhook"]["id"])


async def _incoming_webhook(owner: Person, chat_id: str) -> str:
    payload = await owner.done(
        "createIncomingWebhook", "incomingWebhook { id }", chatId=chat_id, name="I"
    )
    return str(payload["incomingWebhook"]["id"])


async def _rows(server: Running, owner: Person) -> Ids:
    """Store what takes an authenticator or a worker to come about; return the ids."""
    user_id, now = decode(Kind.USER, owner.user_id), utc_now()
    passkey = Passkey(
        id=new_key(),
        user_id=user_id,
        credential_id=uuid.uuid4().bytes,
        public_key=b"key",
        sign_count=0,
        transports=[],
        backed_up=False,
        name="Passkey",
        created_at=now,
        last_used_at=None,
    )
    export_id = new_key()
    values = {"user_id": user_id, "progress": 1.0, "requested_at": now, "attempts": 1}
    async with server.program.services.db.writing() as connection:
        await passkeys.add(connection, passkey)
        await connection.execute(
            exports.exports.insert().values(id=export_id, state="ready", **values)
        )
    return {
        Thing.PASSKEY: encode(Kind.PASSKEY, passkey.id),
        Thing.EXPORT: encode(Kind.EXPORT, export_id),
    }


async def _kept(root: Person, reporter: Person, subject: Person) -> Ids:
    """Return the ids of what only administrators see."""
    await root.done("adminCreateInvitation", "invitation { id }", uses=1)
    await reporter.done("reportUser", "", userId=subject.user_id, reason="SPAM")
    admin = (await root.ask(KEPT))["admin"]
    return {
        Thing.INVITATION: admin["invitations"][0]["id"],
        Thing.REPORT: admin["reports"]["nodes"][0]["id"],
        Thing.AUDIT_ENTRY: admin["auditLog"]["nodes"][0]["id"],
    }


def nothing() -> Ids:
    """Return well-formed ids of things that do not exist."""
    ids = {thing: encode(thing.kind, uuid.uuid4()) for thing in Thing}
    ids[Thing.MESSAGE] = encode_message((uuid.uuid4(), 1))
    ids[Thing.THREAD] = encode_thread((uuid.uuid4(), 1))
    return ids
