"""What a client gets by its `accept`, over the network."""

import json

import httpx
import pytest

from tests.parts.streams import MULTIPART, SSE
from tests.parts.streams import streaming as stream_of

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "{ server { name } }"
NAME = {"data": {"server": {"name": "Hubbub"}}}
SUBSCRIPTION = "subscription { events { seq } }"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON}; charset=utf-8, {GRAPHQL}; charset=utf-8", GRAPHQL),
        (f"{JSON}, {GRAPHQL};q=0.9", JSON),
        (f"{GRAPHQL};q=0, */*;q=0.1", JSON),
        (SSE, SSE),
        (f"{SSE}, {JSON}", JSON),
        (f"{SSE}, {JSON};q=0.5", SSE),
        (f"{JSON};q=0.0, {SSE};q=0.1", SSE),
        # What Apollo Client sends with a query, and with a subscription.
        (f"multipart/mixed;deferSpec=20220824,{GRAPHQL},{JSON};q=0.9", GRAPHQL),
        (f"multipart/mixed;boundary=graphql;subscriptionSpec=1.0,{GRAPHQL},{JSON};q=0.9", GRAPHQL),
        # What urql sends with a query.
        (f"{GRAPHQL}, application/graphql+json, {JSON}, {SSE}, multipart/mixed", GRAPHQL),
        (MULTIPART, "multipart/mixed"),
    ],
)
async def test_a_query_is_answered_in_the_type_that_is_preferred(
    sqlite_server, accept, content_type
):
    answer = await sqlite_server.person().post({"query": QUERY}, accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == content_type
    if content_type in (JSON, GRAPHQL):
        assert answer.json() == NAME
    else:
        assert json.dumps(NAME).replace(" ", "") in answer.text


@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
async def test_a_query_over_sse_is_one_result_and_the_end(sqlite_server, by_get):
    async with stream_of(sqlite_server.person(), SSE, QUERY, by_get=by_get) as stream:
        assert await stream.rest() == [{"payload": NAME}]
    assert stream.completed


async def test_a_mutation_over_sse_is_done_by_post_and_refused_by_get(sqlite_server):
    ana = await sqlite_server.registered("ana")
    mutation = (
        'mutation { createChat(input: {kind: GROUP, title: "T", memberIds: []}) '
        "{ chat { title } } }"
    )
    async with stream_of(ana, SSE, mutation) as stream:
        assert await stream.next() == {"chat": {"title": "T"}}
        assert await stream.rest() == []
    assert stream.completed
    refused = await ana.get("/graphql?query=mutation{logOut{errors{code}}}", accept=SSE)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert refused.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_an_operation_that_ends_its_own_session_is_answered_over_sse(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, SSE, "mutation { logOut { errors { code } } }") as stream:
        assert await stream.next() == {"errors": []}
        await stream.rest()
    assert stream.completed


@pytest.mark.parametrize(
    "accept", ["*/*", JSON, GRAPHQL, "multipart/mixed", "multipart/mixed;deferSpec=20220824, */*"]
)
async def test_a_subscription_without_a_type_that_streams_is_told_which_do(sqlite_server, accept):
    ana = await sqlite_server.registered("ana")
    answer = await ana.post({"query": SUBSCRIPTION}, accept=accept)
    assert answer.status_code == 406
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "NOT_ACCEPTABLE"
    assert SSE in error["message"]
    assert "multipart/mixed;subscriptionSpec=1.0" in error["message"]


async def test_a_request_that_makes_no_sense_is_an_http_error_for_streams_too(sqlite_server):
    person = sqlite_server.person()
    broken = await person.post(b"{", accept=SSE)
    form = await person.post(b"x", accept=MULTIPART, **{"content-type": "text/plain"})
    assert [broken.status_code, form.status_code] == [400, 415]
    for answer in (broken, form):
        assert answer.headers["content-type"].startswith(JSON)
        assert answer.json()["errors"][0]["message"]


async def test_the_head_of_a_subscription_cannot_be_asked_for(sqlite_server):
    ana = await sqlite_server.registered("ana")
    url = f"/graphql?query={SUBSCRIPTION}"
    headers = {"accept": SSE, "authorization": f"Bearer {ana.token}"}
    async with httpx.AsyncClient(base_url=ana.url, trust_env=False) as http:
        answer = await http.head(url, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
