"""The schema can be hidden."""

import pytest

from tests.parts.running import running
from tests.schema.asking import TRANSPORTS, answer, refused


@pytest.fixture
async def silent(migrated_sqlite_url):
    """A server that does not tell its schema."""
    async with running(migrated_sqlite_url, introspection=False) as server:
        yield server


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ server { name } ...A } fragment A on Query { a: __type(name: "User") { name } }',
    ],
)
async def test_a_server_that_hides_its_schema_says_so(silent, query, transport):
    error = await refused(silent.person(), transport, {"query": query})
    assert error["extensions"]["code"] == "INTROSPECTION_DISABLED"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_that_hides_its_schema_suggests_nothing(silent, sqlite_server, transport):
    query = {"query": "{ servr { name } }"}
    assert "server" in (await refused(sqlite_server.person(), transport, query))["message"]
    assert "server" not in (await refused(silent.person(), transport, query))["message"]


async def test_the_name_of_a_type_is_told_where_the_schema_is_not(silent):
    told = await answer(silent.person(), "post", {"query": "{ server { __typename } }"})
    assert told == {"data": {"server": {"__typename": "Server"}}}
