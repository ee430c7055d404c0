"""Settings, and that they are kept to."""

import pytest
import sqlalchemy as sa

from models.audit import audit_log

SETTINGS = "settings { whoMayMessage whoMayCall whoMayAdd whoSeesLastSeen hides }"
AUDIENCES = ("whoMayMessage", "whoMayCall", "whoMayAdd", "whoSeesLastSeen")
AT_FIRST = {**dict.fromkeys(AUDIENCES, "EVERYBODY"), "hides": False}


async def set_(person, **input_):
    return (await person.done("updateSettings", SETTINGS, **input_))["settings"]


async def stored(person):
    return (await person.ask(f"{{ viewer {{ {SETTINGS} }} }}"))["viewer"]["settings"]


async def direct(one, other):
    payload = await one.do("createChat", "chat { id }", kind="DIRECT", memberIds=[other.user_id])
    return [(error["code"], error["path"]) for error in payload["errors"]]


async def grouped(one, *others):
    ids = [other.user_id for other in others]
    payload = await one.do("createChat", "chat { id }", kind="GROUP", title="T", memberIds=ids)
    return [(error["code"], error["path"]) for error in payload["errors"]]


async def test_everybody_may_do_everything_until_somebody_says_otherwise(server):
    ana = await server.registered("ana")
    assert await stored(ana) == AT_FIRST


@pytest.mark.parametrize(
    ("name", "value"), [*((name, "CONTACTS") for name in AUDIENCES), ("hides", True)]
)
async def test_a_setting_changes_and_the_others_stay(server, name, value):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    assert await set_(ana, **{name: value}) == AT_FIRST | {name: value}
    assert await set_(ana, whoMayCall="NOBODY") == {**AT_FIRST, name: value, "whoMayCall": "NOBODY"}
    assert await set_(ana) == await stored(ana)
    assert await stored(ben) == AT_FIRST


@pytest.mark.parametrize("name", [*AUDIENCES, "hides"])
async def test_no_setting_can_be_null(sqlite_server, name):
    ana = await sqlite_server.registered("ana")
    payload = await ana.do("updateSettings", SETTINGS, **{"whoMayMessage": "NOBODY", name: None})
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", [name])
    assert await stored(ana) == AT_FIRST


async def test_what_is_no_setting_is_a_bad_request(sqlite_server):
    ana = await sqlite_server.registered("ana")
    for input_ in ({"whoMayMessage": "FRIENDS"}, {"hides": "yes"}, {"userId": "x"}):
        answer = await ana.run(
            "mutation($input: UpdateSettingsInput!) { updateSettings(input: $input) "
            "{ errors { code } } }",
            input=input_,
        )
        assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert await stored(ana) == AT_FIRST


async def test_nobody_starts_a_direct_chat_with_who_wants_none(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await set_(ana, whoMayMessage="NOBODY")
    assert await direct(ben, ana) == [("FORBIDDEN", ["memberIds"])]
    assert await direct(ana, ben) == []  # she may start one herself
    assert await direct(ben, ana) == []  # and that one is there for both


async def test_contacts_are_those_who_are_in_a_chat_with_somebody_now(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await set_(ana, whoMayMessage="CONTACTS", whoMayAdd="CONTACTS")
    chat_id = await ana.group("Team", ben, cyd)
    await cyd.done("leaveChat", "", chatId=chat_id)
    dan = await server.registered("dan")
    for stranger in (cyd, dan):
        assert await direct(stranger, ana) == [("FORBIDDEN", ["memberIds"])]
        assert await grouped(stranger, ana) == [("FORBIDDEN", ["memberIds"])]
    assert await direct(ben, ana) == []
    assert await grouped(ben, ana) == []


async def test_nobody_is_added_to_a_group_against_their_will(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await set_(ana, whoMayAdd="NOBODY")
    assert await grouped(ben, cyd, ana) == [("FORBIDDEN", ["memberIds"])]
    chat_id = await ben.group("Team", cyd)
    payload = await ben.do(
        "addMembers", "chat { id }", chatId=chat_id, userIds=[cyd.user_id, ana.user_id]
    )
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("FORBIDDEN", ["userIds"])
    query = "query($id: ID!) { chat(id: $id) { memberCount } }"
    assert (await ben.ask(query, id=chat_id))["chat"] == {"memberCount": 2}
    # Who is in the group already stays, and may be named.
    own = await ana.group("Hers", ben)
    await ben.done("leaveChat", "", chatId=own)
    await ana.done("addMembers", "chat { id }", chatId=own, userIds=[ana.user_id, ben.user_id])


async def test_who_hides_is_not_there_for_strangers_whatever_their_other_settings(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await set_(ana, hides=True, whoMayMessage="NOBODY", whoMayAdd="NOBODY")
    assert await direct(ben, ana) == [("NOT_FOUND", ["memberIds"])]
    assert await grouped(ben, ana) == [("NOT_FOUND", ["memberIds"])]
    chat_id = await ben.group("Team")
    add = {"chatId": chat_id, "userIds": [ana.user_id]}
    assert await ben.refused("addMembers", "chat { id }", **add) == "NOT_FOUND"


async def test_settings_stand_in_the_audit_log(server):
    ana = await server.registered("ana")
    await set_(ana, hides=True, whoMayCall="CONTACTS")
    async with server.program.services.db.reading() as connection:
        rows = await connection.execute(
            sa.select(audit_log).where(audit_log.c.act == "settings_changed")
        )
        assert [row.details for row in rows] == [{"hides": True, "who_may_call": "contacts"}]


async def test_a_stranger_becomes_no_contact_by_a_chat_that_nobody_else_sees(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await set_(ana, whoSeesLastSeen="CONTACTS", whoMayAdd="CONTACTS")
    chat = {"kind": "DIRECT", "memberIds": [ana.user_id]}
    payload = await bob.done("createChat", "chat { id }", **chat)
    chat_id = payload["chat"]["id"]
    async with ana.socket(), bob.socket():
        for answer in (None, "hi", "hello, who are you?"):
            if answer is not None:  # which of them writes
                await (ana if "who" in answer else bob).send(chat_id, answer)
            known = answer is not None and "who" in answer
            assert (await presence(bob, "ana") is not None) is known
            assert (await presence(ana, "bob") is not None) is known  # it is mutual
            assert await grouped(bob, ana) == ([] if known else [("FORBIDDEN", ["memberIds"])])


async def presence(person, handle):
    query = "query($handle: String!) { user(handle: $handle) { presence { state } } }"
    return (await person.ask(query, handle=handle))["user"]["presence"]


async def test_whom_somebody_has_written_to_is_their_contact(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await set_(ana, whoSeesLastSeen="CONTACTS")
    await set_(bob, whoSeesLastSeen="CONTACTS")
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bob.user_id])
    chat_id = payload["chat"]["id"]
    await ana.send(chat_id, "hi")
    assert await presence(bob, "ana") is None  # for he has not written yet
    await bob.send(chat_id, "hello")
    assert await presence(bob, "ana") is not None
    assert await presence(ana, "bob") is not None
