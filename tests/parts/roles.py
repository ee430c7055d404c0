"""Accounts that are not simply people: guests, bots, administrators."""

from __future__ import annotations

from typing import Any

from resolvers.accounts import create_administrator
from tests.parts.people import PASSWORD, SIGNED_IN, Person
from tests.parts.running import Running

EVERY_SCOPE = (
    "CHATS_READ",
    "CHATS_WRITE",
    "MESSAGES_READ",
    "MESSAGES_WRITE",
    "REACTIONS_WRITE",
    "MEMBERS_READ",
    "MEMBERS_WRITE",
    "PROFILE_WRITE",
)


async def administrator(server: Running, handle: str = "root") -> Person:
    """Return the client of an administrator, who has just logged in."""
    await create_administrator(
        server.program.services,
        handle=handle,
        password=PASSWORD,
        display_name=handle.title(),
        email=None,
    )
    person = server.person()
    await person.log_in(handle)
    return person


async def guest_link(owner: Person, chat_id: str, **more: Any) -> tuple[str, str]:
    """Return the id and the token of a new guest link."""
    payload = await owner.done("createGuestLink", "guestLink { id } token", chatId=chat_id, **more)
    return payload["guestLink"]["id"], payload["token"]


async def join_link(owner: Person, chat_id: str, **more: Any) -> tuple[str, str]:
    """Return the id and the token of a new link for people with an account."""
    payload = await owner.done("createJoinLink", "joinLink { id } token", chatId=chat_id, **more)
    return payload["joinLink"]["id"], payload["token"]


async def join_request(person: Person, token: str) -> str:
    """Ask to be let in by a link, and return the request's id."""
    payload = await person.done("joinChat", "joinRequest { id }", token=token)
    request_id: str = payload["joinRequest"]["id"]
    return request_id


async def guest(server: Running, token: str, name: str = "Gast") -> Person:
    """Return the client of a guest who came by a link."""
    person = server.person()
    person.take(await person.done("joinAsGuest", SIGNED_IN, token=token, displayName=name))
    return person


async def bot_of(owner: Person, handle: str, *scopes: str) -> str:
    """Return the id of a new bot."""
    payload = await owner.done(
        "createBot",
        "bot { user { id } }",
        handle=handle,
        displayName=handle.title(),
        scopes=list(scopes or EVERY_SCOPE),
    )
    bot_id: str = payload["bot"]["user"]["id"]
    return bot_id


async def bot_token(owner: Person, bot_id: str, *scopes: str, **more: Any) -> tuple[str, str]:
    """Return the id and the text of a new token."""
    payload = await owner.done(
        "createBotToken",
        "botToken { id } token",
        botId=bot_id,
        name="cellar",
        scopes=list(scopes or EVERY_SCOPE),
        **more,
    )
    return payload["botToken"]["id"], payload["token"]


async def bot(server: Running, owner: Person, handle: str, *scopes: str) -> Person:
    """Return the client of a new bot, signed in with a token of these scopes, or of all."""
    person = server.person()
    person.user_id = await bot_of(owner, handle)
    person.handle = handle
    _, person.token = await bot_token(owner, person.user_id, *scopes)
    return person


async def code(person: Person, query: str, **variables: Any) -> str:
    """Run an operation that fails for one reason and return its code."""
    answer = await person.run(query, **variables)
    (found,) = {error["extensions"]["code"] for error in answer["errors"]}
    return str(found)
