"""Requests that nobody would send in good faith, against a real server on a real port."""

import contextlib
import json

import pytest

from server.graphql_http import MAX_BODY
from tests.security.examples import EXAMPLES
from tests.security.fields import core, document, fields
from tests.security.stage import Stage
from tests.security.test_authorisation import stored
from tests.security.walk import Case
from tests.server.test_connections import connected, everything

CLOSE = b"Host: x\r\nConnection: close\r\n\r\n"
JSON = {"content-type": "application/json"}
EVIL = "https://evil.example"
REGISTER = {
    "query": "mutation($i: RegisterInput!) { register(input: $i) { errors { code } } }",
    "variables": {
        "i": {"handle": "mallory", "password": "long enough, and odd", "displayName": "Mallory"}
    },
}


async def exchanged(server, sent):
    """Send bytes as they are, and return everything that comes back until the server closes."""
    async with connected(server) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
        return await everything(reader)


def statuses(answer):
    """Return the statuses of the answers in some bytes."""
    return [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{" + b" " * (MAX_BODY - 2) + b"}", 400),
        (b'{"query": "{ server { name } }", "x": "' + b"x" * (MAX_BODY - 41) + b'"}', 200),
        (b"{" + b" " * MAX_BODY + b"}", 413),
        (b"[" * 500_000, 400),
        (b'{"query":' * 100_000, 400),
        (
            b'{"query": "{ server { name } }", "variables": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
            200,
        ),
        (b'{"query": "{ server { name } }", "variables": {"a": 1e999999}}', 400),
        (b'{"query": "{ server { name } }", "variables": {"a": ' + b"9" * 5000 + b"}}", 400),
        (b'{"query": "{ server { name } }", "query": 1}', 400),
        (b'{"query": "\xff\xfe"}', 400),
        (b'{"query": "\\ud800"}', 400),
        (b'{"query": "{ server { name } }\\u0000"}', 200),
        (b'\xef\xbb\xbf{"query": "{ server { name } }"}', 400),
        (b'{"query": NaN}', 400),
        (b"", 400),
        (b"null", 400),
        (b'"x"', 400),
        (b'[{"query": "{ server { name } }"}]', 400),
    ],
    ids=range(18),
)
async def test_an_odd_body_is_answered_and_the_server_goes_on(sqlite_server, body, status):
    person = sqlite_server.person()
    answer = await person._http.post("/graphql", content=body, headers=JSON)
    assert answer.status_code == status, answer.text[:200]
    assert "INTERNAL" not in answer.text
    assert await person.ask("{ server { name } }")


# --- pages of other origins ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "text/plain; application/json"},
        {},
    ],
)
async def test_a_form_of_another_page_does_nothing(sqlite_server, headers):
    before = await stored(sqlite_server)
    answer = await sqlite_server.person()._http.post(
        "/graphql", content=json.dumps(REGISTER), headers={**headers, "origin": EVIL}
    )
    assert answer.status_code == 415
    assert "access-control-allow-origin" not in answer.headers
    assert await stored(sqlite_server) == before


async def test_a_mutation_by_get_does_nothing_wherever_it_comes_from(sqlite_server):
    before = await stored(sqlite_server)
    for headers in ({}, {"origin": EVIL}, {"sec-fetch-site": "cross-site"}):
        answer = await sqlite_server.person().ask_by_get(REGISTER, **headers)
        assert answer.status_code in (403, 405)
    assert await stored(sqlite_server) == before


async def test_a_query_by_get_of_another_page_is_not_answered(sqlite_server):
    for headers in ({"origin": EVIL}, {"sec-fetch-site": "cross-site"}):
        answer = await sqlite_server.person().ask_by_get(
            {"query": "{ server { name } }"}, **headers
        )
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


async def test_another_page_is_told_that_it_may_ask_nothing(sqlite_server):
    preflight = await sqlite_server.person()._http.options(
        "/graphql",
        headers={
            "origin": EVIL,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert not [name for name in preflight.headers if name.startswith("access-control-allow")]


async def test_a_socket_of_another_page_is_not_opened(sqlite_server):
    import websockets

    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with sqlite_server.person().socket(origin=EVIL):
            pass
    assert refusal.value.response.status_code == 403


# --- addresses and headers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        b"/graphiql/../pyproject.toml",
        b"/graphiql/../../../../../../etc/passwd",
        b"/graphiql/%2e%2e/%2e%2e/pyproject.toml",
        b"/graphiql/..%2f..%2fpyproject.toml",
        b"/graphiql/..%5c..%5cpyproject.toml",
        b"/graphiql/%252e%252e/pyproject.toml",
        b"/graphiql//etc/passwd",
        b"/graphiql/%2fetc%2fpasswd",
        b"/graphiql/assets/../../package.json",
        b"/graphiql/\\..\\..\\pyproject.toml",
        b"/graphiql/index.html%00.png",
        b"/graphiql/" + b"a" * 5000,
        b"//graphiql/../pyproject.toml",
    ],
)
async def test_no_path_leads_out_of_the_page(sqlite_server, path):
    answer = await exchanged(sqlite_server, b"GET %b HTTP/1.1\r\n" % path + CLOSE)
    assert statuses(answer) in ([400], [404])
    assert b"[project]" not in answer
    assert b"root:" not in answer


