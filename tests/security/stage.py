"""Who is there while the schema is walked: people with a secret, and somebody who wants it."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from models.users import users
from schema.ids import Kind, decode, encode, encode_message
from tests.parts.authenticator import Authenticator
from tests.parts.factors import ORIGIN, register_passkey
from tests.parts.people import Person
from tests.parts.roles import bot_of, bot_token, guest_link
from tests.parts.running import Running
from tests.security.examples import NOWHERE, Thing

Ids = dict[Thing, str]

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
    secret: Ids
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def set_up(cls, server: Running) -> Stage:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        second = server.person()
        await second.log_in("ana")
        return cls(server, ana, second, ben, await belongings(ana, ben))

    async def stranger(self) -> Asking:
        """Return somebody who is signed in, has a chat of their own, and is in none of Ana's."""
        person = await self.server.registered(f"mallory{next(self._numbers)}")
        return Asking(person, await belongings(person, self.ben), self.secret, nothing())

    async def change(self, asking: Asking, **values: Any) -> None:
        """Change somebody's row, for what no client can do."""
        user_id = decode(Kind.USER, asking.person.user_id)
        async with self.server.program.services.db.writing() as connection:
            await connection.execute(sa.update(users).where(users.c.id == user_id).values(**values))

    def nobody(self) -> Asking:
        """Return somebody who is not signed in."""
        return Asking(self.server.person(), self.secret, self.secret, nothing())


async def belongings(owner: Person, friend: Person) -> Ids:
    """Return the ids of what is the owner's, one of each kind, the chat shared with a friend."""
    chat_id = await owner.group("Belongings", friend)
    message = await owner.send(chat_id, "A secret")
    place = await owner.ask(MEMBERSHIP_OF_VIEWER, id=chat_id)
    session = await owner.ask("{ viewer { session { id } } }")
    bot_id = await bot_of(owner, f"bot_{uuid.uuid4().hex[:12]}")
    token_id, _ = await bot_token(owner, bot_id)
    link_id, _ = await guest_link(owner, chat_id)
    passkey = await register_passkey(owner, Authenticator(ORIGIN))
    return {
        Thing.PASSKEY: passkey["passkey"]["id"],
        **{thing: each for thing, each in nothing().items() if thing in NOWHERE},
        Thing.BOT: bot_id,
        Thing.BOT_TOKEN: token_id,
        Thing.GUEST_LINK: link_id,
        Thing.USER: friend.user_id,
        Thing.CHAT: chat_id,
        Thing.MESSAGE: message["id"],
        Thing.MEMBERSHIP: place["chat"]["viewerMembership"]["id"],
        Thing.SESSION: session["viewer"]["session"]["id"],
    }


def nothing() -> Ids:
    """Return well-formed ids of things that do not exist."""
    ids = {thing: encode(thing.kind, uuid.uuid4()) for thing in Thing}
    ids[Thing.MESSAGE] = encode_message((uuid.uuid4(), 1))
    return ids
