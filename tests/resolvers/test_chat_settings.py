"""How chats are used: channels, history for newcomers, messages that go, and full chats."""

import asyncio
from typing import Any

import pytest

from models import chats as stored
from models import members as stays
from models.bans import MAX_REASON
from models.pins import MAX_PINS
from models.reports import MAX_REPORT
from resolvers import (
    bans,
    blocks,
    bots,
    comings,
    forwarding,
    guests,
    join_links,
    roles,
    webhooks,
    word_filters,
)
from resolvers.chat_details import MAX_MESSAGE_TTL, MAX_REACTION_SET, MAX_SLOW_MODE
from schema.ids import Kind, decode
from tests.parts.roles import guest, guest_link
from tests.parts.running import running

SETTINGS = "chat { historyVisibility messageTtl slowMode reactionSet }"
HISTORY = """query($id: ID!) { chat(id: $id) {
  viewerMembership { unreadCount } messages { nodes { seq kind text sender { handle }
    system { what text seconds count subject { handle } } } }
} }"""
PLAIN = {
    "historyVisibility": "SINCE_JOINING",
    "messageTtl": None,
    "slowMode": None,
    "reactionSet": None,
}


async def history(person, chat_id):
    return (await person.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]


async def told(person, chat_id):
    """What the history tells by itself, each without the facts that it has not."""
    return [
        {name: value for name, value in message["system"].items() if value is not None}
        for message in await history(person, chat_id)
        if message["system"]
    ]


async def update(person, chat_id, **changes):
    return (await person.done("updateChat", SETTINGS, chatId=chat_id, **changes))["chat"]


