"""Profiles and handles, over the network."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models import handles as handle_rows
from models import sessions, users
from models.audit import audit_log
from models.handles import handles
from resolvers import profiles
from schema.ids import Kind, decode
from tests.parts.people import PASSWORD

PROFILE = "user { handle displayName bio status { text emoji expiresAt } timeZone deactivated }"
OWN = "{ viewer { locale user { displayName bio status { text emoji expiresAt } timeZone } } }"
FULL: dict[str, Any] = {
    "displayName": "Ana Ruiz",
    "bio": "I like pizza.\nAnd rain.",
    "status": {"text": "On the train", "emoji": "🚆", "expiresAt": "2999-01-01T12:00:00Z"},
    "locale": "pt-br",
    "timeZone": "Europe/Lisbon",
}
SHOWN = FULL | {
    "status": FULL["status"] | {"expiresAt": "2999-01-01T12:00:00+00:00"},
    "locale": "pt-BR",
}
CLEARED = {"bio": None, "status": None, "locale": None, "timeZone": None}


async def own(person):
    viewer = (await person.ask(OWN))["viewer"]
    return {"locale": viewer["locale"], **viewer["user"]}


async def update(person, **input_):
    return (await person.done("updateProfile", PROFILE, **input_))["user"]


async def error_of(person, mutation, **input_):
    (error,) = (await person.do(mutation, "user { handle }", **input_))["errors"]
    return error["code"], error["path"]


async def test_a_new_person_has_a_name_and_nothing_else(server):
    ana = await server.registered("ana")
    assert await own(ana) == {"displayName": "Ana", **CLEARED}


async def test_a_profile_is_kept_as_it_is_written_and_others_see_it(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    assert (await update(ana, **FULL))["displayName"] == "Ana Ruiz"
    assert await own(ana) == SHOWN
    seen = await ben.ask(f'{{ user(handle: "ana") {PROFILE.removeprefix("user ")} }}')
    assert seen["user"] == {
        "handle": "ana",
        "deactivated": False,
        **{name: value for name, value in SHOWN.items() if name != "locale"},
    }


async def test_nobody_else_sees_what_language_somebody_speaks(server):
    ben = await server.registered("ben")
    answer = await ben.run('{ user(handle: "ben") { locale } }')
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("name", ["bio", "status", "locale", "timeZone"])
async def test_null_clears_a_field_and_what_is_absent_stays(sqlite_server, name):
    ana = await sqlite_server.registered("ana")
    await update(ana, **FULL)
    await update(ana, **{name: None})
    assert await own(ana) == SHOWN | {name: None}
    await update(ana, **{name: FULL[name]})
    assert await own(ana) == SHOWN


async def test_an_empty_change_changes_nothing_and_an_empty_bio_is_none(server):
    ana = await server.registered("ana")
    await update(ana, **FULL)
    await update(ana)
    assert await own(ana) == SHOWN
    await update(ana, bio=" \n ")
    assert await own(ana) == SHOWN | {"bio": None}


async def test_a_status_is_replaced_as_a_whole(server):
    ana = await server.registered("ana")
    await update(ana, **FULL)
    await update(ana, status={"emoji": "🏖️"})
    assert (await own(ana))["status"] == {"text": None, "emoji": "🏖️", "expiresAt": None}


async def test_a_status_that_is_over_is_not_shown(server):
    ana = await server.registered("ana")
    await update(ana, **FULL)
    over = users.users.update().values(status_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with server.program.services.db.writing() as connection:
        await connection.execute(over)
    assert (await own(ana))["status"] is None


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"displayName": None}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": " "}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "x" * 65}, "TOO_LONG", ["displayName"]),
        ({"displayName": "\u0410nna"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "Adm1n"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "a\nb"}, "INVALID_INPUT", ["displayName"]),
        ({"bio": "x" * 501}, "TOO_LONG", ["bio"]),
        ({"bio": "a\0b"}, "INVALID_INPUT", ["bio"]),
        ({"status": {}}, "INVALID_INPUT", ["status"]),
        ({"status": {"text": "x" * 101}}, "TOO_LONG", ["status", "text"]),
        ({"status": {"text": "a\nb"}}, "INVALID_INPUT", ["status", "text"]),
        ({"status": {"emoji": "x" * 33}}, "TOO_LONG", ["status", "emoji"]),
        ({"status": {"emoji": "a b"}}, "INVALID_INPUT", ["status", "emoji"]),
        (
            {"status": {"text": "a", "expiresAt": "2020-01-01T00:00:00Z"}},
            "INVALID_INPUT",
            ["status", "expiresAt"],
        ),
        (
            {"status": {"text": "a", "expiresAt": "2999-01-01T00:00:00"}},
            "INVALID_INPUT",
            ["status", "expiresAt"],
        ),
        (
            {"status": {"text": "a", "expiresAt": "9999-12-31T23:59:59-23:59"}},
            "INVALID_INPUT",
            ["status", "expiresAt"],
        ),
        ({"locale": "en_US"}, "INVALID_INPUT", ["locale"]),
        ({"locale": ""}, "INVALID_INPUT", ["locale"]),
        ({"timeZone": "Europe/Atlantis"}, "INVALID_INPUT", ["timeZone"]),
        ({"timeZone": "../../etc/passwd"}, "INVALID_INPUT", ["timeZone"]),
    ],
)
async def test_what_breaks_a_rule_is_refused_and_nothing_of_it_stored(
    sqlite_server, change, code, path
):
    ana = await sqlite_server.registered("ana")
    await update(ana, **FULL)
    assert await error_of(ana, "updateProfile", **{"bio": "new", **change}) == (code, path)
    assert await own(ana) == SHOWN


async def test_the_longest_that_is_allowed_is_kept(server):
    ana = await server.registered("ana")
    longest: dict[str, Any] = {
        "displayName": "x" * 64,
        "bio": "😀" * 500,
        "status": {"text": "é" * 100},
    }
    await update(ana, **longest)
    profile = await own(ana)
    assert (profile["displayName"], profile["bio"]) == (longest["displayName"], longest["bio"])
    assert profile["status"]["text"] == longest["status"]["text"]


INNER: dict[str, Any] = {
    "id": "dQ",
    "kind": "BOT",
    "isAdmin": True,
    "createdAt": "2020-01-01T00:00:00Z",
    "deletedAt": None,
    "suspendedAt": None,
    "deactivated": False,
    "confirmedAt": "2020-01-01T00:00:00Z",
    "display_name": "X",
}


@pytest.mark.parametrize(
    ("mutation", "given", "more"),
    [
        ("register", {"handle": "eve", "password": PASSWORD, "displayName": "Eve"}, ()),
        ("updateProfile", {"bio": "Changed"}, ("email", "handle", "password", "hides")),
        ("updateSettings", {"hides": True}, ("email", "handle", "password", "bio")),
        ("changeHandle", {"handle": "eve"}, ("email", "password", "bio")),
    ],
)
async def test_what_an_input_does_not_name_is_no_way_to_set_it(
    sqlite_server, mutation, given, more
):
    ana = await sqlite_server.registered("ana")
    type_ = mutation[0].upper() + mutation[1:] + "Input"
    for name, value in (INNER | dict.fromkeys(more, "x")).items():
        answer = await ana.run(
            f"mutation($input: {type_}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
            input=given | {name: value},
        )
        assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST", name
    async with sqlite_server.program.services.db.reading() as connection:
        (row,) = await connection.execute(sa.select(users.users))
    assert (row.handle, row.is_admin, row.kind, row.email, row.bio) == (
        "ana",
        False,
        "person",
        None,
        None,
    )


async def test_profiles_need_somebody_who_is_signed_in(server):
    for mutation in ("updateProfile(input: {})", 'changeHandle(input: {handle: "x12"})'):
        answer = await server.person().run(f"mutation {{ {mutation} {{ errors {{ code }} }} }}")
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


# --- handles -----------------------------------------------------------------------------------


async def test_a_changed_handle_is_ones_name_from_then_on(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    payload = await ana.done("changeHandle", "user { handle }", handle=" Ana_Ruiz ")
    assert payload["user"] == {"handle": "ana_ruiz"}
    seen = await ben.ask('{ old: user(handle: "ana") { id } new: user(handle: "ana_ruiz") { id } }')
    assert seen == {"old": None, "new": {"id": ana.user_id}}
    again = server.person()
    assert await again.refused("logIn", "session { id }", handle="ana", password=PASSWORD)
    await again.log_in("ana_ruiz")


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [("bern", "bem"), ("ana1", "anal"), ("bob0", "bobo"), ("willi", "vvilli"), ("a_b", "a__b")],
)
async def test_a_handle_that_looks_like_anothers_is_taken(server, taken, wanted):
    await server.registered(taken)
    cyd = await server.registered("cyd")
    registering = {"handle": wanted, "password": PASSWORD, "displayName": "X"}
    assert await server.person().refused("register", "session { id }", **registering) == (
        "HANDLE_TAKEN"
    )
    assert await error_of(cyd, "changeHandle", handle=wanted) == ("HANDLE_TAKEN", ["handle"])
    assert (await cyd.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "cyd"


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        ("admin", "HANDLE_TAKEN"),
        ("supp0rt", "HANDLE_TAKEN"),
        ("every_one", "HANDLE_TAKEN"),
        ("\u0430na", "INVALID_INPUT"),
        ("\uff41na", "INVALID_INPUT"),
        ("an", "INVALID_INPUT"),
        ("1ana", "INVALID_INPUT"),
        ("ana\u200b", "INVALID_INPUT"),
        ("a" * 33, "INVALID_INPUT"),
        ("", "INVALID_INPUT"),
        ("ana\0", "INVALID_INPUT"),
    ],
)
async def test_reserved_and_malformed_handles_are_refused(sqlite_server, handle, code):
    ben = await sqlite_server.registered("ben")
    assert await error_of(ben, "changeHandle", handle=handle) == (code, ["handle"])
    registering = {"handle": handle, "password": PASSWORD, "displayName": "X"}
    assert await sqlite_server.person().refused("register", "session { id }", **registering) == code


async def test_nobody_else_gets_a_handle_that_somebody_just_gave_up(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await ana.done("changeHandle", "user { id }", handle="maria")
    assert await error_of(ben, "changeHandle", handle="ana") == ("HANDLE_TAKEN", ["handle"])
    await ana.done("changeHandle", "user { id }", handle="ana")
    assert await error_of(ben, "changeHandle", handle="maria") == ("HANDLE_TAKEN", ["handle"])


async def test_when_its_time_is_over_anybody_gets_it(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await ana.done("changeHandle", "user { id }", handle="maria")
    await _let_time_pass(server)
    payload = await ben.done("changeHandle", "user { handle }", handle="ana")
    assert payload["user"] == {"handle": "ana"}
    assert await error_of(ana, "changeHandle", handle="ana") == ("HANDLE_TAKEN", ["handle"])


async def _let_time_pass(server):
    """Make everything that is kept for somebody's return as old as it needs to be."""
    async with server.program.services.db.writing() as connection:
        await connection.execute(
            handles.update()
            .where(handles.c.held_until.is_not(None))
            .values(held_until=datetime.now(UTC) - timedelta(seconds=1))
        )


