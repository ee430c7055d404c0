"""GraphQL over HTTP: what comes in wrong gets a clear error with a code, and never a 500."""

import asyncio
import json

import httpx
import pytest

from server import graphql_http
from tests.parts.running import running

JSON = {"content-type": "application/json"}
GRAPHQL = "application/graphql-response+json"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "BAD_REQUEST"),
        (b"{", JSON, 400, "BAD_REQUEST"),
        (b"\xff\xfe", JSON, 400, "BAD_REQUEST"),
        (b'{"query": "\\ud800"}', JSON, 400, "BAD_REQUEST"),
        (b"null", JSON, 400, "BAD_REQUEST"),
        (b"[]", JSON, 400, "BAD_REQUEST"),
        (b'[{"query": "{ server { name } }"}]', JSON, 400, "BAD_REQUEST"),
        (b'"{ server { name } }"', JSON, 400, "BAD_REQUEST"),
        (b"{}", JSON, 400, "BAD_REQUEST"),
        (b'{"query": 1}', JSON, 400, "BAD_REQUEST"),
        (b'{"query": "{ a }", "variables": []}', JSON, 400, "BAD_REQUEST"),
        (b'{"query": "{ a }", "operationName": {}}', JSON, 400, "BAD_REQUEST"),
        (b"[" * 200_000, JSON, 400, "BAD_REQUEST"),
        (b"query=%7Ba%7D", {"content-type": "application/x-www-form-urlencoded"}, 415, None),
        (b"{ a }", {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"x", {"content-type": "multipart/form-data; boundary=x"}, 415, "UPLOAD_NOT_SUPPORTED"),
        (b'{"query": null}', JSON, 400, "BAD_REQUEST"),
        (b'{"query": "{ a }", "extensions": []}', JSON, 400, "BAD_REQUEST"),
        (b'{"documentId": 1}', JSON, 400, "BAD_REQUEST"),
        (b"{}", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"query": "{ a }"}', {**JSON, "accept": "text/plain"}, 406, "NOT_ACCEPTABLE"),
        (b"x" * (graphql_http.MAX_BODY + 1), JSON, 413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(sqlite_server, body, headers, status, code):
    async with httpx.AsyncClient(base_url=sqlite_server.url, trust_env=False) as client:
        answer = await client.post("/graphql", content=body, headers=headers)
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert error["message"]
    assert error["extensions"]["code"] == code or code is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "BAD_REQUEST"),
        ("   ", "BAD_REQUEST"),
        ("{ unclosed", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "BAD_REQUEST"),
        ("fragment A on User { id }", "BAD_REQUEST"),
        ("query A { server { name } } query B { server { name } }", "BAD_REQUEST"),
        ('query($a: Int!) { users(search: "x", first: $a) { nodes { id } } }', "BAD_REQUEST"),
        ("{ " + "server { name } " * 3000 + "}", "GRAPHQL_PARSE_FAILED"),
        ("{ server { name } } # " + "x" * 65536, "GRAPHQL_PARSE_FAILED"),
        ("{ server { name } } # " + "\N{PILE OF POO}" * 16384, "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_a_document_that_cannot_run_is_refused_with_the_status_of_its_media_type(
    sqlite_server, query, code
):
    person = sqlite_server.person()
    older = await person.post({"query": query}, accept="application/json")
    newer = await person.post({"query": query}, accept=GRAPHQL)
    for answer in (older, newer):
        assert "data" not in answer.json()
        assert [e["extensions"]["code"] for e in answer.json()["errors"]] == [code]
    assert newer.status_code == 400
    assert older.status_code in (200, 400)
    assert newer.headers["content-type"].startswith(GRAPHQL)


def guesses(count, between="{}"):
    """Return a mutation that tries so many passwords."""
    fields = (
        f'a{n}: logIn(input: {{handle: "ana", password: "guess {n}"}}) {{ errors {{ code }} }}'
        for n in range(count)
    )
    return "mutation { " + " ".join(between.format(field) for field in fields) + " }"


TOO_MANY = {
    "aliases": guesses(2),
    "fragments": guesses(2, "... on Mutation {{ {} }}"),
    "spreads": "mutation { ...A ...B } "
    "fragment A on Mutation { " + guesses(1)[11:-2] + " } "
    'fragment B on Mutation { ...A b: refreshSession(input: {refreshToken: "x"}) { expiresIn } }',
    "fields": "mutation { " + " ".join(f"a{n}: logOut {{ __typename }}" for n in range(51)) + " }",
}


@pytest.mark.parametrize("way", TOO_MANY)
async def test_a_mutation_that_does_too_much_at_once_is_refused_and_does_nothing(
    sqlite_server, way
):
    ana = await sqlite_server.registered("ana")
    answer = (await ana.post({"query": TOO_MANY[way]})).json()
    assert "data" not in answer
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TOO_MANY_FIELDS"]
    async with ana.socket() as socket:
        await socket.subscribe("m", TOO_MANY[way])
        message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "TOO_MANY_FIELDS"
    assert await ana.ask("{ viewer { user { handle } } }")  # she is not logged out


async def test_as_many_mutations_as_are_allowed_are_done_at_once(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    typing = f'setTyping(input: {{chatId: "{chat_id}"}}) {{ errors {{ code }} }}'
    fields = " ".join(f"a{n}: {typing}" for n in range(1, 50))
    done = await ana.ask(f"mutation {{ {fields} {guesses(1)[11:-2]} }}")
    assert len(done) == 50


async def test_an_operation_that_does_not_exist_is_named(sqlite_server):
    answer = await sqlite_server.person().post(
        {"query": "query A { server { name } }", "operationName": "B"}
    )
    assert "'B'" in answer.json()["errors"][0]["message"]


async def test_queries_may_be_asked_by_get_and_mutations_may_not(sqlite_server):
    person = sqlite_server.person()
    asked = await person.get(
        '/graphql?query=query($yes:Boolean!){server{name @include(if:$yes)}}&variables={"yes":true}'
    )
    assert asked.json() == {"data": {"server": {"name": "Hubbub"}}}
    done = await person.get("/graphql?query=mutation{logOut{errors{code}}}")
    assert (done.status_code, done.headers["allow"]) == (405, "POST")
    assert done.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    broken = await person.get("/graphql?query={server{name}}&variables=x")
    assert broken.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_a_mutation_by_get_changes_nothing(sqlite_server):
    query = (
        'mutation{register(input:{handle:"ana",password:"correct horse",displayName:"A"})'
        "{errors{code}}}"
    )
    refused = await sqlite_server.person().get(f"/graphql?query={query}")
    assert refused.status_code == 405
    await sqlite_server.registered("ana")  # the handle is still free


@pytest.mark.parametrize("header", ["host", "origin"])
async def test_headers_that_are_no_addresses_do_not_matter(sqlite_server, header):
    ask = {"query": "{ server { name } }"}
    answer = await sqlite_server.person().post(ask, **{header: "http://["})
    assert answer.json() == {"data": {"server": {"name": "Hubbub"}}}


FOREIGN = [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_foreign_page_asks_by_get_only_after_the_browser_has_asked_for_it(
    sqlite_server, headers
):
    person = sqlite_server.person()
    path = "/graphql?query={server{name}}"
    refused = await person.get(path, **headers)
    assert refused.status_code == 403
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "PREFLIGHT_REQUIRED"
    assert "graphql-require-preflight" in error["message"]
    for name, value in (
        *((name, "true") for name in graphql_http.PREFLIGHTED),
        ("authorization", "Bearer x"),
        ("content-type", "application/json"),
    ):
        answer = await person.get(path, **headers, **{name: value})
        assert answer.json() == {"data": {"server": {"name": "Hubbub"}}}, name


async def test_pages_of_the_server_and_of_allowed_origins_ask_by_get(migrated_sqlite_url):
    async with running(migrated_sqlite_url, allowed_origins=["https://chat.example"]) as server:
        for headers in (
            {},
            {"origin": server.url, "sec-fetch-site": "same-origin"},
            {"sec-fetch-site": "none"},
            {"origin": "https://chat.example", "sec-fetch-site": "cross-site"},
        ):
            answer = await server.person().get("/graphql?query={server{name}}", **headers)
            assert answer.json() == {"data": {"server": {"name": "Hubbub"}}}, headers


async def test_a_page_of_an_allowed_origin_may_send_the_headers_that_it_needs(migrated_sqlite_url):
    asking = {
        "origin": "https://chat.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": ", ".join(graphql_http.PREFLIGHTED),
    }
    async with (
        running(migrated_sqlite_url, allowed_origins=["https://chat.example"]) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        answer = await client.options("/graphql", headers=asking)
    assert answer.status_code == 200


async def test_extensions_in_the_address_are_json(sqlite_server):
    broken = await sqlite_server.person().get("/graphql?query={server{name}}&extensions=x")
    assert broken.status_code == 400
    assert "extensions is not JSON" in broken.json()["errors"][0]["message"]


async def test_a_visitor_with_a_browser_is_shown_graphiql(sqlite_server):
    answer = await sqlite_server.person().get("/graphql", accept="text/html,*/*;q=0.8")
    assert (answer.status_code, answer.headers["location"]) == (303, "graphiql/")


async def test_a_value_of_the_wrong_type_is_explained_and_not_an_internal_error(sqlite_server):
    ana = await sqlite_server.registered("ana")
    mutation = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { errors { code } } }"
    answer = await ana.run(mutation, i={"chatId": "x", "text": "t", "clientMessageId": "no uuid"})
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "UUID" in error["message"]


async def test_a_crash_is_masked_logged_under_a_reference_and_harms_no_other_request(
    sqlite_server, monkeypatch, caplog
):
    ana = await sqlite_server.registered("ana")

    async def crash(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("schema.viewer.members.unread_total", crash)
    query = "{ viewer { unreadCount } }"
    crashed, fine = await asyncio.gather(ana.run(query), ana.run("{ viewer { email } }"))
    (error,) = crashed["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert "secret" not in json.dumps(crashed)
    assert fine == {"data": {"viewer": {"email": None}}}


async def test_every_answer_carries_the_request_id_that_is_in_the_log(sqlite_server):
    person = sqlite_server.person()
    brought = await person.post({"query": "{ server { name } }"}, **{"x-request-id": "proxy-1234"})
    assert brought.headers["x-request-id"] == "proxy-1234"
    forged = await person.post({"query": "{ server { name } }"}, **{"x-request-id": "a b\tc" * 9})
    assert forged.headers["x-request-id"] != "a b\tc" * 9


async def test_pages_of_allowed_origins_alone_are_let_in_by_cors(migrated_sqlite_url):
    async with running(migrated_sqlite_url, allowed_origins=["https://chat.example"]) as server:
        ask = {"query": "{ server { name } }"}
        friend = await server.person().post(ask, origin="https://chat.example")
        assert friend.headers["access-control-allow-origin"] == "https://chat.example"
        stranger = await server.person().post(ask, origin="https://evil.example")
        assert "access-control-allow-origin" not in stranger.headers
