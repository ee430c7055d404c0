"""Connections, walked as clients walk them, both ways and to the end."""

import base64

import pytest

CHAT_MESSAGES = """
query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  chat(id: $id) { messages(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { seq } } nodes { seq }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}"""


async def messages(person, chat_id, **arguments):
    page = (await person.ask(CHAT_MESSAGES, id=chat_id, **arguments))["chat"]["messages"]
    assert [edge["node"] for edge in page["edges"]] == page["nodes"]
    return [node["seq"] for node in page["nodes"]], page["pageInfo"]


@pytest.fixture
async def talk(server):
    """Somebody and a chat of theirs with seven messages."""
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    for n in range(7):
        await ana.send(chat_id, str(n))
    return ana, chat_id


async def test_history_is_walked_backwards_to_its_beginning(talk):
    pages, before = [], None
    while True:
        seqs, info = await messages(*talk, last=3, before=before)
        pages.append(seqs)
        assert info["hasNextPage"] is (before is not None)
        before = info["startCursor"]
        if not info["hasPreviousPage"]:
            break
    assert pages == [[5, 6, 7], [2, 3, 4], [1]]


async def test_history_is_walked_forwards_to_its_end(talk):
    pages, after = [], None
    while True:
        seqs, info = await messages(*talk, first=3, after=after)
        pages.append(seqs)
        assert info["hasPreviousPage"] is (after is not None)
        after = info["endCursor"]
        if not info["hasNextPage"]:
            break
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]


async def test_without_arguments_the_newest_come_oldest_first(talk):
    seqs, info = await messages(*talk)
    assert seqs == [1, 2, 3, 4, 5, 6, 7]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, False)


async def test_a_range_between_two_cursors_can_be_taken_from_either_end(talk):
    _, whole = await messages(*talk)
    (first,), low = await messages(*talk, first=1, after=whole["startCursor"])
    (last,), high = await messages(*talk, last=1, before=whole["endCursor"])
    assert (first, last) == (2, 6)
    between = {"after": low["endCursor"], "before": high["startCursor"]}
    assert (await messages(*talk, first=2, **between))[0] == [3, 4]
    assert (await messages(*talk, last=2, **between))[0] == [4, 5]
    assert (await messages(*talk, first=200, **between))[0] == [3, 4, 5]


async def test_an_empty_page_has_no_cursors(talk):
    ana, _ = talk
    empty = await ana.group("Silent")
    seqs, info = await messages(ana, empty, last=5)
    assert seqs == []
    assert info == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": 0},
        {"first": -1},
        {"first": 201},
        {"last": 0},
        {"last": 201},
        {"first": 1, "last": 1},
        {"after": "garbage"},
        {"after": ""},
        {"before": "LTE"},  # -1
        {"before": "4pGg"},  # a digit that is not ASCII
        {"before": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"},  # more than any number
    ],
)
async def test_a_page_that_cannot_be_is_refused(talk, arguments):
    ana, chat_id = talk
    answer = await ana.run(CHAT_MESSAGES, id=chat_id, **arguments)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("query", "cursor"),
    [
        ('users(search: "a", after: $after) { nodes { id } }', "a\0b"),
        (
            'users(search: "a", after: $after) { nodes { id } }',
            "\N{LATIN SMALL LETTER E WITH ACUTE}",
        ),
        *(
            ("viewer { chats(after: $after) { nodes { id } } }", f"{moment}|{'0' * 32}")
            for moment in (
                "0001-01-01T00:00:00+23:59",
                "9999-12-31T23:59:59-23:59",
                "2026-01-01T00:00:00",
                "today",
            )
        ),
    ],
)
async def test_a_cursor_that_nobody_was_given_is_refused(server, query, cursor):
    ana = await server.registered("ana")
    after = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    answer = await ana.run(f"query($after: String) {{ {query} }}", after=after)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
