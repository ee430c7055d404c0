"""Chats and who is in them: starting, adding, removing, leaving, and doors that stay closed."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from resolvers.chats import MAX_ADDED_AT_ONCE
from schema.ids import Kind, encode
from tests.parts.roles import bot, guest, guest_link

CHAT = "chat { id kind title description memberCount members { nodes { role user { handle } } } }"


async def test_a_group_has_its_founder_as_owner_and_the_others_as_members(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    payload = await ana.done(
        "createChat",
        CHAT,
        kind="GROUP",
        title="  Team ",
        description="What we do",
        memberIds=[ben.user_id, ben.user_id, ana.user_id],
    )
    chat = payload["chat"]
    assert (chat["title"], chat["description"], chat["memberCount"]) == ("Team", "What we do", 2)
    assert chat["members"]["nodes"] == [
        {"role": "OWNER", "user": {"handle": "ana"}},
        {"role": "MEMBER", "user": {"handle": "ben"}},
    ]


async def test_two_people_have_one_direct_chat_whoever_starts_it(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    started = await asyncio.gather(
        *(
            one.done("createChat", CHAT, kind="DIRECT", memberIds=[other.user_id])
            for one, other in [(ana, ben), (ben, ana)] * 3
        )
    )
    assert len({payload["chat"]["id"] for payload in started}) == 1
    assert started[0]["chat"]["memberCount"] == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": None}, "INVALID_INPUT"),
        ({"title": ""}, "INVALID_INPUT"),
        ({"title": "x" * 129}, "TOO_LONG"),
        ({"title": "two\nlines"}, "INVALID_INPUT"),
        ({"description": "x" * 1025}, "TOO_LONG"),
        ({"memberIds": ["garbage"]}, "INVALID_ID"),
        ({"memberIds": [""]}, "INVALID_ID"),
        ({"memberIds": ["dQAAAAAAAAAAAAAAAAAAAAA"]}, "NOT_FOUND"),
        ({"kind": "DIRECT"}, "INVALID_INPUT"),
        ({"kind": "DIRECT", "title": None}, "INVALID_INPUT"),
    ],
)
async def test_a_chat_that_cannot_be_is_refused_and_nothing_is_stored(sqlite_server, change, code):
    ana = await sqlite_server.registered("ana")
    given = {"kind": "GROUP", "title": "Team", "memberIds": [], **change}
    assert await ana.refused("createChat", "chat { id }", **given) == code
    assert await ana.ask("{ viewer { chats { nodes { id } } } }") == {
        "viewer": {"chats": {"nodes": []}}
    }


async def test_too_many_people_at_once_are_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    strangers = [encode(Kind.USER, uuid4()) for _ in range(MAX_ADDED_AT_ONCE + 1)]
    code = await ana.refused(
        "createChat", "chat { id }", kind="GROUP", title="T", memberIds=strangers
    )
    assert code == "INVALID_INPUT"


async def test_adding_somebody_who_is_there_already_changes_nothing(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    payload = await ana.done(
        "addMembers",
        "chat { memberCount } memberships { role user { handle } }",
        chatId=chat_id,
        userIds=[ben.user_id, cyd.user_id, cyd.user_id],
    )
    assert payload["chat"]["memberCount"] == 3
    assert [each["user"]["handle"] for each in payload["memberships"]] == ["ben", "cyd"]


async def test_members_may_neither_add_nor_remove_people(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    who = {"chatId": chat_id, "userIds": [cyd.user_id]}
    assert await ben.refused("addMembers", "chat { id }", **who) == "FORBIDDEN"
    whom = {"chatId": chat_id, "userId": ana.user_id}
    assert await ben.refused("removeMember", "chat { id }", **whom) == "FORBIDDEN"


async def test_nobody_is_added_to_or_leaves_a_direct_chat(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    chat_id = payload["chat"]["id"]
    who = {"chatId": chat_id, "userIds": [cyd.user_id]}
    assert await ana.refused("addMembers", "chat { id }", **who) == "FORBIDDEN"
    assert await ana.refused("leaveChat", "", chatId=chat_id) == "FORBIDDEN"


async def test_an_owner_who_leaves_hands_the_group_to_who_was_there_longest(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben, cyd)
    async with ben.listening() as socket:
        await ana.done("leaveChat", "", chatId=chat_id)
        changed, left = await socket.next(), await socket.next()
    assert changed["__typename"] == "MemberRoleChanged"
    assert changed["membership"] == {"role": "OWNER", "user": {"handle": "ben"}}
    assert (left["__typename"], left["membership"]["user"]["handle"]) == ("MemberLeft", "ana")
    await ben.done("removeMember", "chat { id }", chatId=chat_id, userId=cyd.user_id)


async def roles_in(person, chat_id):
    query = "query($id: ID!) { chat(id: $id) { members { nodes { role user { handle } } } } }"
    nodes = (await person.ask(query, id=chat_id))["chat"]["members"]["nodes"]
    return {node["user"]["handle"]: node["role"] for node in nodes}


async def test_bots_and_guests_inherit_no_group_however_long_they_were_there(server):
    ana, cyd = await server.registered("ana"), await server.registered("cyd")
    chat_id = await ana.group("Team")
    helper = await bot(server, ana, "helper")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[helper.user_id])
    visitor = await guest(server, (await guest_link(ana, chat_id))[1])
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[cyd.user_id])
    await ana.done("leaveChat", "", chatId=chat_id)
    assert await roles_in(cyd, chat_id) == {
        "helper": "MEMBER",
        visitor.handle: "GUEST",
        "cyd": "OWNER",
    }
    await cyd.done("leaveChat", "", chatId=chat_id)
    assert await roles_in(helper, chat_id) == {"helper": "MEMBER", visitor.handle: "GUEST"}


async def test_the_owner_cannot_be_removed_nor_oneself(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    oneself = {"chatId": chat_id, "userId": ana.user_id}
    assert await ana.refused("removeMember", "chat { id }", **oneself) == "INVALID_INPUT"


async def test_the_last_one_may_leave(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Alone")
    await ana.done("leaveChat", "", chatId=chat_id)
    assert await ana.ask("query($id: ID!) { chat(id: $id) { id } }", id=chat_id) == {"chat": None}


OUTSIDER_ACTS: list[tuple[str, dict[str, Any]]] = [
    ("sendMessage", {"text": "hi", "clientMessageId": "6d9f3f6e-9df5-4bc5-8d4f-6cb9ecf1d2a1"}),
    ("addMembers", {"userIds": []}),
    ("removeMember", {"userId": "dQAAAAAAAAAAAAAAAAAAAAA"}),
    ("leaveChat", {}),
    ("updateChat", {"title": "Mine"}),
    ("markRead", {"seq": 1}),
    ("markDelivered", {"seq": 1}),
    ("setTyping", {}),
]


@pytest.mark.parametrize("who", ["outsider", "ex-member"])
async def test_a_chat_that_one_is_not_in_looks_as_if_it_did_not_exist(server, who):
    ana, eve = await server.registered("ana"), await server.registered("eve")
    chat_id = await ana.group("Private", *([eve] if who == "ex-member" else []))
    message = await ana.send(chat_id, "for us alone")
    if who == "ex-member":
        await eve.done("leaveChat", "", chatId=chat_id)
    absent_id = "YwAAAAAAAAAAAAAAAAAAAAA"
    for act, input_ in OUTSIDER_ACTS:
        given = {"userIds": [eve.user_id]} if act == "addMembers" else input_
        answers = [await eve.do(act, "", **given, chatId=chat) for chat in (chat_id, absent_id)]
        assert answers[0] == answers[1], act
        assert answers[0]["errors"][0]["code"] == "NOT_FOUND", act
    for act, given in [("editMessage", {"text": "x"}), ("deleteMessage", {})]:
        code = await eve.refused(act, "", messageId=message["id"], **given)
        assert code == "NOT_FOUND", act
    data = await eve.ask(
        "query($c: ID!, $m: ID!) { chat(id: $c) { id } a: node(id: $c) { id } "
        "b: node(id: $m) { id } nodes(ids: [$c, $m]) { id } }",
        c=chat_id,
        m=message["id"],
    )
    assert data == {"chat": None, "a": None, "b": None, "nodes": [None, None]}
