"""Signing up, in and out, and refreshing, over the network on both databases."""

import asyncio
from datetime import timedelta

import pytest

from resolvers import sessions
from tests.parts.people import PASSWORD, SIGNED_IN


async def refusal(person):
    """Return the code with which a person's token is refused."""
    (error,) = (await person.run("{ viewer { email } }"))["errors"]
    return error["extensions"]["code"]


REGISTER = {"handle": "ana", "password": PASSWORD, "displayName": "Ana"}


async def test_somebody_who_registers_is_signed_in(server):
    person = server.person()
    payload = await person.register("ana", email="ana@example.org", deviceName="Laptop")
    assert payload["expiresIn"] == 900
    data = await person.ask(
        "{ viewer { email session { id deviceName user { displayName } } unreadCount } }"
    )
    assert data["viewer"]["email"] == "ana@example.org"
    assert data["viewer"]["session"] == {
        "id": payload["session"]["id"],
        "deviceName": "Laptop",
        "user": {"displayName": "Ana"},
    }


async def test_nobody_is_signed_in_without_a_token(sqlite_server):
    assert await sqlite_server.person().ask("{ viewer { email } }") == {"viewer": None}


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"handle": "an"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "1ana"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "ana banana"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "\N{CYRILLIC SMALL LETTER A}na"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "a" * 33}, "INVALID_INPUT", ["handle"]),
        ({"handle": "ana\x00"}, "INVALID_INPUT", ["handle"]),
        ({"password": "short"}, "INVALID_INPUT", ["password"]),
        ({"password": "x" * 257}, "TOO_LONG", ["password"]),
        ({"password": "pass\x00word"}, "INVALID_INPUT", ["password"]),
        ({"displayName": ""}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "  "}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "x" * 65}, "TOO_LONG", ["displayName"]),
        ({"displayName": "A\nB"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\x00B"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\x9bB"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\N{LINE SEPARATOR}B"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\N{RIGHT-TO-LEFT OVERRIDE}B"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\N{RIGHT-TO-LEFT ISOLATE}B"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "A\N{POP DIRECTIONAL ISOLATE}B"}, "INVALID_INPUT", ["displayName"]),
        ({"displayName": "\N{ZERO WIDTH JOINER}"}, "INVALID_INPUT", ["displayName"]),
        (
            {"displayName": "\N{HANGUL FILLER}\N{VARIATION SELECTOR-16}"},
            "INVALID_INPUT",
            ["displayName"],
        ),
        ({"email": "nobody"}, "INVALID_INPUT", ["email"]),
        ({"email": "a@b\r\nBcc: c@d"}, "INVALID_INPUT", ["email"]),
        ({"email": "ana@exam\N{ZERO WIDTH SPACE}ple.org"}, "INVALID_INPUT", ["email"]),
        ({"email": "a" * 251 + "@b.c"}, "TOO_LONG", ["email"]),
        ({"deviceName": "x" * 65}, "TOO_LONG", ["deviceName"]),
    ],
)
async def test_what_cannot_be_registered_is_refused_and_nothing_is_stored(
    sqlite_server, change, code, path
):
    person = sqlite_server.person()
    payload = await person.do("register", SIGNED_IN, **{**REGISTER, **change})
    assert payload["session"] is None
    assert payload["accessToken"] is None
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (code, path)
    await person.register("ana")  # the handle is free


@pytest.mark.parametrize(
    "name",
    [
        "The \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL} Ruizes",
        "Ana \N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}",
        "\u0645\u06cc\N{ZERO WIDTH NON-JOINER}\u062e\u0648\u0627\u0647\u0645",  # Persian
        "\u05e9\u05dc\u05d5\u05dd\N{RIGHT-TO-LEFT MARK} (Ana)",
        "Ana\N{LEFT-TO-RIGHT MARK}",
        "Ana \N{FIRST STRONG ISOLATE}\u05e9\u05dc\u05d5\u05dd\N{POP DIRECTIONAL ISOLATE} Ruiz",
        "L\N{RIGHT SINGLE QUOTATION MARK}\u00e9quipe\N{NARROW NO-BREAK SPACE}: Ana",
        "Ana \U0001fae9",  # a face that is newer than Python 3.11
        "\u0390" * 64,  # each three characters when folded
    ],
)
async def test_a_name_is_kept_as_people_write_it_and_found_again(server, name):
    ana = server.person()
    await ana.register("ana", displayName=name)
    assert (await ana.ask("{ viewer { user { displayName } } }"))["viewer"]["user"] == {
        "displayName": name
    }
    query = "query($name: String!) { users(search: $name) { nodes { handle } } }"
    assert (await ana.ask(query, name=name))["users"]["nodes"] == [{"handle": "ana"}]


async def test_a_handle_is_taken_however_it_is_written(server):
    await server.registered("ana")
    refused = await server.person().refused(
        "register", "session { id }", **REGISTER | {"handle": " ANA "}
    )
    assert refused == "HANDLE_TAKEN"


async def test_of_many_who_want_the_same_handle_at_once_one_gets_it(server):
    people = [server.person() for _ in range(5)]
    payloads = await asyncio.gather(
        *(person.do("register", "session { id }", **REGISTER) for person in people)
    )
    codes = sorted([error["code"] for payload in payloads for error in payload["errors"]])
    assert codes == ["HANDLE_TAKEN"] * 4


