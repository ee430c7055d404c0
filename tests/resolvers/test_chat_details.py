"""A group's title and description change, for those who may, and everybody hears of it."""

import pytest

from resolvers.chat_details import MAX_DESCRIPTION, MAX_TITLE

DETAILS = "chat { title description }"


@pytest.fixture
async def group(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    return ana, ben, chat_id


async def update(person, chat_id, **changes):
    return (await person.done("updateChat", DETAILS, chatId=chat_id, **changes))["chat"]


async def test_what_is_absent_stays_and_null_takes_the_description_away(group):
    ana, _, chat_id = group
    changed = await update(ana, chat_id, description="What we do")
    assert changed == {"title": "Talk", "description": "What we do"}
    changed = await update(ana, chat_id, title="  Team ")
    assert changed == {"title": "Team", "description": "What we do"}
    changed = await update(ana, chat_id, description=None)
    assert changed == {"title": "Team", "description": None}
    assert await update(ana, chat_id) == changed


async def test_everybody_in_the_group_hears_of_a_change_and_of_nothing_that_is_none(group):
    ana, ben, chat_id = group
    async with ben.listening() as socket:
        await update(ana, chat_id, title="Team")
        await update(ana, chat_id, title="Team")
        await ana.send(chat_id, "as you see")
        event = await socket.next()
        assert (event["__typename"], event["chat"]["title"]) == ("ChatChanged", "Team")
        assert (await socket.next())["__typename"] == "MessageSent"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": None}, "INVALID_INPUT"),
        ({"title": " "}, "INVALID_INPUT"),
        ({"title": "two\nlines"}, "INVALID_INPUT"),
        ({"title": "x" * (MAX_TITLE + 1)}, "TOO_LONG"),
        ({"title": "fine", "description": "x" * (MAX_DESCRIPTION + 1)}, "TOO_LONG"),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(group, changes, code):
    ana, _, chat_id = group
    assert await ana.refused("updateChat", DETAILS, chatId=chat_id, **changes) == code
    assert await update(ana, chat_id) == {"title": "Talk", "description": None}


async def test_members_strangers_and_direct_chats_change_nothing(server, group):
    _, ben, chat_id = group
    eve = await server.registered("eve")
    assert await ben.refused("updateChat", DETAILS, chatId=chat_id, title="Mine") == "FORBIDDEN"
    assert await eve.refused("updateChat", DETAILS, chatId=chat_id, title="Mine") == "NOT_FOUND"
    payload = await ben.done("createChat", "chat { id }", kind="DIRECT", memberIds=[eve.user_id])
    direct_id = payload["chat"]["id"]
    assert await ben.refused("updateChat", DETAILS, chatId=direct_id, title="Us") == "FORBIDDEN"
