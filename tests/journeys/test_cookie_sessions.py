"""A page in Chromium whose session is in cookies, and what pages of others can do with it."""

import asyncio
import json

import pytest

from tests.parts.people import PASSWORD
from tests.parts.ports import free_port

ASK = """
async ({url, query, headers, credentials}) => {
  const answer = await fetch(url + "/graphql", {
    method: "POST", credentials,
    headers: {"content-type": "application/json", ...headers},
    body: JSON.stringify({query}),
  });
  return {body: await answer.json(), csrf: answer.headers.get("x-csrf-token")};
}
"""
SOCKET = """
(url) => new Promise((resolve) => {
  const socket = new WebSocket(url.replace("http", "ws") + "/graphql", "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => send({type: "connection_init"});
  socket.onclose = (event) => resolve(`closed ${event.code}`);
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack")
      send({id: "1", type: "subscribe", payload: {query: "{ viewer { user { handle } } }"}});
    if (message.type === "next") resolve(JSON.stringify(message.payload.data.viewer));
  };
})
"""
EVENT_SOURCE = """
(url) => new Promise((resolve) => {
  const query = encodeURIComponent("subscription { events { __typename } }");
  const source = new EventSource(`${url}/graphql?query=${query}`, {withCredentials: true});
  source.onopen = () => resolve("open");
  source.onerror = () => resolve("refused");
  source.addEventListener("next", (event) => resolve(event.data));
})
"""
SIGN_IN = (
    f'mutation {{ register(input: {{handle: "ana", password: "{PASSWORD}", displayName: "Ana"}}) '
    "{ accessToken refreshToken session { id } errors { code } } }"
)
HANDLE = "{ viewer { user { handle } } }"


@pytest.fixture
async def pages(hubbub, browser):
    """A page of the server's own, and one of another origin on the same site."""
    server = await asyncio.to_thread(
        hubbub, "serve", HUBBUB_COOKIE_SESSIONS="true", HUBBUB_PASSWORD_MEMORY_KIB="8192"
    )
    context = await browser.new_context()
    foreign_url = f"http://127.0.0.1:{free_port()}"
    await context.route(
        f"{foreign_url}/**",
        lambda route: route.fulfill(content_type="text/html", body="<title>Not Hubbub</title>"),
    )
    own, foreign = await context.new_page(), await context.new_page()
    await own.goto(f"{server.url}/graphiql/")
    await foreign.goto(f"{foreign_url}/")
    yield server.url, own, foreign
    await context.close()


async def asked(page, url, query, **headers):
    return await page.evaluate(
        ASK, {"url": url, "query": query, "headers": headers, "credentials": "include"}
    )


@pytest.mark.timeout(120)
async def test_a_page_signs_in_and_asks_with_cookies_and_no_script_sees_a_token(pages):
    url, own, _ = pages
    signed_in = await asked(own, url, SIGN_IN, **{"hubbub-session": "cookie"})
    payload = signed_in["body"]["data"]["register"]
    assert (payload["errors"], payload["accessToken"], payload["refreshToken"]) == ([], None, None)
    assert await own.evaluate("document.cookie") == f"hubbub_csrf={signed_in['csrf']}"
    answer = await asked(own, url, HANDLE, **{"x-csrf-token": signed_in["csrf"]})
    assert answer["body"] == {"data": {"viewer": {"user": {"handle": "ana"}}}}
    without = await asked(own, url, HANDLE)
    assert without["body"]["errors"][0]["extensions"]["code"] == "CSRF_TOKEN_REQUIRED"
    assert json.loads(await own.evaluate(SOCKET, url)) == {"user": {"handle": "ana"}}
    assert await own.evaluate(EVENT_SOURCE, url) == "open"
    renewed = await asked(
        own,
        url,
        "mutation { refreshSession(input: {}) { accessToken session { id } errors { code } } }",
        **{"hubbub-session": "cookie", "x-csrf-token": signed_in["csrf"]},
    )
    assert renewed["body"]["data"]["refreshSession"]["session"] == payload["session"]
    await asked(
        own, url, "mutation { logOut { errors { code } } }", **{"x-csrf-token": signed_in["csrf"]}
    )
    assert await own.evaluate("document.cookie") == ""
    assert (await asked(own, url, HANDLE))["body"] == {"data": {"viewer": None}}


@pytest.mark.timeout(120)
async def test_a_foreign_page_of_the_same_site_can_do_nothing_with_them(pages):
    url, own, foreign = pages
    csrf = (await asked(own, url, SIGN_IN, **{"hubbub-session": "cookie"}))["csrf"]
    out = "mutation { logOut { errors { code } } }"
    for headers in ({}, {"x-csrf-token": csrf}):  # the browser asks first, and is told no
        refused = await foreign.evaluate(
            "async ([ask, given]) => { try { return await eval(ask)(given) }"
            " catch (error) { return error.name } }",
            [ASK, {"url": url, "query": out, "headers": headers, "credentials": "include"}],
        )
        assert refused == "TypeError"
    assert await foreign.evaluate(SOCKET, url) == "closed 1006"
    assert await foreign.evaluate(EVENT_SOURCE, url) == "refused"
    # A form needs nobody's leave, and leads the browser to the answer.
    await foreign.set_content(
        f"""<form method="post" action="{url}/graphql" enctype="text/plain">
        <input name='{{"query": "{out}", "x": "' value='"}}'></form>"""
    )
    async with foreign.expect_navigation():
        await foreign.evaluate("document.forms[0].submit()")
    assert "UNSUPPORTED_MEDIA_TYPE" in await foreign.content()
    answer = await asked(own, url, HANDLE, **{"x-csrf-token": csrf})
    assert answer["body"] == {"data": {"viewer": {"user": {"handle": "ana"}}}}
