"""Every answer says what browsers must not do with it."""

import pytest

from server.middleware import HEADERS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/graphiql/", 200),
        ("GET", "/", 303),
        ("GET", "/graphiql", 308),
        ("GET", "/nowhere", 404),
        ("GET", "/graphql/", 404),
        ("DELETE", "/graphql", 405),
        ("POST", "/graphql", 415),
        ("GET", "/graphql?query={server{name}}", 200),
    ],
)
async def test_every_answer_has_them(sqlite_server, method, path, status):
    http = sqlite_server.person()._http
    answer = await http.request(method, path)
    assert answer.status_code == status
    for name, value in HEADERS.items():
        told = answer.headers.get_list(name.decode())
        assert len(told) == 1
        if name != b"content-security-policy":
            assert told == [value.decode()]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


async def test_an_answer_that_a_bug_made_has_them_too(sqlite_server, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr("schema.engine.Engine.execute", broken)
    answer = await sqlite_server.person().post({"query": "{ server { name } }"})
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "broken" not in answer.text


async def test_a_stream_has_them_too(sqlite_server):
    from tests.parts.streams import SSE, streaming

    ana = await sqlite_server.registered("ana")
    async with streaming(ana, SSE) as stream:
        assert stream.response.headers["x-content-type-options"] == "nosniff"
        assert stream.response.headers["cache-control"] == "no-store, no-transform"


async def test_answers_with_somebodys_data_are_kept_by_nobody(sqlite_server):
    ana = await sqlite_server.registered("ana")
    answer = await ana.post({"query": "{ viewer { email } }"})
    assert answer.headers["cache-control"] == "no-store"
    assert "authorization" in answer.headers["vary"]


async def test_https_is_asked_for_where_it_is_spoken_and_only_there(sqlite_server):
    person = sqlite_server.person()
    plain = await person.get("/healthz")
    secure = await person.get("/healthz", **{"x-forwarded-proto": "https"})
    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/", "/graphiql", "/graphql", "/graphql/", "/graphiql/assets"])
async def test_a_host_that_somebody_made_up_leads_nowhere(sqlite_server, path):
    answer = await sqlite_server.person().get(path, host="evil.example", accept="text/html")
    assert "evil" not in str(answer.headers) + answer.text


@pytest.mark.parametrize("host", ["", "a b", "[", "x" * 5000, "evil.example:99999", "\\"])
async def test_an_odd_host_is_no_reason_to_fail(sqlite_server, host):
    answer = await sqlite_server.person().get("/healthz", host=host)
    assert answer.status_code in (200, 400)
    answer = await sqlite_server.person().post({"query": "{ server { name } }"}, host=host)
    assert answer.status_code in (200, 400)