@pytest.fixture
async def group(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("Talk", ben)


async def channel(owner, *others, **more):
    payload = await owner.done(
        "createChat",
        "chat { id kind historyVisibility }",
        kind="CHANNEL",
        title="News",
        memberIds=[other.user_id for other in others],
        **more,
    )
    return payload["chat"]


async def test_a_channel_is_read_from_its_start_unless_its_founder_wants_it_otherwise(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    news = await channel(ana)
    assert (news["kind"], news["historyVisibility"]) == ("CHANNEL", "FROM_START")
    await ana.send(news["id"], "first")
    await ana.done("addMembers", "", chatId=news["id"], userIds=[ben.user_id])
    chat = (await ben.ask(HISTORY, id=news["id"]))["chat"]
    # Nobody is told of comings in a channel, and what was there before is read.
    assert [message["text"] for message in chat["messages"]["nodes"]] == ["first"]
    assert chat["viewerMembership"] == {"unreadCount": 0}
    later = await channel(ana, historyVisibility="SINCE_JOINING")
    await ana.send(later["id"], "first")
    await ana.done("addMembers", "", chatId=later["id"], userIds=[cyd.user_id])
    assert await history(cyd, later["id"]) == []


async def test_who_joins_reads_what_the_history_is_set_to_and_guests_from_then_on(server, group):
    ana, ben, chat_id = group
    await ana.send(chat_id, "before")
    cyd, dan = await server.registered("cyd"), await server.registered("dan")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    await update(ana, chat_id, historyVisibility="FROM_START")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    visitor = await guest(server, (await guest_link(ana, chat_id))[1])
    seen = {
        person.handle: (await history(person, chat_id))[0]["text"]
        for person in (ben, cyd, dan, visitor)
    }
    # Who is in it already has what they had.
    assert seen == {"ben": "before", "cyd": "", "dan": "before", visitor.handle: ""}


async def test_settings_change_and_are_taken_away_and_everybody_hears_of_it(group):
    ana, ben, chat_id = group
    async with ben.listening() as socket:
        wanted = {"messageTtl": 60, "slowMode": 5, "reactionSet": ["👍", "👍", "🎉"]}
        changed = await update(ana, chat_id, **wanted)
        assert changed == {**PLAIN, **wanted, "reactionSet": ["👍", "🎉"]}
        assert (await socket.next())["__typename"] == "ChatChanged"
        assert (await socket.next())["__typename"] == "MessageSent"
    assert await update(ana, chat_id) == changed
    assert (await update(ana, chat_id, reactionSet=[]))["reactionSet"] == []
    cleared = {"messageTtl": None, "slowMode": None, "reactionSet": None}
    assert await update(ana, chat_id, **cleared) == PLAIN
    assert await told(ben, chat_id) == [
        {"what": "MESSAGE_TTL_CHANGED", "seconds": 60},
        {"what": "MESSAGE_TTL_CHANGED"},
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messageTtl": 0}, "INVALID_INPUT"),
        ({"messageTtl": -60}, "INVALID_INPUT"),
        ({"messageTtl": MAX_MESSAGE_TTL + 1}, "INVALID_INPUT"),
        ({"slowMode": 0}, "INVALID_INPUT"),
        ({"slowMode": MAX_SLOW_MODE + 1}, "INVALID_INPUT"),
        ({"historyVisibility": None}, "INVALID_INPUT"),
        ({"reactionSet": ["two words"]}, "INVALID_INPUT"),
        ({"reactionSet": [""]}, "INVALID_INPUT"),
        ({"reactionSet": ["x" * 33]}, "TOO_LONG"),
        ({"reactionSet": [f"e{n}" for n in range(MAX_REACTION_SET + 1)]}, "INVALID_INPUT"),
    ],
)
async def test_a_setting_that_cannot_be_changes_nothing(group, changes, code):
    ana, _, chat_id = group
    given = {"chatId": chat_id, "slowMode": 7, **changes}
    assert await ana.refused("updateChat", SETTINGS, **given) == code
    assert await update(ana, chat_id) == PLAIN


async def test_members_set_nothing_and_both_people_of_a_direct_chat_how_long_messages_stay(group):
    ana, ben, chat_id = group
    changes: list[dict[str, Any]] = [
        {"messageTtl": 60},
        {"slowMode": 5},
        {"reactionSet": []},
        {"title": "Mine"},
        {},
    ]
    for change in changes:
        assert await ben.refused("updateChat", "", chatId=chat_id, **change) == "FORBIDDEN"
    made = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    direct = made["chat"]["id"]
    assert (await update(ana, direct, messageTtl=60))["messageTtl"] == 60
    assert (await update(ben, direct, messageTtl=None))["messageTtl"] is None
    refused: list[tuple[dict[str, Any], str]] = [
        ({"slowMode": 5}, "FORBIDDEN"),
        ({"title": "Us"}, "FORBIDDEN"),
        ({"reactionSet": []}, "INVALID_INPUT"),
        ({"historyVisibility": "FROM_START"}, "INVALID_INPUT"),
    ]
    for change, code in refused:
        assert await ben.refused("updateChat", "", chatId=direct, **change) == code
    assert [each["what"] for each in await told(ben, direct)] == ["MESSAGE_TTL_CHANGED"] * 2


async def test_a_group_tells_who_came_and_went_and_what_it_is_called(server, group):
    ana, ben, chat_id = group
    cyd, dan = await server.registered("cyd"), await server.registered("dan")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id, dan.user_id])
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])  # is there already
    await update(ana, chat_id, title="Walk")
    await ana.done("removeMember", "", chatId=chat_id, userId=dan.user_id)
    await cyd.done("leaveChat", "", chatId=chat_id)
    assert await told(ben, chat_id) == [
        {"what": "MEMBER_ADDED", "count": 2, "subject": {"handle": "cyd"}},
        {"what": "TITLE_CHANGED", "text": "Walk"},
        {"what": "MEMBER_REMOVED", "count": 1, "subject": {"handle": "dan"}},
        {"what": "MEMBER_LEFT", "count": 1, "subject": {"handle": "cyd"}},
    ]
    messages = await history(ben, chat_id)
    assert [message["sender"]["handle"] for message in messages] == ["ana", "ana", "ana", "cyd"]
    assert {(message["kind"], message["text"]) for message in messages} == {("SYSTEM", "")}
    assert [message["seq"] for message in messages] == [1, 2, 3, 4]


async def test_a_large_group_does_not_tell_who_came_and_went(group, server, monkeypatch):
    ana, ben, chat_id = group
    monkeypatch.setattr(comings, "TOLD_UP_TO", 1)
    cyd = await server.registered("cyd")
    async with ben.listening() as socket:
        await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
        await cyd.done("leaveChat", "", chatId=chat_id)
        heard = [(await socket.next())["__typename"] for _ in range(2)]
    assert heard == ["MemberJoined", "MemberLeft"]
    assert await told(ben, chat_id) == []