async def test_a_page_may_begin_at_either_end_of_time(server, moment):
    ana = await server.registered("ana")
    await ana.group("Now")
    after = base64.urlsafe_b64encode(f"{moment}|{'0' * 32}".encode()).decode().rstrip("=")
    query = "query($after: String) { viewer { chats(after: $after) { nodes { title } } } }"
    nodes = (await ana.ask(query, after=after))["viewer"]["chats"]["nodes"]
    assert nodes == ([{"title": "Now"}] if moment.startswith("9999") else [])


async def test_chats_are_walked_by_activity_and_members_in_order_of_joining(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chats = [await ana.group(str(n), ben, cyd) for n in range(5)]
    await ana.send(chats[1], "the latest")
    query = (
        "query($after: String, $m: String) { viewer { chats(first: 2, after: $after) { "
        "nodes { id members(first: 2, after: $m) { nodes { user { handle } } "
        "pageInfo { hasNextPage endCursor } } } pageInfo { hasNextPage endCursor } } } }"
    )
    walked, after = [], None
    while True:
        page = (await ana.ask(query, after=after))["viewer"]["chats"]
        walked += [chat["id"] for chat in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert walked == [chats[1], chats[4], chats[3], chats[2], chats[0]]
    first = page["nodes"][-1]["members"]
    assert [node["user"]["handle"] for node in first["nodes"]] == ["ana", "ben"]
    assert first["pageInfo"]["hasNextPage"] is True
    again = await ana.ask(query, m=first["pageInfo"]["endCursor"], after=None)
    # The cursor belongs to another chat, whose members all joined before: nothing is left out.
    assert all(len(chat["members"]["nodes"]) <= 2 for chat in again["viewer"]["chats"]["nodes"])


async def test_a_page_size_of_null_is_that_without_one(server):
    ana = await server.registered("ana")
    await ana.group("Team")
    data = await ana.ask(
        "query($n: Int) { viewer { chats(first: $n) { nodes { "
        "members(first: $n) { nodes { role } } "
        'messages(first: $n, last: $n) { nodes { id } } } } } users(search: "a", first: $n) '
        "{ nodes { handle } } }",
        n=None,
    )
    assert data == {
        "viewer": {
            "chats": {
                "nodes": [{"members": {"nodes": [{"role": "OWNER"}]}, "messages": {"nodes": []}}]
            }
        },
        "users": {"nodes": [{"handle": "ana"}]},
    }


async def test_direct_chats_and_groups_can_be_listed_apart(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await ana.group("Group")
    await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    query = "query($f: ChatFilter) { viewer { chats(filter: $f) { nodes { kind } } } }"
    listed = await ana.ask(query, f={"kind": "DIRECT"})
    assert listed["viewer"]["chats"]["nodes"] == [{"kind": "DIRECT"}]
    assert len((await ana.ask(query))["viewer"]["chats"]["nodes"]) == 2


async def test_people_are_found_by_the_start_of_handle_or_name(server):
    for handle, name in [("ana", "Ana Ruiz"), ("ben", "Anselm"), ("cyd", "C_d%"), ("dan", "Dan")]:
        await server.person().register(handle, displayName=name)
    ana = server.person()
    await ana.log_in("ana")
    query = (
        "query($s: String!, $after: String) { users(search: $s, first: 1, after: $after) "
        "{ nodes { handle } pageInfo { hasNextPage endCursor } } }"
    )

    async def found(search):
        handles, after = [], None
        while True:
            page = (await ana.ask(query, s=search, after=after))["users"]
            handles += [node["handle"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return handles

    assert await found("AN") == ["ana", "ben"]
    assert await found("c_d%") == ["cyd"]
    assert await found("%") == []
    assert await found("nobody") == []
    assert await ana.ask('{ user(handle: "ANA") { displayName } }') == {
        "user": {"displayName": "Ana Ruiz"}
    }
    assert await ana.ask('{ user(handle: "\\u0000") { id } }') == {"user": None}