async def test_nobody_gets_the_handles_of_an_account_that_is_gone(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await ana.done("changeHandle", "user { id }", handle="maria")
    async with server.program.services.db.writing() as connection:
        await handle_rows.retire(connection, decode(Kind.USER, ana.user_id))
    await _let_time_pass(server)
    for handle in ("ana", "maria", "rnaria"):
        assert await error_of(ben, "changeHandle", handle=handle) == ("HANDLE_TAKEN", ["handle"])
    async with server.program.services.db.reading() as connection:
        (claims,) = await connection.execute(
            sa.select(sa.func.count()).where(handles.c.user_id.is_(None))
        )
    assert claims == (2,)


async def test_one_person_keeps_only_so_many_handles_from_others(server):
    ana = await server.registered("ana")
    for number in range(profiles.MAX_HELD):
        await ana.done("changeHandle", "user { id }", handle=f"ana_{number}_ruiz")
    payload = await ana.do(
        "changeHandle", "errors { ... on RateLimitedError { retryAfter } }", handle="another"
    )
    (error,) = payload["errors"]
    assert error["code"] == "RATE_LIMITED"
    assert 0 < error["retryAfter"] <= profiles.HELD_FOR.total_seconds()
    # Back and forth is nothing new to keep.
    await ana.done("changeHandle", "user { id }", handle="ana")
    await _let_time_pass(server)
    await ana.done("changeHandle", "user { id }", handle="another")


async def test_a_handle_may_change_to_one_that_looks_the_same(server):
    ana, ben = await server.registered("ana1"), await server.registered("ben")
    await ana.done("changeHandle", "user { id }", handle="anal")
    assert await error_of(ben, "changeHandle", handle="ana1") == ("HANDLE_TAKEN", ["handle"])
    await ana.done("changeHandle", "user { id }", handle="anal")  # no change


async def test_of_many_who_want_a_free_handle_at_once_one_gets_it(server):
    people = [await server.registered(f"person{n}") for n in range(4)]
    payloads = await asyncio.gather(
        *(person.do("changeHandle", "user { handle }", handle="wanted") for person in people)
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["HANDLE_TAKEN"] * 3


async def test_a_handle_changes_only_in_a_session_that_proved_itself_lately(server):
    ana = await server.registered("ana")
    before = datetime.now(UTC) - timedelta(hours=1)
    async with server.program.services.db.writing() as connection:
        await connection.execute(sessions.sessions.update().values(confirmed_at=before))
    answer = await ana.run(
        'mutation { changeHandle(input: {handle: "maria"}) { errors { code } } }'
    )
    assert answer["errors"][0]["extensions"]["code"] == "CONFIRMATION_REQUIRED"
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"


async def test_that_names_have_changed_stands_in_the_audit_log_without_them(server):
    ana = await server.registered("ana")
    await ana.done("changeHandle", "user { id }", handle="maria")
    await update(ana, displayName="Maria")
    await update(ana, bio="Not of interest.")
    async with server.program.services.db.reading() as connection:
        rows = await connection.execute(sa.select(audit_log).order_by(audit_log.c.id))
        logged = [(row.act, row.details) for row in rows if row.act != "registered"]
    assert logged == [
        ("handle_changed", {}),
        ("display_name_changed", {}),
    ]


# --- events ------------------------------------------------------------------------------------

EVENTS = """
subscription($after: Cursor) { events(after: $after) {
  __typename cursor chat { id }
  ... on ProfileChanged { user { handle displayName bio status { text } } }
  ... on SettingsChanged { settings { whoMayMessage hides } }
} }
"""


async def test_ones_other_devices_are_told_and_nobody_else(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    cursors = [(await one.ask("{ viewer { cursor } }"))["viewer"]["cursor"] for one in (ana, ben)]
    await update(ana, bio="Hello", status={"text": "here"})
    await update(ana, bio="Hello")  # no news
    await ana.done("updateSettings", "settings { hides }", whoMayMessage="NOBODY")
    await ana.done("updateSettings", "settings { hides }", whoMayMessage="NOBODY")  # no news
    await ana.done("changeHandle", "user { id }", handle="maria")
    await ana.send(chat_id, "Done")
    async with ana.socket() as laptop, ben.socket() as other:
        await laptop.subscribe("events", EVENTS, after=cursors[0])
        await other.subscribe("events", EVENTS, after=cursors[1])
        heard = [await laptop.next() for _ in range(4)]
        assert (await other.next())["__typename"] == "MessageSent"
    for each in heard:
        each.pop("cursor")
    now = {"handle": "maria", "displayName": "Ana", "bio": "Hello", "status": {"text": "here"}}
    changed = {"__typename": "ProfileChanged", "chat": None, "user": now}
    assert heard == [
        changed,
        {
            "__typename": "SettingsChanged",
            "chat": None,
            "settings": {"whoMayMessage": "NOBODY", "hides": False},
        },
        changed,
        {"__typename": "MessageSent", "chat": {"id": chat_id}},
    ]
