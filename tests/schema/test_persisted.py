"""Requests that name their document: learnt from clients, or listed by the operator."""

import hashlib
import json

import pytest

from schema import persisted
from tests.parts.running import running
from tests.schema.asking import TRANSPORTS, answer, refused

QUERY = "{ server { name } }"
SERVER = {"data": {"server": {"name": "Hubbub"}}}


def digest(query):
    return hashlib.sha256(query.encode()).hexdigest()


def hashed(named, /, **more):
    """Return the request of a client that names a document by its hash."""
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest(named)}}
    return {"extensions": extensions, **more}


# --- automatic -----------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_document_is_learnt_once_and_named_from_then_on(sqlite_server, transport):
    person = sqlite_server.person()
    error = await refused(person, transport, hashed(QUERY))
    assert error["message"] == "PersistedQueryNotFound"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert await answer(person, transport, hashed(QUERY, query=QUERY)) == SERVER
    for other in TRANSPORTS:
        assert await answer(person, other, hashed(QUERY)) == SERVER
        assert await answer(person, other, {"documentId": f"sha256:{digest(QUERY)}"}) == SERVER


async def test_an_unknown_hash_has_the_status_of_its_media_type(sqlite_server):
    person = sqlite_server.person()
    assert (await person.post(hashed(QUERY), accept="application/json")).status_code == 200
    newer = await person.post(hashed(QUERY), accept="application/graphql-response+json")
    assert newer.status_code == 400


async def test_a_subscription_can_be_named_by_its_hash(sqlite_server):
    ana = await sqlite_server.registered("ana")
    query = "subscription($id: ID!) { typing(chatId: $id) { user { handle } } }"
    variables = {"id": "nothing"}
    for request in (hashed(query, query=query), hashed(query)):
        error = await refused(ana, "socket", {**request, "variables": variables})
        assert error["extensions"]["code"] == "INVALID_ID"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hash_of_another_document_is_refused_and_teaches_nothing(sqlite_server, transport):
    person = sqlite_server.person()
    error = await refused(person, transport, hashed("{ __typename }", query=QUERY))
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "sha256Hash" in error["message"]
    error = await refused(person, transport, hashed("{ __typename }"))
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("query", ["{ unclosed", "{ unknown }", "{ server { " + "... { " * 70])
async def test_a_document_that_may_not_run_is_not_learnt(sqlite_server, query):
    person = sqlite_server.person()
    assert "data" not in await answer(person, "post", hashed(query, query=query))
    error = await refused(person, "post", hashed(query))
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


async def test_no_more_is_learnt_than_is_meant_to_be_kept(sqlite_server, monkeypatch):
    monkeypatch.setattr(persisted, "KEPT", 2)
    person = sqlite_server.person()
    first, second, third = [f"query Q{n} {QUERY}" for n in range(3)]
    for query in (first, second):
        await answer(person, "post", hashed(query, query=query))
    assert await answer(person, "post", hashed(first)) == SERVER
    await answer(person, "post", hashed(third, query=third))
    assert await answer(person, "post", hashed(first)) == SERVER
    assert "errors" in await answer(person, "post", hashed(second))


async def test_no_more_bytes_are_learnt_than_are_meant_to_be_kept(sqlite_server, monkeypatch):
    monkeypatch.setattr(persisted, "KEPT_BYTES", 10_000)
    person = sqlite_server.person()
    long = [f"{QUERY} #{n}" + "x" * 6000 for n in range(2)]
    for query in long:
        assert await answer(person, "post", hashed(query, query=query)) == SERVER
    assert "errors" in await answer(person, "post", hashed(long[0]))
    assert await answer(person, "post", hashed(long[1])) == SERVER


async def test_a_mutation_by_its_hash_is_not_done_by_get(sqlite_server):
    person = sqlite_server.person()
    mutation = "mutation { logOut { errors { code } } }"
    await answer(person, "post", hashed(mutation, query=mutation))
    assert (await person.ask_by_get(hashed(mutation))).status_code == 405


@pytest.mark.parametrize(
    "request_",
    [
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": digest(QUERY)}}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": "x"}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 1}}},
        {"query": QUERY, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}},
        {"query": QUERY, "documentId": f"sha256:{digest(QUERY)}"},
    ],
)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_name_that_is_none_is_a_bad_request(sqlite_server, transport, request_):
    error = await refused(sqlite_server.person(), transport, request_)
    assert error["extensions"]["code"] == "BAD_REQUEST"


# --- listed --------------------------------------------------------------------------------------

APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": "name-of-server", "name": "Name", "type": "query", "body": QUERY}],
}


@pytest.fixture(params=[APOLLO, {"name-of-server": QUERY}], ids=["apollo", "relay"])
async def listing(request, migrated_sqlite_url, tmp_path):
    """A server that runs nothing but what a manifest lists."""
    file = tmp_path / "operations.json"
    file.write_text(json.dumps(request.param))
    async with running(migrated_sqlite_url, persisted_operations=file) as server:
        yield server


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_listed_runs_by_its_id_its_hash_and_its_text(listing, transport):
    person = listing.person()
    by_id = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "name-of-server"}}}
    for request in (
        {"documentId": "name-of-server"},
        {"documentId": f"sha256:{digest(QUERY)}"},
        hashed(QUERY),
        by_id,
        hashed(QUERY, query=QUERY),
        {"query": QUERY},
    ):
        assert await answer(person, transport, request) == SERVER


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_not_listed_does_not_run(listing, transport):
    person = listing.person()
    other = "{ server { version } }"
    for request in ({"query": other}, hashed(other, query=other), {"query": QUERY + " "}):
        error = await refused(person, transport, request)
        assert error["extensions"]["code"] == "PERSISTED_OPERATION_REQUIRED"
    for request in ({"documentId": "other"}, hashed(other)):
        error = await refused(person, transport, request)
        assert error["extensions"]["code"] == "PERSISTED_OPERATION_UNKNOWN"
