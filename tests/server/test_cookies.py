"""Sessions in cookies: what is set, when it is believed, and every way to misuse it."""

from http.cookies import SimpleCookie

import pytest
import websockets

from tests.parts.people import PASSWORD, Person
from tests.parts.running import running

HANDLE = "{ viewer { user { handle } session { id } } }"
SIGNED_IN = "session { id current } accessToken refreshToken expiresIn errors { code path }"
FRIEND = "https://app.example.org"
HOST = "chat.example.org"


@pytest.fixture
async def server(migrated_sqlite_url):
    async with running(
        migrated_sqlite_url, cookie_sessions=True, allowed_origins=[FRIEND]
    ) as started:
        yield started


class Browser:
    """A browser as far as cookies go: keeps what is set, and sends it whoever asks."""

    def __init__(self, person: Person, host: str | None = None) -> None:
        self.person = person
        self.cookies: dict[str, str] = {}
        self.headers = {"host": host} if host else {}
        self.csrf: str | None = None
        self.told: list[str] = []  # the last answer's set-cookie headers

    async def post(self, query, *, proof=True, **headers):
        """Send an operation as a page of the server's own does; returns the response."""
        self.person._http.cookies.clear()  # these are kept here
        sent = {**self.headers, **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if proof and self.csrf:
            sent["x-csrf-token"] = self.csrf
        body = query if isinstance(query, dict) else {"query": query}
        response = await self.person.post(body, **sent)
        self.take(response)
        return response

    async def get(self, query, **headers):
        self.person._http.cookies.clear()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = await self.person.ask_by_get(
            {"query": query}, cookie=cookie, **{**self.headers, **headers}
        )
        self.take(response)
        return response

    def take(self, response):
        self.told = response.headers.get_list("set-cookie")
        for text in self.told:
            for name, morsel in SimpleCookie(text).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        self.csrf = response.headers.get("x-csrf-token", self.csrf)

    async def sign_in(self, mutation="register", **headers):
        more = ', displayName: "Ana"' if mutation == "register" else ""
        query = (
            f'mutation {{ {mutation}(input: {{handle: "ana", password: "{PASSWORD}"{more}}}) '
            f"{{ {SIGNED_IN} }} }}"
        )
        response = await self.post(query, **{"hubbub-session": "cookie", **headers})
        return response.json()["data"][mutation]

    async def refresh(self, **more):
        query = f"mutation {{ refreshSession(input: {{}}) {{ {SIGNED_IN} }} }}"
        response = await self.post(query, **{"hubbub-session": "cookie"}, **more)
        return response.json()["data"]["refreshSession"]

    def kept(self, name):
        return self.cookies.get(name) or self.cookies.get(f"__Host-{name}")


@pytest.fixture
def browser(server):
    return Browser(server.person())


def who(response):
    """Return whom a response is for, or why for nobody."""
    body = response.json()
    if body.get("data", {}).get("viewer"):
        return body["data"]["viewer"]["user"]["handle"]
    return body["errors"][0]["extensions"]["code"] if body.get("errors") else None


async def test_tokens_are_in_cookies_and_not_in_the_answer(browser):
    payload = await browser.sign_in()
    assert payload["errors"] == []
    assert (payload["accessToken"], payload["refreshToken"]) == (None, None)
    assert (payload["expiresIn"], payload["session"]["current"]) == (900, True)
    assert set(browser.cookies) == {"hubbub_access", "hubbub_refresh", "hubbub_csrf"}
    assert browser.csrf == browser.cookies["hubbub_csrf"]
    assert who(await browser.post(HANDLE)) == "ana"
    assert who(await browser.get(HANDLE)) == "ana"


async def test_cookies_are_out_of_reach_of_scripts_other_sites_and_other_hosts(server):
    away = Browser(server.person(), HOST)
    await away.sign_in()
    assert set(away.cookies) == {f"__Host-hubbub_{name}" for name in ("access", "refresh", "csrf")}
    for text in away.told:
        lower = text.lower()
        assert "; secure" in lower
        assert "samesite=strict" in lower
        assert "path=/;" in lower.replace("path=/ ", "path=/;") + ";"
        assert "domain" not in lower
        assert ("httponly" in lower) == ("_csrf" not in lower)
    assert who(await away.post(HANDLE)) == "ana"


async def test_without_tls_on_ones_own_machine_the_cookies_do_without_as_well(browser):
    await browser.sign_in()
    assert not any("secure" in text.lower() for text in browser.told)
    # But nowhere else is such a cookie believed: there, whoever is on the way could have set it.
    assert who(await browser.post(HANDLE, host=HOST)) is None


async def test_a_session_is_renewed_by_cookie_alone(browser):
    first = await browser.sign_in()
    before = dict(browser.cookies)
    payload = await browser.refresh()
    assert payload["errors"] == []
    assert payload["session"]["id"] == first["session"]["id"]
    assert (payload["accessToken"], payload["refreshToken"]) == (None, None)
    assert browser.kept("hubbub_refresh") != before["hubbub_refresh"]
    assert who(await browser.post(HANDLE)) == "ana"


async def test_cookies_of_a_session_that_is_over_are_cleared_when_it_cannot_be_renewed(
    server, browser
):
    await browser.sign_in()
    elsewhere = server.person()
    await elsewhere.log_in("ana")
    await elsewhere.ask("mutation { revokeOtherSessions { errors { code } } }")
    assert who(await browser.post(HANDLE)) == "UNAUTHENTICATED"
    assert set(browser.cookies) == {"hubbub_access", "hubbub_refresh", "hubbub_csrf"}
    payload = await browser.refresh()
    assert [error["code"] for error in payload["errors"]] == ["UNAUTHENTICATED"]
    assert browser.cookies == {}
    assert who(await browser.post(HANDLE)) is None


async def test_without_a_cookie_there_is_nothing_to_renew(browser):
    payload = await browser.refresh()
    assert [error["code"] for error in payload["errors"]] == ["UNAUTHENTICATED"]
    browser.cookies["hubbub_refresh"] = "made up"
    payload = await browser.refresh()
    assert [error["code"] for error in payload["errors"]] == ["UNAUTHENTICATED"]


async def test_without_cookies_a_refresh_token_has_to_be_given(browser):
    response = await browser.post(f"mutation {{ refreshSession(input: {{}}) {{ {SIGNED_IN} }} }}")
    payload = response.json()["data"]["refreshSession"]
    assert payload["errors"] == [{"code": "INVALID_INPUT", "path": ["refreshToken"]}]


async def test_logging_out_clears_the_cookies_and_ends_the_session(browser):
    await browser.sign_in()
    kept = dict(browser.cookies)
    await browser.post("mutation { logOut { errors { code } } }")
    assert browser.cookies == {}
    browser.cookies = kept
    assert who(await browser.post(HANDLE)) == "UNAUTHENTICATED"


async def test_ending_ones_own_session_clears_the_cookies_as_well(browser):
    payload = await browser.sign_in()
    id_ = payload["session"]["id"]
    await browser.post(
        f'mutation {{ revokeSession(input: {{sessionId: "{id_}"}}) {{ sessionId }} }}'
    )
    assert browser.cookies == {}


async def test_bearer_tokens_go_on_beside_cookies_and_count_before_them(server, browser):
    await browser.sign_in()
    ben = await server.registered("ben")
    assert ben.token is not None
    assert not ben._http.cookies
    answer = await browser.post(HANDLE, proof=False, authorization=f"Bearer {ben.token}")
    assert who(answer) == "ben"
    assert who(await browser.post(HANDLE, authorization="Bearer nonsense")) == "UNAUTHENTICATED"
    # What ends ben's session leaves ana's cookies alone.
    out = "mutation { logOut { errors { code } } }"
    await browser.post(out, authorization=f"Bearer {ben.token}")
    assert who(await browser.post(HANDLE)) == "ana"


async def test_a_sign_in_that_does_not_ask_for_cookies_gets_tokens_and_sets_none(server, browser):
    await browser.sign_in()
    kept = dict(browser.cookies)
    query = (
        f'mutation {{ logIn(input: {{handle: "ana", password: "{PASSWORD}"}}) {{ {SIGNED_IN} }} }}'
    )
    payload = (await browser.post(query)).json()["data"]["logIn"]
    assert payload["accessToken"]
    assert payload["refreshToken"]
    assert (browser.told, browser.cookies) == ([], kept)


@pytest.mark.parametrize("mode", ["token", "Cookie, please", ""])
async def test_another_mode_than_cookies_is_not_understood(browser, mode):
    response = await browser.post(HANDLE, **{"hubbub-session": mode})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_where_cookies_are_switched_off_none_are_set_and_none_read(migrated_sqlite_url):
    async with running(migrated_sqlite_url) as server:
        browser = Browser(server.person())
        response = await browser.post(HANDLE, **{"hubbub-session": "cookie"})
        assert (response.status_code, response.headers.get("set-cookie")) == (400, None)
        ana = await server.registered("ana")
        browser.cookies["hubbub_access"] = str(ana.token)
        assert who(await browser.get(HANDLE)) is None


# --- misuse ---------------------------------------------------------------------------------------


async def test_a_post_without_the_proof_is_nobodys(browser):
    await browser.sign_in()
    response = await browser.post(HANDLE, proof=False)
    assert who(response) == "CSRF_TOKEN_REQUIRED"
    assert "x-csrf-token" not in response.headers
    own = browser.csrf
    for wrong in ("", "x", own[:-1], own + "A", "\xff\xfe"):
        browser.csrf = None
        response = await browser.post(HANDLE, **{"x-csrf-token": wrong.encode("latin-1")})
        assert who(response) == "CSRF_TOKEN_REQUIRED"


async def test_the_proof_of_one_session_is_none_of_another(server, browser):
    await browser.sign_in()
    other = Browser(server.person())
    await other.sign_in("logIn")
    browser.csrf = other.csrf
    assert who(await browser.post(HANDLE)) == "CSRF_TOKEN_REQUIRED"


async def test_without_the_proof_a_session_is_not_renewed_either(browser):
    await browser.sign_in()
    kept = dict(browser.cookies)
    payload = await browser.refresh(proof=False)
    assert [error["code"] for error in payload["errors"]] == ["CSRF_TOKEN_REQUIRED"]
    assert browser.cookies == kept
    assert (await browser.refresh())["errors"] == []  # it was not spent


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"],
)
async def test_a_form_of_any_page_cannot_act_for_its_visitor(browser, content_type):
    await browser.sign_in()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    response = await browser.person._http.post(
        "/graphql",
        content='{"query": "mutation { logOut { errors { code } } }", "x": "="}',
        headers={"content-type": content_type, "cookie": cookie, "origin": "https://evil.example"},
    )
    assert response.status_code == 415
    assert who(await browser.post(HANDLE)) == "ana"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://["]
)
async def test_a_script_of_a_foreign_page_cannot_act_even_with_the_proof(browser, origin):
    await browser.sign_in()
    assert who(await browser.post(HANDLE, origin=origin)) is None
    response = await browser.post(HANDLE, origin=origin, **{"hubbub-session": "cookie"})
    assert response.status_code == 403
    assert who(response) == "ORIGIN_NOT_ALLOWED"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_get_from_a_foreign_page_sees_nothing_of_its_visitor(browser, headers):
    await browser.sign_in()
    assert who(await browser.get(HANDLE, **headers)) == "PREFLIGHT_REQUIRED"
    asked = {**headers, "graphql-require-preflight": "true"}
    response = await browser.get(HANDLE, **asked)
    assert who(response) is None
    assert "x-csrf-token" not in response.headers