@pytest.mark.parametrize(
    ("handle", "password"),
    [
        ("ana", "wrong password"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("ana\x00", PASSWORD),
        ("ana", ""),
        ("ana", "x" * 100_000),
        ("ana", PASSWORD + "x" * 300),
    ],
)
async def test_every_wrong_log_in_gets_the_same_answer(server, handle, password):
    await server.registered("ana")
    payload = await server.person().do(
        "logIn", "session { id } accessToken", handle=handle, password=password
    )
    assert payload == {
        "session": None,
        "accessToken": None,
        "errors": [
            {
                "__typename": "RequestError",
                "code": "BAD_CREDENTIALS",
                "message": "Handle or password is wrong.",
                "path": [],
            }
        ],
    }


async def test_an_unknown_handle_costs_as_many_password_checks_as_a_known_one(
    sqlite_server, monkeypatch
):
    await sqlite_server.registered("ana")
    passwords = sqlite_server.program.services.credentials.passwords
    checked = []
    verify = passwords.verify

    async def counting(stored, password):
        checked.append(stored)
        return await verify(stored, password)

    monkeypatch.setattr(passwords, "verify", counting)
    for handle in ("ana", "nobody"):
        await sqlite_server.person().refused(
            "logIn", "session { id }", handle=handle, password="wrong"
        )
    assert len(checked) == 2


async def test_refreshing_gives_new_tokens_and_the_old_access_token_lives_on(server):
    ana = await server.registered("ana")
    old = ana.token
    payload = await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)
    assert payload["refreshToken"] != ana.refresh_token
    ana.take(payload)
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"
    ana.token = old
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"


async def test_a_refresh_tells_until_when_the_session_lasts_now(server):
    ana = await server.registered("ana")
    fields = f"{SIGNED_IN} session {{ lastSeenAt expiresAt }}"
    before = (await ana.ask("{ viewer { session { lastSeenAt expiresAt } } }"))["viewer"]["session"]
    for token in (ana.refresh_token, ana.refresh_token):  # the second is a repetition
        payload = await ana.done("refreshSession", fields, refreshToken=token)
        told = payload["session"]
        assert told["expiresAt"] > before["expiresAt"]
        assert told["lastSeenAt"] > before["lastSeenAt"]
        ana.token = payload["accessToken"]
        stored = await ana.ask(
            "{ viewer { session { id lastSeenAt expiresAt user { id handle } } } }"
        )
        assert told == stored["viewer"]["session"]


async def test_a_refresh_whose_answer_was_lost_may_be_repeated_at_once(server):
    ana = await server.registered("ana")
    lost = ana.refresh_token
    await ana.done("refreshSession", SIGNED_IN, refreshToken=lost)
    ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=lost))
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)


async def test_a_refresh_token_used_again_later_ends_the_session(server, monkeypatch):
    monkeypatch.setattr(sessions, "REFRESH_GRACE", timedelta(seconds=-1))
    ana = await server.registered("ana")
    stolen = ana.refresh_token
    async with ana.listening() as socket:
        ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=stolen))
        code = await ana.refused("refreshSession", "accessToken", refreshToken=stolen)
        assert code == "UNAUTHENTICATED"
        assert (await socket.closed())[0] == 4403
    code = await ana.refused("refreshSession", "accessToken", refreshToken=ana.refresh_token)
    assert code == "UNAUTHENTICATED"
    assert await refusal(ana) == "UNAUTHENTICATED"


async def test_a_made_up_refresh_token_ends_nothing(sqlite_server):
    ana = await sqlite_server.registered("ana")
    for token in ("", "x", ana.refresh_token[:-2] + "AA"):
        code = await ana.refused("refreshSession", "accessToken", refreshToken=token)
        assert code == "UNAUTHENTICATED"
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)


async def test_logging_out_ends_the_session_at_once_and_no_other(server):
    laptop = await server.registered("ana")
    phone = server.person()
    await phone.log_in("ana")
    await laptop.ask("{ viewer { email } }")  # so that its session was looked at just now
    await laptop.ask("mutation { logOut { errors { code } } }")
    assert await refusal(laptop) == "UNAUTHENTICATED"
    code = await server.person().refused(
        "refreshSession", "accessToken", refreshToken=laptop.refresh_token
    )
    assert code == "UNAUTHENTICATED"
    assert (await phone.ask("{ viewer { user { handle } } }"))["viewer"] is not None


async def test_too_many_at_once_are_asked_to_come_back(sqlite_server, monkeypatch):
    from accounts import passwords

    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    person = sqlite_server.person()
    code = await person.refused("logIn", "session { id }", handle="ana", password=PASSWORD)
    assert code == "OVERLOADED"
    assert await person.refused("register", "session { id }", **REGISTER) == "OVERLOADED"


@pytest.mark.parametrize("authorization", ["Bearer x", "Basic x", "Bearer", ""])
async def test_a_token_that_is_not_good_is_refused_and_does_not_pass_for_nobody(
    sqlite_server, authorization
):
    answer = await sqlite_server.person().post(
        {"query": "{ viewer { email } server { name } }"}, authorization=authorization
    )
    assert answer.json()["data"] == {"viewer": None, "server": {"name": "Hubbub"}}
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_session_is_renewed_although_the_access_token_has_expired(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr("accounts.tokens.ACCESS_LIFETIME", timedelta(hours=-1))
    ana = await sqlite_server.registered("ana")
    assert await refusal(ana) == "UNAUTHENTICATED"
    monkeypatch.undo()
    ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token))
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"
