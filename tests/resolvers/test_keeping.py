"""How people keep their chats: muted, in the archive, pinned; for themselves, on all devices."""

import asyncio

import pytest

from models import members as stored
from resolvers import keeping
from resolvers.services import utc_now
from tests.parts.people import until_subscribed

KEPT = "chat { viewerMembership { muted mutedUntil archived pinned } }"
LIST = """query($filter: ChatFilter, $first: Int, $after: String) { viewer {
  chats(filter: $filter, first: $first, after: $after) {
    nodes { title } pageInfo { endCursor hasNextPage }
  }
} }"""
EVENTS = """subscription { events { __typename chat { title }
  ... on ViewerMembershipChanged { chat { viewerMembership { archived muted pinned } } }
  ... on FoldersChanged { folders { name chatIds } }
} }"""
SOON, LATER = "2999-01-01T00:00:00Z", "2999-01-01T00:00:00+00:00"


async def keep(person, chat_id, **changes):
    payload = await person.done("updateViewerMembership", KEPT, chatId=chat_id, **changes)
    return payload["chat"]["viewerMembership"]


async def listed(person, **filter_):
    data = await person.ask(LIST, filter=filter_)
    return [chat["title"] for chat in data["viewer"]["chats"]["nodes"]]


@pytest.fixture
async def three(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chats = {title: await ana.group(title, ben) for title in ("One", "Two", "Three")}
    return ana, ben, chats


async def test_a_chat_is_muted_for_good_or_until_a_moment_and_no_more(three):
    ana, ben, chats = three
    assert await keep(ana, chats["One"], muted=True) == {
        "muted": True,
        "mutedUntil": None,
        "archived": False,
        "pinned": False,
    }
    until = await keep(ana, chats["Two"], mutedUntil=SOON)
    assert (until["muted"], until["mutedUntil"]) == (True, LATER)
    assert await listed(ana, muted=True) == ["Two", "One"]
    assert await listed(ana, muted=False) == ["Three"]
    assert await listed(ben, muted=True) == []
    for change in ({"muted": False}, {"mutedUntil": None}):
        await keep(ana, chats["One"], muted=True)
        assert (await keep(ana, chats["One"], **change))["muted"] is False


async def test_what_is_muted_for_a_while_is_not_muted_after_it(three, monkeypatch):
    ana, _, chats = three
    await keep(ana, chats["One"], mutedUntil=SOON)
    later = utc_now().replace(year=3000)
    monkeypatch.setattr("schema.members.utc_now", lambda: later)
    monkeypatch.setattr("resolvers.chat_lists.utc_now", lambda: later)
    chat = await ana.ask(
        "query($id: ID!) { chat(id: $id) { viewerMembership { muted mutedUntil } } }",
        id=chats["One"],
    )
    assert chat["chat"]["viewerMembership"] == {"muted": False, "mutedUntil": None}
    assert await listed(ana, muted=True) == []


@pytest.mark.parametrize(
    "change",
    [
        {"mutedUntil": "2001-01-01T00:00:00Z"},
        {"mutedUntil": "2999-01-01T00:00:00"},
        {"mutedUntil": SOON, "muted": True},
    ],
)
async def test_a_moment_that_is_none_is_refused(three, change):
    ana, _, chats = three
    code = await ana.refused("updateViewerMembership", KEPT, chatId=chats["One"], **change)
    assert code == "INVALID_INPUT"
    assert await listed(ana, muted=True) == []


async def test_the_next_message_takes_a_chat_out_of_the_archive(three):
    ana, ben, chats = three
    await ben.send(chats["One"], "before")
    assert (await keep(ana, chats["One"], archived=True))["archived"] is True
    assert await listed(ana, archived=True) == ["One"]
    assert await listed(ana, archived=False) == ["Three", "Two"]
    await ben.send(chats["One"], "Are you there?")
    assert await listed(ana, archived=True) == []
    assert (await listed(ana, archived=False))[0] == "One"


async def test_a_muted_chat_stays_in_the_archive_until_it_is_muted_no_more(three):
    ana, ben, chats = three
    await keep(ana, chats["One"], archived=True, muted=True)
    await ben.send(chats["One"], "Are you there?")
    assert await listed(ana, archived=True) == ["One"]
    assert (await keep(ana, chats["One"], muted=False))["archived"] is False
    assert (await keep(ana, chats["One"], archived=True))["archived"] is True
    assert (await keep(ana, chats["One"], archived=False))["archived"] is False


async def test_pins_have_an_order_and_a_limit(three, monkeypatch):
    ana, _, chats = three
    monkeypatch.setattr(keeping, "MAX_PINNED", 2)
    await keep(ana, chats["One"], pinned=True)
    await keep(ana, chats["Three"], pinned=True)
    await keep(ana, chats["One"], pinned=True)
    assert await listed(ana, pinned=True) == ["One", "Three"]
    assert await listed(ana, pinned=False) == ["Two"]
    given = {"chatId": chats["Two"], "pinned": True}
    assert await ana.refused("updateViewerMembership", "", **given) == "CONFLICT"
    order = [chats["Three"], chats["One"]]
    payload = await ana.done("orderPinnedChats", "chats { title }", chatIds=order)
    assert [chat["title"] for chat in payload["chats"]] == ["Three", "One"]
    assert await listed(ana, pinned=True) == ["Three", "One"]
    await keep(ana, chats["Three"], pinned=False)
    await keep(ana, chats["Two"], pinned=True)
    assert await listed(ana, pinned=True) == ["One", "Two"]


async def test_an_order_names_each_pinned_chat_once(three):
    ana, _, chats = three
    await keep(ana, chats["One"], pinned=True)
    await keep(ana, chats["Two"], pinned=True)
    one, two, three_ = chats["One"], chats["Two"], chats["Three"]
    for order in ([], [one], [one, one], [one, two, two], [one, three_], [one, two, three_]):
        assert await ana.refused("orderPinnedChats", "", chatIds=order) == "INVALID_INPUT"
    assert await listed(ana, pinned=True) == ["One", "Two"]


async def test_devices_that_pin_at_once_pin_no_more_than_may_be(three, monkeypatch):
    ana, _, chats = three
    monkeypatch.setattr(keeping, "MAX_PINNED", 2)
    payloads = await asyncio.gather(
        *(
            ana.do("updateViewerMembership", KEPT, chatId=chat_id, pinned=True)
            for chat_id in chats.values()
        )
    )
    assert sorted(len(payload["errors"]) for payload in payloads) == [0, 0, 1]
    assert len(await listed(ana, pinned=True)) == 2


async def test_pages_of_pins_go_on_where_the_last_one_ended(three):
    ana, _, chats = three
    for title in ("Two", "One", "Three"):
        await keep(ana, chats[title], pinned=True)
    seen, after = [], None
    for _ in range(3):
        data = await ana.ask(LIST, filter={"pinned": True}, first=1, after=after)
        page = data["viewer"]["chats"]
        seen += [chat["title"] for chat in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == ["Two", "One", "Three"]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_ones_other_devices_hear_how_a_chat_is_kept_and_nobody_else_does(three):
    ana, ben, chats = three
    async with ana.socket() as own, ben.socket() as others:
        for socket in (own, others):
            await socket.subscribe("events", EVENTS)
        await until_subscribed(ana.url, 2)
        await keep(ana, chats["One"], archived=True)
        await keep(ana, chats["One"], archived=True)  # no news
        folder = {"name": "Work", "chatIds": [chats["Two"]]}
        await ana.done("createFolder", "folder { id }", **folder)
        await ana.send(chats["Three"], "done")
        told = [await own.next() for _ in range(3)]
        assert (await others.next())["__typename"] == "MessageSent"
    assert told[0]["__typename"] == "ViewerMembershipChanged"
    membership = {"archived": True, "muted": False, "pinned": False}
    assert told[0]["chat"] == {"title": "One", "viewerMembership": membership}
    assert told[1]["folders"] == [folder]
    assert told[2]["__typename"] == "MessageSent"


async def test_how_one_kept_a_chat_ends_with_the_stay(three):
    ana, ben, chats = three
    chat_id = chats["One"]
    await keep(ben, chat_id, archived=True, pinned=True, muted=True)
    await ben.done("leaveChat", "", chatId=chat_id)
    assert await ben.refused("updateViewerMembership", "", chatId=chat_id, pinned=True) == (
        "NOT_FOUND"
    )
    assert await listed(ben, pinned=True) == []
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    assert await listed(ben, pinned=True) == await listed(ben, archived=True) == []


async def test_the_membership_of_others_tells_nothing_of_how_they_keep_it(three):
    ana, ben, chats = three
    await keep(ben, chats["One"], archived=True, pinned=True, muted=True)
    data = await ana.ask(
        "query($id: ID!) { chat(id: $id) { members { nodes { muted mutedUntil archived pinned } } "
        "} }",
        id=chats["One"],
    )
    assert {value for each in data["chat"]["members"]["nodes"] for value in each.values()} == {None}


async def test_only_what_is_not_read_is_unread(three):
    ana, ben, chats = three
    assert await listed(ana, unread=True) == []
    await ben.send(chats["Two"], "news")
    assert await listed(ana, unread=True) == ["Two"]
    assert await listed(ana, unread=True, muted=True) == []
    await ana.done("markRead", "chat { id }", chatId=chats["Two"], seq=1)
    assert await listed(ana, unread=True) == []
    assert sorted(await listed(ana, unread=False)) == ["One", "Three", "Two"]


def test_for_ever_is_a_moment_that_no_clock_comes_to():
    assert stored.FOR_EVER.year == 9999