async def test_a_get_never_changes_anything(browser):
    await browser.sign_in()
    response = await browser.get("mutation { logOut { errors { code } } }")
    assert response.status_code == 405
    assert who(await browser.post(HANDLE)) == "ana"


async def test_an_allowed_page_of_another_origin_finds_the_proof_in_an_answer(browser):
    await browser.sign_in()
    browser.csrf = None
    page = {"origin": FRIEND, "graphql-require-preflight": "true"}
    response = await browser.get(HANDLE, **page)
    assert who(response) == "ana"
    assert response.headers["access-control-allow-origin"] == FRIEND
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "x-csrf-token" in response.headers["access-control-expose-headers"]
    assert who(await browser.post(HANDLE, origin=FRIEND)) == "ana"


async def test_a_session_that_was_planted_before_is_not_the_one_after_logging_in(server):
    victim, mallory = Browser(server.person()), Browser(server.person())
    planted = (await mallory.sign_in())["session"]["id"]
    victim.cookies, victim.csrf = dict(mallory.cookies), mallory.csrf
    payload = await victim.sign_in("logIn")
    assert payload["session"]["id"] != planted
    for name, value in mallory.cookies.items():
        assert victim.cookies[name] != value
    assert (await victim.post(HANDLE)).json()["data"]["viewer"]["session"]["id"] != planted
    # What mallory knows proves nothing in the session that the victim has now.
    victim.csrf = mallory.csrf
    assert who(await victim.post(HANDLE)) == "CSRF_TOKEN_REQUIRED"


