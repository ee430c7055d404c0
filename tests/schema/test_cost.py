"""What an operation may cost, and that clients are told it."""

import pytest
from graphql import get_introspection_query

from schema import cost
from tests.schema.asking import TRANSPORTS, answer, refused

# 99 bytes in which every page multiplies the one around it.
BOMB = (
    "{viewer{chats(first:200){nodes{messages(first:200){nodes{chat{messages(first:200)"
    "{nodes{id}}}}}}}}}"
)
PAGES = (
    "query($first: Int!) { viewer { chats(first: $first) { nodes { messages { nodes "
    "{ text sender { handle } } } } } } }"
)


async def told(person, query, transport="post", **variables):
    """Return the cost of an operation as the server tells it."""
    request = {"query": query, "variables": variables, "extensions": {"cost": True}}
    answered = await answer(person, transport, request)
    assert answered["extensions"]["cost"]["maximum"] == cost.MAX_COST
    return answered["extensions"]["cost"]["requested"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_pages_within_pages_within_pages_are_refused(sqlite_server, transport):
    ana = await sqlite_server.registered("ana")
    error = await refused(ana, transport, {"query": BOMB})
    assert error["extensions"]["code"] == "TOO_COSTLY"
    assert error["extensions"]["maximum"] == cost.MAX_COST
    assert str(error["extensions"]["actual"]) in error["message"]
    assert str(cost.MAX_COST) in error["message"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_cost_is_told_to_who_asks_for_it(sqlite_server, transport):
    ana = await sqlite_server.registered("ana")
    assert await told(ana, "{ server { name version } }", transport) == cost.OBJECT + 2
    assert "extensions" not in await answer(ana, transport, {"query": "{ server { name } }"})


async def test_a_page_costs_its_size_times_what_is_asked_of_each_entry(sqlite_server):
    ana = await sqlite_server.registered("ana")
    selection = "nodes { id } edges { cursor node { id } } pageInfo { hasNextPage }"
    query = f'{{ users(search: "a"%s) {{ {selection} }} }}'
    entry = cost.OBJECT
    each = (entry + 1) + (entry + 1 + entry + 1)
    page = cost.PAGE + 1 + 1 + cost.OBJECT + 1
    assert await told(ana, query % ", first: 7") == page + 7 * each
    assert await told(ana, query % "") == page + 20 * each


async def test_variables_their_defaults_and_null_are_sizes_of_pages(sqlite_server):
    ana = await sqlite_server.registered("ana")
    small, large = await told(ana, PAGES, first=1), await told(ana, PAGES, first=21)
    each = (large - small) // 20
    assert each > 50 * 7  # the messages of a chat are a page of 50 if nothing else is said
    assert await told(ana, PAGES, first=1) == small
    with_default = PAGES.replace("Int!", "Int = 21")
    assert await told(ana, with_default) == large
    assert await told(ana, with_default, first=1) == small
    assert await told(ana, with_default, first=None) == small + 49 * each


async def test_the_same_document_with_larger_pages_is_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    assert await told(ana, PAGES, first=10) <= cost.MAX_COST
    error = await refused(ana, "post", {"query": PAGES, "variables": {"first": 200}})
    assert error["extensions"]["code"] == "TOO_COSTLY"
    assert await told(ana, PAGES, first=10) <= cost.MAX_COST


async def test_things_by_id_cost_as_much_as_there_are_ids(sqlite_server):
    ana = await sqlite_server.registered("ana")
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    one, three = [await told(ana, query, ids=[ana.user_id] * n) for n in (1, 3)]
    assert three - one == 2 * (cost.OBJECT + 1)
    id_ = f'"{ana.user_id}"'
    assert await told(ana, f"{{ nodes(ids: [{id_}, {id_}, {id_}]) {{ id }} }}") == three


async def test_fragments_cost_what_they_would_in_their_place(sqlite_server):
    ana = await sqlite_server.registered("ana")
    plain = "{ viewer { chats(first: 9) { nodes { title kind } edges { cursor } } } }"
    spread = (
        "{ viewer { ...V ...V } } fragment V on Viewer { chats(first: 9) { ...P } } "
        "fragment P on ChatConnection { nodes { ...C } ... on ChatConnection { edges { cursor } } }"
        " fragment C on Chat { title ... { kind } }"
    )
    assert await told(ana, spread) == await told(ana, plain)


async def test_fragments_that_double_at_every_level_are_refused_and_not_counted_out(sqlite_server):
    ana = await sqlite_server.registered("ana")
    fragments = [
        f"fragment C{n} on Chat {{ "
        + " ".join(f"f{k}: lastMessage {{ chat {{ ...C{n + 1} }} }}" for k in range(9))
        + " }"
        for n in range(6)
    ]
    query = " ".join(['{ chat(id: "x") { ...C0 } }', *fragments, "fragment C6 on Chat { id }"])
    error = await refused(ana, "post", {"query": query})
    assert error["extensions"]["code"] == "TOO_COSTLY"


async def test_as_much_as_a_messenger_shows_at_once_is_allowed(sqlite_server):
    ana = await sqlite_server.registered("ana")
    query = """{ viewer { unreadCount cursor chats(first: 200) { nodes {
        id kind title memberCount lastActivityAt
        viewerMembership { role readSeq }
        lastMessage { id seq text createdAt sender { id handle displayName } }
    } pageInfo { hasNextPage endCursor } } } }"""
    assert await told(ana, query) < cost.MAX_COST / 2


async def test_the_introspection_of_clients_is_allowed_with_room_for_more_types(sqlite_server):
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert await told(sqlite_server.person(), query) < cost.MAX_COST / 2


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "{ __schema { "
        + " ".join(
            f"a{n}: types {{ fields {{ type {{ fields {{ name }} }} }} }}" for n in range(90)
        )
        + " } }",
    ],
)
async def test_a_schema_that_is_asked_for_again_and_again_is_refused(sqlite_server, query):
    error = await refused(sqlite_server.person(), "post", {"query": query})
    assert error["extensions"]["code"] in ("TOO_COSTLY", "BAD_REQUEST")