async def test_nobody_edits_or_deletes_what_a_chat_says_by_itself(group):
    ana, ben, chat_id = group
    await update(ana, chat_id, title="Walk")
    data = await ana.ask("query($id: ID!) { chat(id: $id) { lastMessage { id } } }", id=chat_id)
    given = {"messageId": data["chat"]["lastMessage"]["id"]}
    assert await ana.refused("editMessage", "", text="Mine", **given) == "FORBIDDEN"
    for person in (ana, ben):
        assert await person.refused("deleteMessage", "", **given) == "FORBIDDEN"
    assert await told(ben, chat_id) == [{"what": "TITLE_CHANGED", "text": "Walk"}]


@pytest.fixture
async def small(migrated_database_url):
    async with running(migrated_database_url, group_members=3, channel_members=2) as started:
        yield started


async def test_no_way_leads_into_a_full_chat_and_who_leaves_makes_room(small):
    ana, ben, cyd, dan = [await small.registered(name) for name in ("ana", "ben", "cyd", "dan")]
    everybody = [person.user_id for person in (ben, cyd, dan)]
    too_many = {"kind": "GROUP", "title": "All", "memberIds": everybody}
    assert await ana.refused("createChat", "", **too_many) == "CHAT_FULL"
    two = {"kind": "CHANNEL", "title": "All", "memberIds": everybody[:2]}
    assert await ana.refused("createChat", "", **two) == "CHAT_FULL"
    chat_id = await ana.group("Team", ben)
    both = {"chatId": chat_id, "userIds": everybody[1:]}
    assert await ana.refused("addMembers", "", **both) == "CHAT_FULL"
    token = (await guest_link(ana, chat_id))[1]
    await guest(small, token)
    late = small.person()
    code = await late.refused("joinAsGuest", "accessToken", token=token, displayName="Late")
    assert code == "CHAT_FULL"
    # Who is there takes no more room.
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    await ben.done("leaveChat", "", chatId=chat_id)
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    limits = await ana.ask("{ server { limits { groupMembers channelMembers } } }")
    assert limits["server"]["limits"] == {"groupMembers": 3, "channelMembers": 2}


async def test_of_many_who_come_at_once_no_more_get_in_than_there_is_room(small):
    ana, *others = [await small.registered(name) for name in ("ana", "ben", "cyd", "dan", "eve")]
    chat_id = await ana.group("Team")
    payloads = await asyncio.gather(
        *(ana.do("addMembers", "", chatId=chat_id, userIds=[other.user_id]) for other in others)
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["CHAT_FULL", "CHAT_FULL"]
    async with small.program.services.db.reading() as connection:
        key = decode(Kind.CHAT, chat_id)
        assert (await stored.by_ids(connection, [key]))[key].member_count == 3
        there = await stays.among(
            connection, key, [decode(Kind.USER, person.user_id) for person in (ana, *others)]
        )
    assert len(there) == 3


async def test_limits_of_moderation_can_be_asked_for(sqlite_server):
    ana = await sqlite_server.registered("ana")
    query = """{ server { limits {
      chatAdmins chatBans banReasonLength blocks wordFilters wordFilterPatterns reportTextLength
      joinLinks guestLinks pinnedMessages forwardedAtOnce bots chatWebhooks
    } } }"""
    assert (await ana.ask(query))["server"]["limits"] == {
        "chatAdmins": roles.MAX_ADMINS,
        "chatBans": bans.MAX_BANS,
        "banReasonLength": MAX_REASON,
        "blocks": blocks.MAX_BLOCKS,
        "wordFilters": word_filters.MAX_FILTERS,
        "wordFilterPatterns": word_filters.MAX_PATTERNS,
        "reportTextLength": MAX_REPORT,
        "joinLinks": join_links.MAX_LINKS,
        "guestLinks": guests.MAX_LINKS,
        "pinnedMessages": MAX_PINS,
        "forwardedAtOnce": forwarding.MAX_FORWARDED,
        "bots": bots.MAX_BOTS,
        "chatWebhooks": webhooks.MAX_OF_CHAT,
    }
