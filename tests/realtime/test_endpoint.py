"""Sockets over the network: signing in, bad operations, crashes, shutdown."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
import websockets

from accounts import tokens
from models.viewer import Viewer
from realtime import connection, mailbox, wire
from resolvers import messages
from resolvers.services import utc_now
from schema.engine import Engine
from schema.ids import Kind, decode
from tests.parts.people import EVENTS, Person
from tests.parts.roles import administrator, guest, guest_link
from tests.parts.running import running


async def test_queries_and_mutations_run_over_a_socket_too(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        await socket.subscribe("q", "{ viewer { user { handle } } }")
        assert await socket.next("q") == {"user": {"handle": "ana"}}
        assert await socket.receive() == {"id": "q", "type": "complete"}
        await socket.subscribe(
            "m",
            'mutation { createChat(input: {kind: GROUP, title: "T", memberIds: []}) '
            "{ chat { title } } }",
        )
        assert await socket.next("m") == {"chat": {"title": "T"}}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nope }", "BAD_REQUEST"),
        ("{ unclosed", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_REQUEST"),
        ("subscription { events { __typename } typing(chatId: 1) { typing } }", "BAD_REQUEST"),
        ('subscription { typing(chatId: "garbage") { typing } }', "INVALID_ID"),
        (EVENTS, "BAD_REQUEST"),  # with a variable of the wrong type
    ],
)
async def test_an_operation_that_cannot_run_gets_an_error_and_the_socket_lives(
    sqlite_server, query, code
):
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        await socket.subscribe("bad", query, chatIds={"not": "a list of ids"})
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "bad")
        assert [error["extensions"]["code"] for error in message["payload"]] == [code]
        await socket.subscribe("good", "{ server { name } }")
        assert await socket.next("good") == {"name": "Hubbub"}


async def test_a_chat_that_is_not_ones_own_cannot_be_listened_to(server):
    ana, eve = await server.registered("ana"), await server.registered("eve")
    chat_id = await ana.group("Private")
    async with eve.socket() as socket:
        await socket.subscribe("events", EVENTS, chatIds=[chat_id])
        await socket.subscribe(
            "typing", "subscription($id: ID!) { typing(chatId: $id) { typing } }", id=chat_id
        )
        refusals = [await socket.receive(), await socket.receive()]
    assert {refusal["id"] for refusal in refusals} == {"events", "typing"}
    for refusal in refusals:
        assert refusal["type"] == "error"
        assert refusal["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_socket_without_a_token_may_ask_but_not_listen(sqlite_server):
    async with sqlite_server.person().socket() as socket:
        await socket.subscribe("q", "{ viewer { email } }")
        assert await socket.next("q") is None
        assert (await socket.receive())["type"] == "complete"
        await socket.subscribe("events", EVENTS)
        message = await socket.receive()
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_subscription_with_variables_too_deep_to_be_kept_gets_an_error(sqlite_server):
    query = "subscription($after: Cursor) { events(after: $after) { cursor } }"
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    async with sqlite_server.person().socket() as socket:
        await socket.subscribe("deep", query, after=deep)
        message = await socket.receive()
        (error,) = message["payload"]
        assert error["extensions"]["code"] == "VARIABLES_TOO_LARGE"
        await socket.subscribe("good", "{ server { name } }")
        assert await socket.next("good") == {"name": "Hubbub"}


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic x", "", 7])
async def test_a_token_that_is_not_good_closes_the_socket_as_forbidden(
    sqlite_server, authorization
):
    async with sqlite_server.person().socket(init=False) as socket:
        await socket.send(type="connection_init", payload={"authorization": authorization})
        assert (await socket.closed())[0] == 4403


async def test_logging_out_closes_the_sockets_of_that_session_alone(sqlite_server):
    ana = await sqlite_server.registered("ana")
    phone = sqlite_server.person()
    await phone.log_in("ana")
    async with ana.listening() as at_laptop, phone.listening() as at_phone:
        await phone.ask("mutation { logOut { errors { code } } }")
        assert (await at_phone.closed())[0] == 4403
        assert (await at_laptop.next())["__typename"] == "SessionEnded"
        chat_id = await ana.group("Still here")
        assert (await at_laptop.next())["chat"]["id"] == chat_id


@pytest.mark.parametrize("way", ["logOut", "refreshSession"])
async def test_what_ends_the_session_of_its_own_socket_is_answered_before_it_is_closed(
    sqlite_server, monkeypatch, way
):
    ana = await sqlite_server.registered("ana")
    mutation = "mutation { done: logOut { errors { code } } }"
    if way == "refreshSession":
        monkeypatch.setattr("resolvers.sessions.REFRESH_GRACE", timedelta(seconds=-1))
        await ana.done("refreshSession", "accessToken", refreshToken=ana.refresh_token)
        mutation = (
            "mutation { done: refreshSession(input: {refreshToken: "
            f'"{ana.refresh_token}"}}) {{ errors {{ code }} }} }}'
        )
    async with ana.listening() as other, ana.socket() as socket:
        await socket.subscribe("m", mutation)
        codes = [error["code"] for error in (await socket.next("m"))["errors"]]
        assert codes == ([] if way == "logOut" else ["UNAUTHENTICATED"])
        assert await socket.receive() == {"id": "m", "type": "complete"}
        for each in (socket, other):
            assert await each.closed() == (4403, "The session has ended")


async def _logging_out(server):
    return await server.registered("ana"), "logOut { errors { code } }"


async def _deleting_the_account(server):
    return await server.registered("ana"), (
        'deleteAccount(input: {handle: "ana"}) { errors { code } }'
    )


async def _leaving_as_a_guest(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Door")
    gast = await guest(server, (await guest_link(ana, chat_id))[1])
    return gast, f'leaveChat(input: {{chatId: "{chat_id}"}}) {{ errors {{ code }} }}'


async def _ending_all_as_an_administrator(server):
    root = await administrator(server)
    return root, f'adminEndSessions(input: {{userId: "{root.user_id}"}}) {{ errors {{ code }} }}'


@pytest.mark.parametrize(
    "ending",
    [_logging_out, _deleting_the_account, _leaving_as_a_guest, _ending_all_as_an_administrator],
)
async def test_who_ends_their_own_session_is_answered_though_the_log_has_told_of_it_before(
    sqlite_server, monkeypatch, ending
):
    person, mutation = await ending(sqlite_server)
    node = sqlite_server.program.services.node
    end_session = node.end_session

    async def told_before(session_id):
        async def tell():
            node.sockets.close_session(session_id)

        await asyncio.create_task(tell())
        await asyncio.sleep(0)  # now it is closed, unless that waits for the answer
        await end_session(session_id)

    monkeypatch.setattr(node, "end_session", told_before)
    async with person.socket() as socket:
        await socket.subscribe("m", f"mutation {{ done: {mutation} }}")
        assert await socket.next("m") == {"errors": []}
        assert (await socket.receive())["type"] == "complete"
        assert (await socket.closed())[0] == 4403


async def test_a_socket_of_another_protocol_is_told_which_to_speak(sqlite_server):
    person = sqlite_server.person()
    async with person.socket(init=False, subprotocols=["graphql-ws"]) as socket:
        assert (await socket.closed())[0] == 4406


async def test_a_page_of_a_foreign_origin_cannot_open_a_socket(migrated_sqlite_url):
    async with running(migrated_sqlite_url, allowed_origins=["https://chat.example"]) as server:
        person = server.person()
        for origin in (None, "https://chat.example", server.url):
            async with person.socket(origin=origin):
                pass
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://["):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                async with person.socket(origin=origin):
                    pass
            assert refusal.value.response.status_code == 403


async def test_a_crash_in_one_operation_leaves_the_others_of_its_socket_alone(
    sqlite_server, monkeypatch
):
    ana = await sqlite_server.registered("ana")

    async def crash(*_):
        raise RuntimeError("secret detail")

    async with ana.listening() as socket:
        monkeypatch.setattr("schema.viewer.members.unread_total", crash)
        await socket.subscribe("crash", "{ viewer { unreadCount } }")
        message = await socket.receive()
        (error,) = message["payload"]["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert "secret" not in str(message)
        assert (await socket.receive())["type"] == "complete"
        await ana.group("Still here")
        assert (await socket.next())["__typename"] == "ChatCreated"


async def test_a_client_that_says_nothing_is_closed(sqlite_server, monkeypatch):
    monkeypatch.setattr(connection, "INIT_TIMEOUT", 0.05)
    async with sqlite_server.person().socket(init=False) as socket:
        assert (await socket.closed())[0] == 4408


async def test_a_socket_is_closed_when_its_token_expires(sqlite_server, monkeypatch):
    monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=0.5))
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        code, reason = await socket.closed()
    assert (code, reason) == (4403, "The access token expired")


async def test_a_failing_token_check_asks_the_client_to_come_back(sqlite_server, monkeypatch):
    ana = await sqlite_server.registered("ana")

    async def away(*_):
        raise ConnectionError("database away")

    monkeypatch.setattr("server.authentication.sessions.with_user", away)
    async with ana.socket(init=False) as socket:
        await socket.send(type="connection_init", payload={"authorization": f"Bearer {ana.token}"})
        assert (await socket.closed())[0] == 1013


async def test_a_subscriber_who_reads_nothing_is_cut_off_and_nobody_else_notices(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr(wire, "SEND_TIMEOUT", 0.3)
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    sockets = sqlite_server.program.services.node.sockets
    async with ben.listening() as slow, ana.listening() as quick:
        slow.connection.transport.pause_reading()  # buffers fill on both ends, then writes stall
        sent = heard = 0
        while len(sockets) == 2:
            assert sent < 5000, "the stalled socket is still open"
            await ana.send(chat_id, "x" * 9000)
            sent += 1
            heard += (await quick.next())["__typename"] == "MessageSent"
        assert heard == sent
        slow.connection.transport.resume_reading()
        assert (await slow.closed())[0] in (1006, 1013)  # clients come back after either


async def test_a_subscriber_whose_mailbox_overflows_is_told_to_come_back(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr(wire, "LAG_LIMIT", -1)  # as if too much waited for the peer already
    monkeypatch.setattr(mailbox, "MAILBOX", 0)
    ana = await sqlite_server.registered("ana")
    async with ana.listening() as socket:
        await ana.group("One event too many")
        assert await socket.closed() == (1013, "Read too slowly: reconnect and resume")


@asynccontextmanager
async def one_batch(server):
    """Let the tailer read what is committed inside the block at once, when the block ends."""
    tailer = server.program.services.node.tailer
    reading, holding, go_on = tailer.read, asyncio.Event(), asyncio.Event()

    async def held():
        holding.set()
        await go_on.wait()
        await reading()

    tailer.read = held
    tailer.ring()
    await holding.wait()
    yield
    tailer.read = reading
    go_on.set()


async def send_many(server, person, chat_id, texts):
    """Send messages straight to the use-case, a good many at once."""
    user_id = decode(Kind.USER, person.user_id)
    viewer = Viewer(user_id, user_id, utc_now())
    sends = (
        messages.send(
            server.program.services,
            viewer,
            chat_id=decode(Kind.CHAT, chat_id),
            text=text,
            client_message_id=uuid4(),
        )
        for text in texts
    )
    await asyncio.gather(*sends)


@pytest.mark.timeout(120)
async def test_a_subscriber_who_keeps_up_survives_a_burst_in_one_batch(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    async with ben.listening() as socket:
        async with one_batch(server):
            await send_many(server, ana, chat_id, map(str, range(1000)))
        seqs = [(await socket.next())["seq"] for _ in range(1000)]
        assert seqs == list(range(2, 1002))


async def test_a_subscriber_for_whom_too_much_text_waits_is_told_to_come_back(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr(wire, "LAG_LIMIT", -1)
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    async with ben.listening() as socket:
        async with one_batch(sqlite_server):
            await send_many(sqlite_server, ana, chat_id, ["x" * 10_000] * 101)
        assert await socket.closed() == (1013, "Read too slowly: reconnect and resume")


async def test_a_server_that_stops_tells_its_sockets_to_come_back(hubbub):
    node = hubbub("serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    ana = Person(node.url)
    try:
        await ana.register("ana")
        async with ana.listening() as socket:
            stopping = asyncio.create_task(asyncio.to_thread(node.stop))
            code, reason = await socket.closed()
            assert (code, reason) == (1012, "Restarting: reconnect and resume")
            assert await stopping == 0
    finally:
        await ana.close()


async def test_a_subscription_completed_while_it_begins_leaves_nothing_behind(
    sqlite_server, monkeypatch
):
    ana = await sqlite_server.registered("ana")
    begin, begun = Engine.begin, asyncio.Event()

    async def begin_unheeding(self, *given):
        prepared = await begin(self, *given)
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):  # as drivers do now and then
            await asyncio.Event().wait()
        return prepared

    hub = sqlite_server.program.services.node.hub
    async with ana.socket() as socket:
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "begin", begin_unheeding)
            await socket.subscribe("events", EVENTS)
            await begun.wait()
            await socket.send(id="events", type="complete")
        await socket.subscribe("next", "{ server { name } }")
        assert await socket.next("next") == {"name": "Hubbub"}
        assert not hub._by_user