async def test_what_a_client_brings_makes_no_header_of_ours(sqlite_server):
    answer = await exchanged(
        sqlite_server,
        b"GET /graphql?x=%0d%0aset-cookie:%20a=b HTTP/1.1\r\nHost: x\r\n"
        b"X-Request-Id: abcdefgh%0d%0aset-cookie: a=b\r\nOrigin: a\xff%0d%0ab\r\n"
        b"Accept: text/html%0d%0a, application/json\r\nConnection: close\r\n\r\n",
    )
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert len(statuses(answer)) == 1
    assert b"set-cookie" not in head
    assert b"abcdefgh" not in head


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: a\x00b\r\n",
        b"X-A: a\rb\r\n",
        b"X-A : a\r\n",
        b" X-A: a\r\n",
        b"X-\x01: a\r\n",
        b": a\r\n",
    ],
)
async def test_a_header_that_is_none_is_refused(sqlite_server, head):
    answer = await exchanged(
        sqlite_server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + head + b"Connection: close\r\n\r\n"
    )
    assert statuses(answer) == [400]


# --- two requests in one -------------------------------------------------------------------------

BODY = json.dumps({"query": "{ server { name } }"}).encode()
POST = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH = b"%x" % len(BODY)
HIDDEN = b"GET /nowhere HTTP/1.1\r\n" + CLOSE


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 35\r\nContent-Length: 0\r\n",
        b"Content-Length: 0\r\nContent-Length: 35\r\n",
        b"Content-Length: 35, 0\r\n",
        b"Content-Length: +35\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x23\r\n",
        b"Content-Length: 35\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 35\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 35\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
    ],
)
async def test_a_body_whose_end_two_could_see_differently_is_refused(sqlite_server, framing):
    answer = await exchanged(sqlite_server, POST + framing + b"\r\n" + BODY + HIDDEN)
    assert statuses(answer) == [400], answer
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "chunks",
    [
        LENGTH + b";x=y\r\n" + BODY + b"\r\n0\r\n\r\n",
        LENGTH + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_chunked_body_ends_where_it_says(sqlite_server, chunks):
    request = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    answer = await exchanged(sqlite_server, request + HIDDEN)
    assert statuses(answer) == [200, 404]


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"0x" + LENGTH + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        LENGTH + b" \n" + BODY + b"\n0\n\n",
        b"ffffffffffffffffff\r\n" + BODY,
        b"g\r\n" + BODY,
        b"%x\r\n" % (len(BODY) + 1) + BODY + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_chunk_of_no_clear_length_is_refused(sqlite_server, chunks):
    request = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    answer = await exchanged(sqlite_server, request + HIDDEN)
    assert statuses(answer) in ([400], []), answer


# --- what inputs do not have ---------------------------------------------------------------------

# What an attacker would like to set; none of it is an input of anything.
WISHES = ("isAdmin", "is_admin", "__proto__", "passwordHash", "createdAt", "senderId", "scopes")


def inputs(value, at=()):
    """Yield where the objects are within some variables."""
    if isinstance(value, dict):
        if at:
            yield at
        for name, each in value.items():
            yield from inputs(each, (*at, name))


def with_wish(value, at, wish):
    """Return variables with one field too many, in the object at a place."""
    if not at:
        return {**value, wish: True}
    return {**value, at[0]: with_wish(value[at[0]], at[1:], wish)}


@pytest.mark.timeout(120)
async def test_no_input_takes_a_field_that_it_does_not_have(sqlite_server):
    stage = await Stage.set_up(sqlite_server)
    asking = await stage.stranger()
    before = await stored(sqlite_server)
    tried = 0
    for field in fields(core()):
        if field.operation is None:
            continue
        for example in EXAMPLES[field.key]:
            variables = Case(field, example, None, None).variables(asking.own, asking.own)
            for place in inputs(variables):
                for wish in WISHES:
                    answer = await asking.person.run(
                        document(field), **with_wish(variables, place, wish)
                    )
                    codes = {error["extensions"]["code"] for error in answer["errors"]}
                    assert codes == {"BAD_REQUEST"}, (field.key, wish, answer)
                    assert "data" not in answer
                    tried += 1
    assert await stored(sqlite_server) == before
    assert tried > 100
