"""What is too much is refused before it runs, with its number, on every transport."""

import json

import pytest

from schema import limits
from tests.schema.asking import TRANSPORTS, refused


def nested(levels):
    """Return a query that is so many levels deep."""
    inner = levels - 4
    assert inner % 2 == 0
    return (
        '{ chat(id: "x") { lastMessage { '
        + "chat { lastMessage { " * (inner // 2)
        + "chat { id } "
        + "} } " * (inner // 2)
        + "} } }"
    )


def spread(levels):
    """Return a query that is so many levels deep by way of its fragments."""
    fragments = " ".join(
        f"fragment F{n} on Chat {{ lastMessage {{ chat {{ ...F{n + 1} }} }} }}"
        for n in range((levels - 2) // 2)
    )
    last = f"fragment F{(levels - 2) // 2} on Chat {{ id }}"
    return f'{{ chat(id: "x") {{ ...F0 }} }} {fragments} {last}'


ALIASES = " ".join(f"a{n}: name" for n in range(limits.MAX_ALIASES + 1))
DIRECTIVES = "name @include(if: true) " * (limits.MAX_DIRECTIVES + 1)
ROOTS = " ".join(f"a{n}: __typename" for n in range(limits.MAX_ROOT_FIELDS + 1))
INLINE = "... { " * limits.MAX_NESTING + "__typename" + " }" * limits.MAX_NESTING
TOO_MUCH = {
    "depth": (nested(16), "TOO_DEEP", 16, limits.MAX_DEPTH),
    "depth of fragments": (spread(16), "TOO_DEEP", 16, limits.MAX_DEPTH),
    "nesting": (f"{{ {INLINE} }}", "TOO_DEEP", 61, limits.MAX_NESTING),
    "aliases": (f"{{ server {{ {ALIASES} }} }}", "TOO_MANY_ALIASES", 101, limits.MAX_ALIASES),
    "aliases of fragments": (
        f"{{ server {{ ...A ...A }} }} fragment A on Server {{ {ALIASES} }}",
        "TOO_MANY_ALIASES",
        101,
        limits.MAX_ALIASES,
    ),
    "directives": (
        f"{{ server {{ {DIRECTIVES} }} }}",
        "TOO_MANY_DIRECTIVES",
        101,
        limits.MAX_DIRECTIVES,
    ),
    "root fields": (f"{{ {ROOTS} }}", "TOO_MANY_FIELDS", 51, limits.MAX_ROOT_FIELDS),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("what", TOO_MUCH)
async def test_an_operation_with_too_much_of_something_is_refused_with_both_numbers(
    sqlite_server, what, transport
):
    query, code, actual, maximum = TOO_MUCH[what]
    error = await refused(sqlite_server.person(), transport, {"query": query})
    assert error["extensions"] == {"code": code, "actual": actual, "maximum": maximum}
    assert f" {actual} " in error["message"]
    assert f"at most {maximum} " in error["message"]


@pytest.mark.parametrize("query", [nested(14), spread(14)])
async def test_an_operation_within_the_limits_is_answered(sqlite_server, query):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    assert await ana.ask(query.replace('"x"', json.dumps(chat_id)))


@pytest.mark.parametrize("transport", ["post", "socket"])
async def test_variables_that_are_too_large_are_refused(sqlite_server, transport):
    ana = await sqlite_server.registered("ana")
    request = {
        "query": "query($handle: String!) { user(handle: $handle) { id } }",
        "variables": {"handle": "x" * limits.MAX_VARIABLES},
    }
    error = await refused(ana, transport, request)
    assert error["extensions"]["code"] == "VARIABLES_TOO_LARGE"
    assert error["extensions"]["actual"] > limits.MAX_VARIABLES
    assert str(limits.MAX_VARIABLES) in error["message"]


@pytest.mark.parametrize(
    "query",
    [
        "{ " + "server { name } " * 500 + "}",
        "{ server { " + "name " * 2000 + "} }",
        "{ "
        + " ".join(f"...F{n}" for n in range(50))
        + " } "
        + " ".join(f"fragment F{n} on Query {{ server {{ name }} ...F{n + 1} }}" for n in range(50))
        + " fragment F50 on Query { server { name } }",
    ],
)
async def test_a_document_that_asks_for_the_same_again_and_again_is_not_compared_to_the_end(
    sqlite_server, query
):
    error = await refused(sqlite_server.person(), "post", {"query": query})
    assert error["extensions"]["code"] == "TOO_COMPLEX"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "BAD_REQUEST"),
        ("{ ...Missing }", "BAD_REQUEST"),
        ("{" * 1600, "GRAPHQL_PARSE_FAILED"),
        ("{ nodes(ids: " + "[" * 2000 + "]" * 2000 + ") { id } }", "GRAPHQL_PARSE_FAILED"),
        ("{ " + "... { " * 1200 + "__typename" + " }" * 1200 + " }", "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_what_cannot_be_measured_is_a_bad_request_and_no_crash(sqlite_server, query, code):
    answer = (await sqlite_server.person().post({"query": query})).json()
    assert answer["errors"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
