"""Who is shut out on one node is shut out on every other, bots and guests like people.

Each node has a bus of its own here and does not look by itself, so it is the log that carries it.
"""

import pytest

from realtime.session_watch import SessionWatch
from tests.parts.people import Person
from tests.parts.roles import administrator, bot, bot_token, code, guest, guest_link
from tests.parts.running import running

VIEWER = "{ viewer { user { handle } } }"


@pytest.fixture
async def nodes(migrated_database_url, monkeypatch):
    async def looks_at_nothing(_):
        """What would find ended sessions some seconds later."""

    monkeypatch.setattr(SessionWatch, "check", looks_at_nothing)
    async with running(migrated_database_url) as first, running(migrated_database_url) as second:
        yield first, second


def elsewhere(server, person):
    """Return the same account's client at another node."""
    there = server.person()
    there.token, there.user_id, there.handle = person.token, person.user_id, person.handle
    return there


async def assert_shut_out(person: Person, socket):
    assert (await socket.closed())[0] == 4403
    assert await code(person, VIEWER) == "UNAUTHENTICATED"


@pytest.mark.parametrize("how", ["token revoked", "bot deleted", "owner suspended"])
async def test_a_bots_sockets_close_on_every_node(nodes, how):
    here, there = nodes
    root, ana = await administrator(here), await here.registered("ana")
    beep = await bot(here, ana, "beep")
    token_id, beep.token = await bot_token(ana, beep.user_id)
    far = elsewhere(there, beep)
    await far.ask(VIEWER)  # looked at just now, and remembered
    async with far.listening() as socket:
        if how == "token revoked":
            await ana.done("revokeBotToken", "", tokenId=token_id)
        elif how == "bot deleted":
            await ana.done("deleteBot", "", botId=beep.user_id)
        else:
            await root.done("adminSuspendUser", "", userId=ana.user_id, reason="spam")
        await assert_shut_out(far, socket)


@pytest.mark.parametrize("how", ["link revoked", "removed", "suspended"])
async def test_a_guests_sockets_close_on_every_node(nodes, how):
    here, there = nodes
    root, ana = await administrator(here), await here.registered("ana")
    chat_id = await ana.group("Picnic")
    link, token = await guest_link(ana, chat_id)
    far = elsewhere(there, await guest(here, token))
    await far.ask(VIEWER)
    async with far.listening() as socket:
        if how == "link revoked":
            await ana.done("revokeGuestLink", "", linkId=link)
        elif how == "removed":
            await ana.done("removeMember", "", chatId=chat_id, userId=far.user_id)
        else:
            await root.done("adminSuspendUser", "", userId=far.user_id, reason="noise")
        await assert_shut_out(far, socket)


async def test_a_former_administrator_is_none_on_any_node(nodes):
    here, there = nodes
    root, other = await administrator(here), await administrator(here, "other")
    far = elsewhere(there, other)
    await far.ask("{ admin { openSockets } }")
    async with far.listening() as socket:
        await root.done("adminRevokeAdministrator", "", userId=other.user_id)
        await assert_shut_out(far, socket)