# --- sockets --------------------------------------------------------------------------------------


def cookie_of(browser):
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


async def asked_over(socket):
    """Return what the viewer query answers on a socket whose `connection_init` says nothing."""
    await socket.send(type="connection_init", payload={})
    if (await socket.receive())["type"] != "connection_ack":
        raise AssertionError
    await socket.subscribe("who", HANDLE)
    return (await socket.receive())["payload"]["data"]["viewer"]


async def test_a_socket_of_an_own_or_allowed_page_is_signed_in_by_cookie(server, browser):
    await browser.sign_in()
    for origin in (server.url, FRIEND):
        async with browser.person.socket(
            init=False, origin=origin, additional_headers={"cookie": cookie_of(browser)}
        ) as socket:
            assert (await asked_over(socket))["user"]["handle"] == "ana"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
async def test_a_socket_of_a_foreign_page_or_of_none_is_not_opened_with_cookies(browser, origin):
    await browser.sign_in()
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with browser.person.socket(
            init=False, origin=origin, additional_headers={"cookie": cookie_of(browser)}
        ):
            raise AssertionError("was opened")
    assert refused.value.response.status_code == 403


async def test_a_token_in_connection_init_counts_before_the_cookie(server, browser):
    await browser.sign_in()
    ben = await server.registered("ben")
    async with browser.person.socket(
        init=False, origin=server.url, additional_headers={"cookie": cookie_of(browser)}
    ) as socket:
        payload = {"authorization": f"Bearer {ben.token}"}
        await socket.send(type="connection_init", payload=payload)
        await socket.receive()
        await socket.subscribe("who", HANDLE)
        data = (await socket.receive())["payload"]["data"]
    assert data["viewer"]["user"]["handle"] == "ben"


async def test_a_socket_that_was_signed_in_by_cookie_closes_with_the_session(server, browser):
    await browser.sign_in()
    async with browser.person.socket(
        init=False, origin=server.url, additional_headers={"cookie": cookie_of(browser)}
    ) as socket:
        await asked_over(socket)
        assert (await socket.receive())["type"] == "complete"
        await browser.post("mutation { logOut { errors { code } } }")
        assert (await socket.closed())[0] == 4403


async def test_an_eventsource_of_an_own_page_is_signed_in_by_cookie(browser):
    await browser.sign_in()
    query = "subscription { events { __typename } }"
    headers = {
        "accept": "text/event-stream",
        "cookie": cookie_of(browser),
        "sec-fetch-site": "same-origin",
    }
    async with browser.person._http.stream(
        "GET", "/graphql", params={"query": query}, headers=headers
    ) as stream:
        told = stream.aiter_text()
        heard = await anext(told)
        await browser.post("mutation { logOut { errors { code } } }")
        async for text in told:
            heard += text
    assert "UNAUTHENTICATED" in heard
    assert "Sign in first" not in heard
