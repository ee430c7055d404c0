"""Groups that bots have started or are in: people go on having them."""

from tests.parts.roles import bot

ROLES = "query($id: ID!) { chat(id: $id) { members { nodes { role user { handle } } } } }"


async def roles(person, chat_id):
    nodes = (await person.ask(ROLES, id=chat_id))["chat"]["members"]["nodes"]
    return {node["user"]["handle"]: node["role"] for node in nodes}


async def test_a_deleted_bot_hands_its_groups_to_somebody_who_is_there(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    beep = await bot(server, ana, "beep")
    chat_id = await beep.group("Alerts", bob)
    await ana.done("deleteBot", "", botId=beep.user_id)
    assert await roles(bob, chat_id) == {"bob": "OWNER"}


async def test_a_group_is_never_handed_to_a_bot(server):
    ana, bob, eve = [await server.registered(name) for name in ("ana", "bob", "eve")]
    beep = await bot(server, eve, "beep")
    chat_id = await ana.group("Friends", beep)
    await ana.done("addMembers", "", chatId=chat_id, userIds=[bob.user_id])
    await ana.done("leaveChat", "", chatId=chat_id)
    assert await roles(bob, chat_id) == {"beep": "MEMBER", "bob": "OWNER"}
    await bob.done("leaveChat", "", chatId=chat_id)
    assert await roles(beep, chat_id) == {"beep": "MEMBER"}
