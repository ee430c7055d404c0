"""Join links and requests: coming in by oneself, or asking to be let in."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import join_links as stored
from models import join_requests
from resolvers import join_links
from server import worker
from tests.parts.roles import administrator, guest, guest_link, join_link, join_request
from tests.resolvers.test_bans import make_admin

PREVIEW = """query($token: String!) { joinLink(token: $token) {
  kind title description memberCount requiresApproval } }"""
LINKS = """query($id: ID!) { chat(id: $id) { memberCount
  joinLinks { id name uses maxUses expiresAt requiresApproval createdBy { handle } } } }"""
REQUESTS = """query($id: ID!, $first: Int, $after: String) { chat(id: $id) {
  joinRequests(first: $first, after: $after) {
    nodes { id user { handle } linkId chatTitle } pageInfo { hasNextPage endCursor } } } }"""
OWN = "{ viewer { joinRequests { id chatTitle user { handle } } } }"
HISTORY = "query($id: ID!) { chat(id: $id) { messages { nodes { text kind } } } }"
CAME = {"text": "", "kind": "SYSTEM"}  # the history tells who came
PERSONAL = """subscription { events { __typename
  ... on JoinRequestsChanged { chatId } ... on JoinRequestAnswered { requestId approved } } }"""


@pytest.fixture
async def group(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    dan = await server.registered("dan")
    return server, ana, bob, dan, await ana.group("Picnic", bob)


async def test_whoever_has_the_link_sees_where_it_leads_and_comes_in(group):
    _server, ana, bob, dan, chat_id = group
    await ana.send(chat_id, "before")
    _, token = await join_link(ana, chat_id, name="On the door")
    shown = (await dan.ask(PREVIEW, token=token))["joinLink"]
    assert shown == {
        "kind": "GROUP",
        "title": "Picnic",
        "description": None,
        "memberCount": 2,
        "requiresApproval": False,
    }
    async with bob.listening() as socket:
        payload = await dan.done(
            "joinChat", "chat { memberCount viewerMembership { role unreadCount } }", token=token
        )
        joined = await socket.next()
        assert (joined["__typename"], joined["actor"]) == ("MemberJoined", {"handle": "dan"})
    assert payload["chat"] == {
        "memberCount": 3,
        "viewerMembership": {"role": "MEMBER", "unreadCount": 0},
    }
    await ana.send(chat_id, "welcome")
    messages = (await dan.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]
    assert messages == [CAME, {"text": "welcome", "kind": "TEXT"}]
    # Who is in it already stays as they are, and uses nothing up.
    await dan.done("joinChat", "chat { memberCount }", token=token)
    (link,) = (await ana.ask(LINKS, id=chat_id))["chat"]["joinLinks"]
    assert (link["name"], link["uses"], link["createdBy"]) == (
        "On the door",
        1,
        {"handle": "ana"},
    )
    assert (await dan.ask(LINKS, id=chat_id))["chat"]["joinLinks"] is None


async def test_a_link_lets_in_as_many_as_it_says_also_when_all_come_at_once(group):
    server, ana, _bob, _dan, chat_id = group
    _, token = await join_link(ana, chat_id, maxUses=2)
    people = [await server.registered(f"guest{number}") for number in range(5)]
    payloads = await asyncio.gather(
        *(person.do("joinChat", "chat { id }", token=token) for person in people)
    )
    codes = sorted(error["code"] for payload in payloads for error in payload["errors"])
    assert codes == ["NOT_FOUND"] * 3
    chat = (await ana.ask(LINKS, id=chat_id))["chat"]
    assert (chat["memberCount"], chat["joinLinks"][0]["uses"]) == (4, 2)
    late = await server.registered("late")
    assert await late.ask(PREVIEW, token=token) == {"joinLink": None}


async def expire(server):
    async with server.program.services.db.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(stored.join_links.update().values(expires_at=past))


@pytest.mark.parametrize("why", ["unknown", "revoked", "expired", "its maker is suspended"])
async def test_links_that_are_good_no_more_all_look_the_same(group, why):
    server, ana, _bob, dan, chat_id = group
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    link_id, token = await join_link(ana, chat_id, expiresAt=soon)
    if why == "unknown":
        token = token[::-1]
    elif why == "revoked":
        await ana.done("revokeJoinLink", "chat { id }", linkId=link_id)
        assert await ana.refused("revokeJoinLink", "", linkId=link_id) == "NOT_FOUND"
    elif why == "expired":
        await expire(server)
    else:
        root = await administrator(server)
        await root.done("adminSuspendUser", "", userId=ana.user_id, reason="x")
    assert await dan.ask(PREVIEW, token=token) == {"joinLink": None}
    (error,) = (await dan.do("joinChat", "", token=token))["errors"]
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["token"])
    assert error["message"] == "The link was not found."


async def test_who_asks_is_let_in_when_somebody_approves(group):
    server, ana, bob, dan, chat_id = group
    await make_admin(server, bob, chat_id)
    link_id, token = await join_link(ana, chat_id, requiresApproval=True)
    async with bob.socket() as of_bob, dan.socket() as of_dan:
        for socket in (of_bob, of_dan):
            await socket.subscribe("events", PERSONAL)
            await socket.subscribe("ready", "{ viewer { cursor } }")
            while (await socket.receive())["id"] != "ready":
                pass
        request_id = await join_request(dan, token)
        assert await join_request(dan, token) == request_id  # asked once
        assert await told(of_bob) == {"__typename": "JoinRequestsChanged", "chatId": chat_id}
        page = (await ana.ask(REQUESTS, id=chat_id))["chat"]["joinRequests"]
        assert page["nodes"] == [
            {
                "id": request_id,
                "user": {"handle": "dan"},
                "linkId": link_id,
                "chatTitle": "Picnic",
            }
        ]
        assert (await dan.ask(OWN))["viewer"]["joinRequests"] == [
            {"id": request_id, "chatTitle": "Picnic", "user": {"handle": "dan"}}
        ]
        assert await dan.ask(REQUESTS, id=chat_id) == {"chat": None}
        await bob.done(
            "answerJoinRequest", "chat { memberCount }", requestId=request_id, answer="APPROVE"
        )
        kinds = [await told(of_dan) for _ in range(3)]
        assert {each["__typename"] for each in kinds} == {
            "MemberJoined",
            "MessageSent",
            "JoinRequestAnswered",
        }
        (answered,) = [each for each in kinds if "approved" in each]
        assert (answered["requestId"], answered["approved"]) == (request_id, True)
    chat = (await dan.ask(LINKS, id=chat_id))["chat"]
    assert chat["memberCount"] == 3
    assert (await dan.ask(OWN))["viewer"]["joinRequests"] == []
    given = {"requestId": request_id, "answer": "DECLINE"}
    assert await bob.refused("answerJoinRequest", "", **given) == "NOT_FOUND"


async def told(socket):
    """Return the next event that a socket gets."""
    while (message := await socket.receive())["type"] != "next" or message["id"] != "events":
        pass
    return message["payload"]["data"]["events"]


async def test_who_was_declined_asks_again_after_a_while(group):
    server, ana, _bob, dan, chat_id = group
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    request_id = await join_request(dan, token)
    await ana.done("answerJoinRequest", "", requestId=request_id, answer="DECLINE")
    assert (await ana.ask(REQUESTS, id=chat_id))["chat"]["joinRequests"]["nodes"] == []
    assert (await dan.ask(OWN))["viewer"]["joinRequests"] == []
    payload = await dan.do("joinChat", "... on JoinChatPayload { chat { id } }", token=token)
    assert payload["errors"][0]["code"] == "RATE_LIMITED"
    async with server.program.services.db.writing() as connection:
        long_ago = datetime.now(UTC) - join_links.DECLINED_FOR
        await connection.execute(join_requests.join_requests.update().values(declined_at=long_ago))
    await worker.prune_join_requests(server.program.services, server.settings)
    assert await join_request(dan, token) != request_id


async def test_a_request_is_withdrawn_by_who_made_it_and_nobody_else(group):
    server, ana, bob, dan, chat_id = group
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    request_id = await join_request(dan, token)
    for person in (ana, bob, await server.registered("eve")):
        refused = await person.refused("withdrawJoinRequest", "", requestId=request_id)
        assert refused == "NOT_FOUND"
    for person in (bob, dan):
        given = {"requestId": request_id, "answer": "APPROVE"}
        assert await person.refused("answerJoinRequest", "", **given) == "NOT_FOUND"
    await dan.done("withdrawJoinRequest", "", requestId=request_id)
    assert await dan.refused("withdrawJoinRequest", "", requestId=request_id) == "NOT_FOUND"
    given = {"requestId": request_id, "answer": "APPROVE"}
    assert await ana.refused("answerJoinRequest", "", **given) == "NOT_FOUND"


async def test_who_is_added_or_banned_waits_for_no_answer_any_more(group):
    server, ana, _bob, dan, chat_id = group
    eve = await server.registered("eve")
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    for person in (dan, eve):
        await join_request(person, token)
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    await ana.done("banMember", "", chatId=chat_id, userId=eve.user_id)
    assert (await ana.ask(REQUESTS, id=chat_id))["chat"]["joinRequests"]["nodes"] == []
    assert (await eve.ask(OWN))["viewer"]["joinRequests"] == []


async def test_keepers_hear_that_a_request_is_gone_whose_maker_was_added(group):
    _server, ana, _bob, dan, chat_id = group

    async def add(_token):
        await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])

    await keepers_hear(ana, dan, chat_id, add)


async def test_keepers_hear_that_a_request_is_gone_whose_maker_came_by_a_link(group):
    _server, ana, _bob, dan, chat_id = group

    async def join(token):
        await dan.done("joinChat", "chat { id }", token=token)

    await keepers_hear(ana, dan, chat_id, join)


async def keepers_hear(ana, dan, chat_id, come_in):
    _, asking = await join_link(ana, chat_id, requiresApproval=True)
    _, token = await join_link(ana, chat_id)
    await join_request(dan, asking)
    async with ana.listening() as socket:
        await come_in(token)
        await ana.send(chat_id, "the end")
        heard: list[Any] = []
        while not (heard and heard[-1].get("message", {}).get("text") == "the end"):
            heard.append(await socket.next())
    assert (await ana.ask(REQUESTS, id=chat_id))["chat"]["joinRequests"]["nodes"] == []
    assert [each["__typename"] for each in heard].count("JoinRequestsChanged") == 1


async def test_a_request_is_answered_once_also_when_two_answer_at_once(group):
    server, ana, bob, dan, chat_id = group
    await make_admin(server, bob, chat_id)
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    request_id = await join_request(dan, token)
    payloads = await asyncio.gather(
        *(
            person.do("answerJoinRequest", "", requestId=request_id, answer="APPROVE")
            for person in (ana, bob)
        ),
        dan.do("withdrawJoinRequest", "", requestId=request_id),
    )
    assert sum(payload["errors"] == [] for payload in payloads) == 1
    inside = payloads[2]["errors"] != []
    assert (await ana.ask(LINKS, id=chat_id))["chat"]["memberCount"] == (3 if inside else 2)


async def test_requests_are_listed_page_by_page_the_oldest_first(group):
    server, ana, _bob, dan, chat_id = group
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    eve = await server.registered("eve")
    for person in (dan, eve):
        await join_request(person, token)
    page = (await ana.ask(REQUESTS, id=chat_id, first=1))["chat"]["joinRequests"]
    assert [each["user"]["handle"] for each in page["nodes"]] == ["dan"]
    after = page["pageInfo"]["endCursor"]
    page = (await ana.ask(REQUESTS, id=chat_id, after=after))["chat"]["joinRequests"]
    assert [each["user"]["handle"] for each in page["nodes"]] == ["eve"]


async def test_who_may_not_invite_makes_and_sees_no_links(group):
    _server, ana, bob, dan, chat_id = group
    link_id, _ = await join_link(ana, chat_id)
    assert await bob.refused("createJoinLink", "", chatId=chat_id) == "FORBIDDEN"
    assert await dan.refused("createJoinLink", "", chatId=chat_id) == "NOT_FOUND"
    for person in (bob, dan):
        assert await person.refused("revokeJoinLink", "", linkId=link_id) == "NOT_FOUND"
    direct = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bob.user_id])
    assert await ana.refused("createJoinLink", "", chatId=direct["chat"]["id"]) == "FORBIDDEN"


async def test_guests_join_no_chat_by_such_a_link(group):
    server, ana, _bob, _dan, chat_id = group
    _, token = await join_link(ana, chat_id)
    _, for_guests = await guest_link(ana, await ana.group("Other"))
    visitor = await guest(server, for_guests)
    answer = await visitor.run(
        "mutation($i: JoinChatInput!) { joinChat(input: $i) { errors { code } } }",
        i={"token": token},
    )
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_history_from_the_start_is_there_for_who_joins(group):
    server, ana, _bob, dan, chat_id = group
    await ana.send(chat_id, "before")
    async with server.program.services.db.writing() as connection:
        from models.chats import chats

        await connection.execute(chats.update().values(history="from_start"))
    _, token = await join_link(ana, chat_id)
    await dan.done("joinChat", "chat { id }", token=token)
    messages = (await dan.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]
    assert messages == [{"text": "before", "kind": "TEXT"}, CAME]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"name": "x" * 65}, "TOO_LONG", ["name"]),
        ({"name": " "}, "INVALID_INPUT", ["name"]),
        ({"name": "two\nlines"}, "INVALID_INPUT", ["name"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", ["expiresAt"]),
        ({"expiresAt": "2999-01-01T00:00:00Z"}, "INVALID_INPUT", ["expiresAt"]),
        ({"maxUses": 0}, "INVALID_INPUT", ["maxUses"]),
        ({"maxUses": 100_001}, "INVALID_INPUT", ["maxUses"]),
        ({"chatId": "YwAAAAAAAAAAAAAAAAAAAAA"}, "NOT_FOUND", ["chatId"]),
        ({"chatId": "x"}, "INVALID_ID", ["chatId"]),
    ],
)
async def test_a_link_that_cannot_be_is_refused(sqlite_server, change, code, path):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    (error,) = (await ana.do("createJoinLink", "", **{"chatId": chat_id, **change}))["errors"]
    assert (error["code"], error["path"]) == (code, path)
    assert (await ana.ask(LINKS, id=chat_id))["chat"]["joinLinks"] == []


async def test_links_and_requests_have_limits(sqlite_server, monkeypatch):
    for name in ("MAX_LINKS", "MAX_PENDING"):
        monkeypatch.setattr(join_links, name, 1)
    ana, bob = await sqlite_server.registered("ana"), await sqlite_server.registered("bob")
    dan = await sqlite_server.registered("dan")
    chat_id = await ana.group("Picnic")
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    assert await ana.refused("createJoinLink", "", chatId=chat_id) == "CONFLICT"
    await join_request(bob, token)
    assert await dan.refused("joinChat", "", token=token) == "CONFLICT"
    monkeypatch.setattr(join_links, "MAX_ASKED", 1)
    _, elsewhere = await join_link(ana, await ana.group("Other"), requiresApproval=True)
    assert await bob.refused("joinChat", "", token=elsewhere) == "CONFLICT"
    # What was refused has used nothing up.
    (link,) = (await ana.ask(LINKS, id=chat_id))["chat"]["joinLinks"]
    assert link["uses"] == 1
