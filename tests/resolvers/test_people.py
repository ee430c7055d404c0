"""Who is found, and who may see whom."""

import pytest

from models import users
from models.base import new_key
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers.services import utc_now
from schema.ids import Kind, decode
from tests.parts.people import PASSWORD
from tests.parts.running import running

FOUND = """
query($search: String!, $first: Int, $after: String) {
  users(search: $search, first: $first, after: $after) {
    nodes { handle } pageInfo { hasNextPage endCursor }
  }
}
"""
LOOKED_UP = """
query($id: ID!, $handle: String!) {
  node(id: $id) { ... on User { handle } }
  nodes(ids: [$id]) { ... on User { handle } }
  user(handle: $handle) { handle }
}
"""


async def found(person, search, first=2):
    """Return the handles of everybody found, walked page by page."""
    handles, after = [], None
    while True:
        page = (await person.ask(FOUND, search=search, first=first, after=after))["users"]
        handles += [node["handle"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return handles


async def sees(person, other):
    """Whether somebody finds another by id and by handle: it has to be both or neither."""
    data = await person.ask(LOOKED_UP, id=other.user_id, handle=other.handle)
    answers = [data["node"], *data["nodes"], data["user"]]
    assert answers in ([{"handle": other.handle}] * 3, [None] * 3)
    return answers[0] is not None


async def change(server, person, **values):
    """Change the row of somebody's account, and have them found as they are then."""
    async with server.program.services.db.writing() as connection:
        user_id = decode(Kind.USER, person.user_id)
        await connection.execute(
            users.users.update().where(users.users.c.id == user_id).values(values)
        )
        await users.index(connection, user_id)


async def hide(person, *, hides=True):
    await person.done("updateSettings", "settings { hides }", hides=hides)


# --- search ------------------------------------------------------------------------------------


async def test_people_are_found_by_any_word_of_their_names_without_case_and_accents(server):
    names = {
        "ana": "Ana María Kovács",
        "kov_ben": "Łukasz O’Brien-Ångström",
        "cyd": "Анна Каренина",
        "dan": "김 철수",
        "eve": "😀",
    }
    for handle, name in names.items():
        await server.person().register(handle, displayName=name)
    zoe = await server.registered("zoe")
    expected = {
        "kov": ["kov_ben", "ana"],  # by the words found: “kov ben”, “kovacs ana maria”
        "KOVÁCS": ["ana"],
        "maria": ["ana"],
        "maria kov": ["ana"],
        "kovacs ana": ["ana"],
        "ana kov": [],  # not in a row
        "an": ["ana", "kov_ben"],
        "lukasz": ["kov_ben"],
        "obrien ang": ["kov_ben"],
        "o'brien": ["kov_ben"],
        "kov_b": ["kov_ben"],
        "ben": ["kov_ben"],
        "карен": ["cyd"],
        "철": ["dan"],
        "eve": ["eve"],
        "zoe": ["zoe"],
        "ria": [],
        "😀": [],
        "%": [],
        "_": [],
        "kov%": ["kov_ben", "ana"],
    }
    assert {search: await found(zoe, search) for search in expected} == expected


async def test_everybody_is_found_once_however_the_pages_are_cut(server):
    for number in range(5):
        await server.person().register(f"ana{number}x", displayName=f"Ana Anders Ansel {number}")
    zoe = await server.registered("zoe")
    everybody = [f"ana{number}x" for number in range(5)]
    for size in (1, 2, 3, 200):
        assert sorted(await found(zoe, "an", first=size)) == everybody
    assert await found(zoe, "an", first=1) == await found(zoe, "an", first=5)


async def test_a_new_name_and_a_new_handle_are_found_and_the_old_ones_are_not(server):
    ana = await server.registered("ana")
    await ana.done("updateProfile", "user { id }", displayName="Maria Ruiz")
    assert await found(ana, "ruiz") == ["ana"]
    await ana.done("changeHandle", "user { id }", handle="mar")
    searches = {name: await found(ana, name) for name in ("ana", "mar", "maria", "ruiz")}
    assert searches == {"ana": [], "mar": ["mar"], "maria": ["mar"], "ruiz": ["mar"]}


async def test_search_shows_nobody_who_hides_or_has_no_account_to_be_written_to(server):
    everybody = ["ana", "ben", "cyd", "dan", "eve"]
    ana, ben, cyd, dan, eve = [await _called(server, handle, "Smith") for handle in everybody]
    await ana.group("Together", ben, cyd, dan, eve)
    await hide(ben)
    await change(server, cyd, suspended_at=utc_now())
    await change(server, dan, deleted_at=utc_now())
    await change(server, eve, kind=UserKind.GUEST.value)
    assert await found(ana, "smith") == ["ana"]
    await hide(ben, hides=False)
    await change(server, cyd, suspended_at=None)
    assert sorted(await found(ana, "smith")) == ["ana", "ben", "cyd"]


async def _called(server, handle, name):
    person = server.person()
    await person.register(handle, displayName=name)
    return person


async def test_who_is_suspended_is_not_found_although_nobody_saw_to_it(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with server.program.services.db.writing() as connection:
        await connection.execute(
            users.users.update().where(users.users.c.handle == "ben").values(suspended_at=utc_now())
        )
    assert await found(ana, "ben") == []
    assert not await sees(ana, ben)


@pytest.mark.parametrize(
    "search", ["", "  ", "x" * 65, "a\0"], ids=["empty", "blank", "long", "unstorable"]
)
async def test_a_search_that_cannot_be_is_refused(sqlite_server, search):
    ana = await sqlite_server.registered("ana")
    answer = await ana.run(FOUND, search=search)
    assert answer["errors"][0]["extensions"]["code"] in ("INVALID_INPUT", "TOO_LONG")


async def test_searching_is_limited(migrated_sqlite_url):
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana = await server.registered("ana")
        answers = [await ana.run(FOUND, search="ana") for _ in range(121)]
    assert all("errors" not in answer for answer in answers[:120])
    extensions = answers[-1]["errors"][0]["extensions"]
    assert (extensions["code"], extensions["retryAfter"] > 0) == ("RATE_LIMITED", True)


# --- looking up --------------------------------------------------------------------------------


async def test_who_does_not_hide_is_there_for_everybody(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    assert await sees(ana, ben)
    assert await sees(ana, ana)


async def test_who_hides_is_there_for_themselves_and_for_nobody_else(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await hide(ana)
    assert await sees(ana, ana)
    assert not await sees(ben, ana)
    await hide(ana, hides=False)
    assert await sees(ben, ana)


async def test_who_is_in_a_chat_with_somebody_sees_them_and_goes_on_to(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await hide(ana)
    chat_id = await ana.group("Team", ben)
    assert await sees(ben, ana)
    assert not await sees(cyd, ana)
    await ben.done("leaveChat", "", chatId=chat_id)
    assert await sees(ben, ana)
    # Who came when the other was gone has never met them.
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[cyd.user_id])
    await hide(ben)
    assert await sees(cyd, ana)
    assert not await sees(cyd, ben)
    await ana.done("leaveChat", "", chatId=chat_id)
    assert await sees(cyd, ana)
    assert await sees(ana, cyd)
    assert await sees(ana, ben)
    assert await sees(ben, ana)


async def test_messages_members_and_events_show_who_hides_to_those_in_the_chat(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    await hide(ana)
    async with ben.listening() as socket:
        await ana.send(chat_id, "Here I am")
        assert (await socket.next())["message"]["sender"] == {"handle": "ana"}
    shown = await ben.ask(
        "query($id: ID!) { chat(id: $id) { members { nodes { user { handle } } } "
        "messages { nodes { sender { handle } } } } }",
        id=chat_id,
    )
    assert shown["chat"]["members"]["nodes"][0]["user"] == {"handle": "ana"}
    assert shown["chat"]["messages"]["nodes"] == [{"sender": {"handle": "ana"}}]


async def test_who_is_suspended_is_there_for_those_they_talked_to(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await ana.done("updateProfile", "user { id }", bio="Secret", timeZone="UTC")
    chat_id = await ana.group("Team", ben)
    await ana.send(chat_id, "Bye")
    await change(server, ana, suspended_at=utc_now())
    assert await sees(ben, ana)
    assert not await sees(cyd, ana)
    shown = await ben.ask(
        "query($id: ID!) { node(id: $id) { "
        "... on User { displayName bio timeZone deactivated } } }",
        id=ana.user_id,
    )
    kept = {"displayName": "Ana", "bio": "Secret", "timeZone": "UTC"}
    assert shown["node"] == {"deactivated": True, **kept}
    # Nobody is there to be written to.
    for kind, title in (("DIRECT", None), ("GROUP", "T")):
        new = {"kind": kind, "title": title, "memberIds": [ana.user_id]}
        assert await ben.refused("createChat", "chat { id }", **new) == "FORBIDDEN"
        assert await cyd.refused("createChat", "chat { id }", **new) == "NOT_FOUND"


async def test_who_is_deleted_is_there_for_nobody_and_without_a_name_where_they_were(server):
    ana, ben = [await server.registered(name) for name in ("ana", "ben")]
    await ana.done("updateProfile", "user { id }", bio="Secret", timeZone="UTC")
    chat_id = await ana.group("Team", ben)
    await change(server, ana, deleted_at=utc_now())
    assert not await sees(ben, ana)
    shown = await ben.ask(
        "query($id: ID!) { chat(id: $id) { members { nodes { user { "
        "displayName bio timeZone deactivated } } } } }",
        id=chat_id,
    )
    gone = {"displayName": "Deleted account", "bio": None, "timeZone": None, "deactivated": True}
    assert shown["chat"]["members"]["nodes"][0]["user"] == gone
    for kind, title in (("DIRECT", None), ("GROUP", "T")):
        new = {"kind": kind, "title": title, "memberIds": [ana.user_id]}
        assert await ben.refused("createChat", "chat { id }", **new) == "NOT_FOUND"


async def test_guests_see_only_those_they_are_in_a_chat_with(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await ana.group("Team", ben)
    async with server.program.services.db.reading() as connection:
        ids = [decode(Kind.USER, each.user_id) for each in (ana, ben, cyd)]
        guest = Viewer(ids[1], new_key(), utc_now(), kind=UserKind.GUEST)
        person = Viewer(ids[1], new_key(), utc_now())
        assert set(await users.visible_to(connection, guest, ids)) == set(ids[:2])
        assert set(await users.visible_to(connection, person, ids)) == set(ids)


async def test_a_guest_is_there_only_for_those_they_are_in_a_chat_with(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await ana.group("Team", ben)
    await change(server, ben, kind=UserKind.GUEST.value)
    assert await sees(ana, ben)
    assert not await sees(cyd, ben)


async def test_an_account_that_is_created_a_guest_is_found_by_nobody(server):
    ana = await server.registered("ana")
    guest = User(new_key(), "visitor", "Visitor", None, False, utc_now(), kind=UserKind.GUEST.value)
    async with server.program.services.db.writing() as connection:
        await users.create(connection, guest, None)
    assert await found(ana, "visitor") == []
    assert (await ana.ask('{ user(handle: "visitor") { id } }')) == {"user": None}


async def test_names_are_refused_alike_at_the_door_and_later(sqlite_server):
    registering = {"handle": "eve", "password": PASSWORD, "displayName": "\u0410nna"}
    payload = await sqlite_server.person().do("register", "session { id }", **registering)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["displayName"])
