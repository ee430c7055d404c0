"""Who leads a chat: making admins, and handing over, also while the chat changes beneath it."""

import asyncio

import pytest

from resolvers import roles
from tests.parts.roles import administrator, bot, guest, guest_link, join_link
from tests.resolvers.test_bans import LOG

PLACES = """query($id: ID!) { chat(id: $id) {
  members { nodes { role permissions user { handle } } } viewerMembership { role permissions }
} }"""


async def places(person, chat_id):
    nodes = (await person.ask(PLACES, id=chat_id))["chat"]["members"]["nodes"]
    return {node["user"]["handle"]: node["role"] for node in nodes}


async def change(person, chat_id, whom, role):
    payload = await person.do(
        "changeMemberRole", "membership { role }", chatId=chat_id, userId=whom.user_id, role=role
    )
    return payload["errors"][0]["code"] if payload["errors"] else payload["membership"]["role"]


async def transfer(person, chat_id, whom):
    payload = await person.do(
        "transferOwnership",
        "memberships { role user { handle } }",
        chatId=chat_id,
        userId=whom.user_id,
    )
    return payload["errors"][0]["code"] if payload["errors"] else payload["memberships"]


@pytest.fixture
async def group(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    return ana, ben, cyd, await ana.group("Team", ben, cyd)


async def test_the_owner_makes_admins_and_members_of_them_again_and_everybody_hears_of_it(group):
    ana, ben, cyd, chat_id = group
    async with cyd.listening() as socket:
        assert await change(ana, chat_id, ben, "ADMIN") == "ADMIN"
        assert await change(ana, chat_id, ben, "ADMIN") == "ADMIN"
        assert await change(ana, chat_id, ben, "MEMBER") == "MEMBER"
        heard = [await socket.next(), await socket.next()]
    assert [event["membership"]["role"] for event in heard] == ["ADMIN", "MEMBER"]
    assert {event["__typename"] for event in heard} == {"MemberRoleChanged"}


async def test_an_admin_leads_members_and_neither_the_owner_nor_other_admins(group):
    ana, ben, cyd, chat_id = group
    await change(ana, chat_id, ben, "ADMIN")
    await change(ana, chat_id, cyd, "ADMIN")
    for whom in (ana, cyd):
        given = {"chatId": chat_id, "userId": whom.user_id}
        assert await ben.refused("removeMember", "", **given) == "FORBIDDEN"
        assert await change(ben, chat_id, whom, "MEMBER") == "FORBIDDEN"
    assert await transfer(ben, chat_id, cyd) == "FORBIDDEN"
    await change(ana, chat_id, cyd, "MEMBER")
    await ben.done("removeMember", "", chatId=chat_id, userId=cyd.user_id)
    assert await places(ana, chat_id) == {"ana": "OWNER", "ben": "ADMIN"}


async def test_a_client_is_told_what_its_person_may(group):
    ana, ben, cyd, chat_id = group
    await change(ana, chat_id, ben, "ADMIN")
    told = {}
    for person in (ana, ben, cyd):
        chat = (await person.ask(PLACES, id=chat_id))["chat"]
        told[person.handle] = set(chat["viewerMembership"]["permissions"])
    assert told["ana"] - told["ben"] == {"CHANGE_ROLES", "TRANSFER_OWNERSHIP"}
    assert told["cyd"] == {"WRITE", "LEAVE"}


@pytest.mark.parametrize("role", ["OWNER", "GUEST"])
async def test_nobody_is_made_an_owner_or_a_guest_by_a_change_of_role(group, role):
    ana, ben, _, chat_id = group
    assert await change(ana, chat_id, ben, role) == "INVALID_INPUT"


async def test_the_owner_stays_the_owner_and_who_is_not_there_is_not_found(server, group):
    ana, _, _, chat_id = group
    dan = await server.registered("dan")
    assert await change(ana, chat_id, ana, "MEMBER") == "FORBIDDEN"
    assert await change(ana, chat_id, dan, "ADMIN") == "NOT_FOUND"
    assert await change(dan, chat_id, ana, "MEMBER") == "NOT_FOUND"
    assert await transfer(ana, chat_id, dan) == "NOT_FOUND"
    assert await transfer(ana, chat_id, ana) == "INVALID_INPUT"


async def test_guests_lead_nothing_and_bots_own_nothing(server, group):
    ana, _, _, chat_id = group
    beep = await bot(server, ana, "beep")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    visitor = await guest(server, (await guest_link(ana, chat_id))[1])
    assert await change(ana, chat_id, visitor, "ADMIN") == "FORBIDDEN"
    assert await transfer(ana, chat_id, visitor) == "FORBIDDEN"
    assert await transfer(ana, chat_id, beep) == "FORBIDDEN"
    assert await change(ana, chat_id, beep, "ADMIN") == "ADMIN"


async def test_there_are_only_so_many_admins(group, monkeypatch):
    ana, ben, cyd, chat_id = group
    monkeypatch.setattr(roles, "MAX_ADMINS", 1)
    assert await change(ana, chat_id, ben, "ADMIN") == "ADMIN"
    assert await change(ana, chat_id, cyd, "ADMIN") == "CONFLICT"
    assert await transfer(ana, chat_id, cyd) == "CONFLICT"
    assert await places(ana, chat_id) == {"ana": "OWNER", "ben": "ADMIN", "cyd": "MEMBER"}
    # Who was one makes room.
    assert await transfer(ana, chat_id, ben) == [
        {"role": "OWNER", "user": {"handle": "ben"}},
        {"role": "ADMIN", "user": {"handle": "ana"}},
    ]


async def test_who_hands_a_chat_over_is_an_admin_of_it_and_may_not_take_it_back(group):
    ana, ben, cyd, chat_id = group
    async with cyd.listening() as socket:
        await transfer(ana, chat_id, ben)
        heard = [(await socket.next())["membership"] for _ in range(2)]
    assert heard == [
        {"user": {"handle": "ben"}, "role": "OWNER"},
        {"user": {"handle": "ana"}, "role": "ADMIN"},
    ]
    assert await transfer(ana, chat_id, ana) == "INVALID_INPUT"
    assert await change(ana, chat_id, ben, "MEMBER") == "FORBIDDEN"
    assert await change(ben, chat_id, ana, "MEMBER") == "MEMBER"


async def test_a_demoted_admin_does_nothing_more_whatever_they_had_begun(group):
    ana, ben, cyd, chat_id = group
    await change(ana, chat_id, ben, "ADMIN")
    removal, demotion = await asyncio.gather(
        ben.do("removeMember", "", chatId=chat_id, userId=cyd.user_id),
        change(ana, chat_id, ben, "MEMBER"),
    )
    assert demotion == "MEMBER"
    # Whichever came first in the chat: there is no third way.
    there = await places(ana, chat_id)
    if removal["errors"]:
        assert removal["errors"][0]["code"] == "FORBIDDEN"
        assert there == {"ana": "OWNER", "ben": "MEMBER", "cyd": "MEMBER"}
    else:
        assert there == {"ana": "OWNER", "ben": "MEMBER"}
    title = {"chatId": chat_id, "title": "Mine"}
    assert await ben.refused("updateChat", "", **title) == "FORBIDDEN"


async def test_a_change_of_role_and_a_removal_at_once_leave_one_story(group):
    ana, ben, cyd, chat_id = group
    async with cyd.listening() as socket:
        changed, removed = await asyncio.gather(
            change(ana, chat_id, ben, "ADMIN"),
            ana.do("removeMember", "", chatId=chat_id, userId=ben.user_id),
        )
        await ana.send(chat_id, "done")
        heard: list[str] = []
        while "done" not in heard:
            event = await socket.next()
            heard.append((event.get("message") or {}).get("text") or event["__typename"])
    assert removed["errors"] == []
    assert changed in ("ADMIN", "NOT_FOUND")
    told = ["MemberRoleChanged"] if changed == "ADMIN" else []
    assert heard[:-1] == [*told, "MemberLeft", "MessageSent"]
    assert await places(ana, chat_id) == {"ana": "OWNER", "cyd": "MEMBER"}


async def test_a_chat_handed_to_somebody_who_is_leaving_has_one_owner_who_is_in_it(group):
    ana, ben, cyd, chat_id = group
    handed, left = await asyncio.gather(
        transfer(ana, chat_id, ben), ben.do("leaveChat", "", chatId=chat_id)
    )
    assert left["errors"] == []
    there = await places(cyd, chat_id)
    assert "ben" not in there
    owners = [handle for handle, role in there.items() if role == "OWNER"]
    # They were gone, and ana still has it; or they had it, and their leaving gave it to her.
    assert owners == ["ana"], handed


async def test_two_who_hand_a_chat_over_at_once_leave_one_owner(group):
    ana, ben, cyd, chat_id = group
    answers = await asyncio.gather(transfer(ana, chat_id, ben), transfer(ana, chat_id, cyd))
    there = await places(ana, chat_id)
    assert sorted(there.values()) == ["ADMIN", "MEMBER", "OWNER"]
    assert answers.count("FORBIDDEN") == 1
    assert there["ana"] == "ADMIN"


async def test_who_got_which_role_and_who_got_the_chat_is_noted(group):
    ana, ben, _, chat_id = group
    await change(ana, chat_id, ben, "ADMIN")
    await change(ana, chat_id, ben, "ADMIN")  # changes nothing
    await transfer(ana, chat_id, ben)
    await ben.done("leaveChat", "", chatId=chat_id)
    entries = (await ana.ask(LOG, id=chat_id))["chat"]["auditLog"]["nodes"]
    assert [
        (entry["act"], entry["actor"]["handle"], entry["subject"]["handle"], entry["details"])
        for entry in entries
    ] == [
        ("OWNERSHIP_TRANSFERRED", "ben", "ana", []),
        ("OWNERSHIP_TRANSFERRED", "ana", "ben", []),
        ("ROLE_CHANGED", "ana", "ben", [{"name": "role", "value": "admin"}]),
    ]


async def test_a_demoted_admin_of_a_channel_writes_nothing_by_editing(sqlite_server):
    ana, bob = [await sqlite_server.registered(name) for name in ("ana", "bob")]
    payload = await ana.done(
        "createChat", "chat { id }", kind="CHANNEL", title="News", memberIds=[bob.user_id]
    )
    chat_id = payload["chat"]["id"]
    assert await change(ana, chat_id, bob, "ADMIN") == "ADMIN"
    message = await bob.send(chat_id, "News of the day")
    assert await change(ana, chat_id, bob, "MEMBER") == "MEMBER"
    code = await bob.refused("editMessage", "", messageId=message["id"], text="Buy my coins")
    assert code == "FORBIDDEN"


async def test_who_is_suspended_is_nobodys_heir(server):
    ana, bob, cleo = [await server.registered(name) for name in ("ana", "bob", "cleo")]
    root = await administrator(server)
    chat_id = await ana.group("Talk", bob, cleo)
    await change(ana, chat_id, bob, "ADMIN")
    await root.done("adminSuspendUser", "", userId=bob.user_id, reason="spam")
    await ana.done("leaveChat", "", chatId=chat_id)
    assert await places(cleo, chat_id) == {"bob": "ADMIN", "cleo": "OWNER"}


async def test_a_chat_whose_owner_left_bots_behind_is_not_without_an_owner_for_ever(server):
    ana, bob, cleo = [await server.registered(name) for name in ("ana", "bob", "cleo")]
    chat_id = await ana.group("Talk")
    robot = await bot(server, ana, "robot")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[robot.user_id])
    assert await change(ana, chat_id, robot, "ADMIN") == "ADMIN"
    _, by_link = await join_link(ana, chat_id)
    _, for_guests = await guest_link(ana, chat_id)
    await ana.done("leaveChat", "", chatId=chat_id)
    await guest(server, for_guests)  # a guest answers for no chat
    await bob.done("joinChat", "chat { id }", token=by_link)
    await cleo.done("joinChat", "chat { id }", token=by_link)
    shown = await places(bob, chat_id)
    assert [shown[name] for name in ("robot", "bob", "cleo")] == ["ADMIN", "OWNER", "MEMBER"]
    last = (await bob.ask(LOG, id=chat_id))["chat"]["auditLog"]["nodes"][0]
    assert last["act"] == "OWNERSHIP_TRANSFERRED"
    assert (last["actor"], last["subject"]) == ({"handle": "bob"}, {"handle": "bob"})


async def test_who_is_added_to_a_chat_without_an_owner_is_shown_as_what_they_are(server):
    ana, bob = [await server.registered(name) for name in ("ana", "bob")]
    chat_id = await ana.group("Talk")
    robot = await bot(server, ana, "robot")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[robot.user_id])
    assert await change(ana, chat_id, robot, "ADMIN") == "ADMIN"
    await ana.done("leaveChat", "", chatId=chat_id)
    payload = await robot.done(
        "addMembers", "memberships { role }", chatId=chat_id, userIds=[bob.user_id]
    )
    assert payload["memberships"] == [{"role": "OWNER"}]
    assert await places(bob, chat_id) == {"robot": "ADMIN", "bob": "OWNER"}
