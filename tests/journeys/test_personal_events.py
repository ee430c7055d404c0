"""What concerns one person alone is told to that person, on the same road as everything else."""

from tests.journeys.test_resume import cursor_of
from tests.parts.people import until_subscribed

HEARD = """
subscription Events($after: Cursor, $chatIds: [ID!]) {
  events(after: $after, chatIds: $chatIds) {
    __typename cursor seq chat { id }
    ... on SessionStarted { session { id deviceName user { handle } } }
    ... on SessionEnded { sessionId }
    ... on MessageSent { message { text } }
  }
}
"""
SESSIONS = "{ viewer { session { id } sessions { id deviceName } } }"


async def on_another_device(server, handle):
    """Sign somebody in once more and return them there, with that session's id."""
    there = server.person()
    session = (await there.log_in(handle))["session"]
    return there, session["id"]


async def test_other_devices_hear_that_one_signed_in_and_out(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with ana.socket() as hers, ben.socket() as his:
        await hers.subscribe("events", HEARD)
        await his.subscribe("events", HEARD)
        await until_subscribed(ana.url, 2)
        phone, session_id = await on_another_device(server, "ana")
        started = await hers.next()
        assert (started["__typename"], started["chat"], started["seq"]) == (
            "SessionStarted",
            None,
            None,
        )
        assert started["session"]["id"] == session_id
        assert started["session"]["user"]["handle"] == "ana"
        await phone.ask("mutation { logOut { errors { code } } }")
        ended = await hers.next()
        assert (ended["__typename"], ended["sessionId"]) == ("SessionEnded", session_id)
        chat_id = await ana.group("Talk", ben)
        assert (await his.next())["chat"] == {"id": chat_id}


async def test_who_was_away_hears_of_sessions_and_messages_in_order(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ben.group("Talk", ana)
    after = await cursor_of(ana)
    await ben.send(chat_id, "first")
    _, session_id = await on_another_device(server, "ana")
    await ben.send(chat_id, "second")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        heard = [await socket.next() for _ in range(3)]
    assert [event["__typename"] for event in heard] == [
        "MessageSent",
        "SessionStarted",
        "MessageSent",
    ]
    for n, event in enumerate(heard[:-1]):
        async with ana.socket() as socket:
            await socket.subscribe("events", HEARD, after=event["cursor"])
            assert [await socket.next() for _ in heard[n + 1 :]] == heard[n + 1 :]
    assert heard[1]["session"]["id"] == session_id


async def test_many_personal_events_are_paged_with_the_rest(server, monkeypatch):
    monkeypatch.setattr("realtime.feed.PAGE", 3)
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ben.group("Talk", ana)
    after = await cursor_of(ana)
    for n in range(4):
        await ben.send(chat_id, str(n))
        await on_another_device(server, "ana")
        await on_another_device(server, "ben")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        heard = [await socket.next() for _ in range(8)]
    assert [event["__typename"] for event in heard] == ["MessageSent", "SessionStarted"] * 4
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=heard[2]["cursor"])
        assert [await socket.next() for _ in range(5)] == heard[3:]


async def test_a_subscription_to_some_chats_hears_of_nothing_else(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ben.group("Talk", ana)
    after = await cursor_of(ana)
    await on_another_device(server, "ana")
    await ben.send(chat_id, "missed")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after, chatIds=[chat_id])
        assert (await socket.next())["message"]["text"] == "missed"
        await on_another_device(server, "ana")
        await ben.send(chat_id, "live")
        assert (await socket.next())["message"]["text"] == "live"


async def test_a_person_sees_all_of_their_open_sessions(server):
    ana, _ = await server.registered("ana"), await server.registered("ben")
    phone, session_id = await on_another_device(server, "ana")
    viewer = (await ana.ask(SESSIONS))["viewer"]
    own = viewer["session"]["id"]
    assert [session["id"] for session in viewer["sessions"]] == [session_id, own]
    await phone.ask("mutation { logOut { errors { code } } }")
    viewer = (await ana.ask(SESSIONS))["viewer"]
    assert [session["id"] for session in viewer["sessions"]] == [own]
