"""Polls: everybody votes once, counts are right, and of anonymous ones nobody learns who."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models.base import metadata
from models.events import events
from models.messages import messages
from models.polls import poll_votes, polls
from resolvers.polls import MAX_OPTION, MAX_OPTIONS, MAX_QUESTION
from resolvers.services import utc_now
from schema.ids import Kind, decode
from server import worker
from tests.journeys.test_resume import cursor_of
from tests.parts.endings import erased

COUNTS = "question totalVoters closed closesAt options { index text voteCount }"
POLL = f"message {{ id kind text poll {{ {COUNTS} viewerVotes }} }}"
VOTERS = """query($id: ID!, $first: Int, $after: String) { node(id: $id) { ... on Message {
  poll { options { voters(first: $first, after: $after) {
    nodes { handle } pageInfo { hasNextPage endCursor }
  } } }
} } }"""
HEARD = f"""subscription($after: Cursor) {{ events(after: $after) {{
  __typename actor {{ handle }}
  ... on MessageSent {{ message {{ poll {{ {COUNTS} }} }} }}
  ... on PollChanged {{ message {{ poll {{ {COUNTS} }} }} }}
}} }}"""


async def ask(person, chat_id, **more):
    poll = {"question": "Where to?", "options": ["North", "South", "West"], **more}
    payload = await person.done(
        "sendMessage", POLL, chatId=chat_id, clientMessageId=str(uuid4()), poll=poll
    )
    return payload["message"]


async def vote(person, message_id, *options):
    payload = await person.done("votePoll", POLL, messageId=message_id, options=list(options))
    return counted(payload["message"]["poll"])


def counted(poll):
    """Return a poll's votes for each answer, how many voted, and the viewer's own."""
    counts = [option["voteCount"] for option in poll["options"]]
    return counts, poll["totalVoters"], poll["viewerVotes"]


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    return ana, ben, chat_id


async def rows(server, table):
    async with server.program.services.db.reading() as connection:
        return (await connection.execute(sa.select(table))).all()


async def time_passes_for_polls(server):
    """Let every poll that closes by itself be a year older."""
    async with server.program.services.db.writing() as connection:
        for row in (await connection.execute(sa.select(messages))).all():
            if row.closes_at is not None:
                closes_at = row.closes_at - timedelta(days=366)
                details = json.loads(json.dumps(row.details))
                details["poll"]["closes_at"] = closes_at.isoformat()
                await connection.execute(
                    messages.update()
                    .where(messages.c.chat_id == row.chat_id, messages.c.seq == row.seq)
                    .values(closes_at=closes_at, details=details)
                )


def soon(days=1):
    return (utc_now() + timedelta(days=days)).isoformat()


async def test_people_vote_change_their_mind_and_take_it_back(talk):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id)
    assert (poll["kind"], poll["text"], poll["poll"]["question"]) == ("POLL", *["Where to?"] * 2)
    assert [option["text"] for option in poll["poll"]["options"]] == ["North", "South", "West"]
    assert await vote(ana, poll["id"], 0) == ([1, 0, 0], 1, [0])
    assert await vote(ben, poll["id"], 0) == ([2, 0, 0], 2, [0])
    assert await vote(ben, poll["id"], 2) == ([1, 0, 1], 2, [2])
    assert await vote(ben, poll["id"]) == ([1, 0, 0], 1, [])
    assert await vote(ben, poll["id"]) == ([1, 0, 0], 1, [])


async def test_several_answers_count_one_voter(talk):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id, multiple=True)
    assert await vote(ana, poll["id"], 2, 0) == ([1, 0, 1], 1, [0, 2])
    assert await vote(ben, poll["id"], 0, 1, 2) == ([2, 1, 2], 2, [0, 1, 2])
    assert await vote(ana, poll["id"], 1) == ([1, 2, 1], 2, [1])


async def test_votes_of_many_at_once_are_all_counted(server, talk):
    ana, ben, chat_id = talk
    people = [ana, ben, *[await server.registered(f"person{n}") for n in range(6)]]
    others = [person.user_id for person in people[2:]]
    await ana.done("addMembers", "", chatId=chat_id, userIds=others)
    poll = await ask(ana, chat_id)
    await asyncio.gather(
        *(vote(person, poll["id"], n % 3) for n, person in enumerate(people)),
        *(vote(person, poll["id"], 1) for person in people[:2]),
    )
    counts, voters, _ = await vote(ana, poll["id"], 1)
    stored = await rows(server, poll_votes)
    assert voters == len(stored) == len(people)
    assert counts == [sum(row.option == option for row in stored) for option in range(3)]


async def test_everybody_hears_of_votes_and_of_nothing_that_changed_nothing(talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ben)
    poll = await ask(ana, chat_id)
    await vote(ana, poll["id"], 1)
    await vote(ana, poll["id"], 1)
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        missed = [await socket.next(), await socket.next()]
        assert [event["__typename"] for event in missed] == ["MessageSent", "PollChanged"]
        assert missed[1]["actor"] == {"handle": "ana"}
        await vote(ben, poll["id"], 1)
        live = await socket.next()
        assert live["message"]["poll"]["options"][1]["voteCount"] == 2
        await ana.done("closePoll", POLL, messageId=poll["id"])
        await ana.done("closePoll", POLL, messageId=poll["id"])
        assert (await socket.next())["message"]["poll"]["closed"]
        await ana.send(chat_id, "next")
        assert (await socket.next())["__typename"] == "MessageSent"


async def voters(person, message_id, **page):
    poll = (await person.ask(VOTERS, id=message_id, **page))["node"]["poll"]
    return [option["voters"] for option in poll["options"]]


async def test_who_voted_is_listed_in_their_order_and_by_pages(server, talk):
    ana, ben, chat_id = talk
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    poll = await ask(ana, chat_id, multiple=True)
    for person in (ben, ana, cyd):
        await vote(person, poll["id"], 0)
    await vote(ben, poll["id"], 0, 1)  # again, and so the last one
    first, second, third = await voters(cyd, poll["id"], first=2)
    assert [node["handle"] for node in first["nodes"]] == ["ana", "cyd"]
    assert [node["handle"] for node in second["nodes"]] == ["ben"]
    assert third["nodes"] == []
    assert first["pageInfo"]["hasNextPage"]
    rest, *_ = await voters(cyd, poll["id"], first=2, after=first["pageInfo"]["endCursor"])
    assert [node["handle"] for node in rest["nodes"]] == ["ben"]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_of_an_anonymous_poll_nobody_learns_who_voted(server, talk):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id, anonymous=True)
    after = await cursor_of(ana)
    assert await vote(ben, poll["id"], 1) == ([0, 1, 0], 1, [1])
    assert await voters(ana, poll["id"]) == [None] * 3
    assert await voters(ben, poll["id"]) == [None] * 3
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        event = await socket.next()
        assert (event["__typename"], event["actor"]) == ("PollChanged", None)
    (logged,) = [row for row in await rows(server, events) if row.kind == "poll_changed"]
    assert logged.actor_id is None
    # Nothing else in the database says who.
    named = {
        table.name
        for table in metadata.sorted_tables
        for row in await rows(server, table)
        if "message_seq" in row._fields and row.message_seq == 1 and ben_is_in(row, ben)
    }
    assert named == {"poll_votes"}


def ben_is_in(row, ben):
    return decode(Kind.USER, ben.user_id) in row


@pytest.mark.parametrize("options", [[3], [-1], [0, 0], [0, 1], [2**40]])
async def test_what_is_no_vote_is_refused(talk, options):
    ana, _, chat_id = talk
    poll = await ask(ana, chat_id)
    answer = await ana.run(
        "mutation($i: VotePollInput!) { votePoll(input: $i) { errors { code path } } }",
        i={"messageId": poll["id"], "options": options},
    )
    if "data" in answer:
        refusal = {"code": "INVALID_INPUT", "path": ["options"]}
        assert answer["data"]["votePoll"]["errors"] == [refusal]
    assert await vote(ana, poll["id"], 0) == ([1, 0, 0], 1, [0])


BAD = [
    ({"question": ""}, "INVALID_INPUT", "question"),
    ({"question": "x" * (MAX_QUESTION + 1)}, "TOO_LONG", "question"),
    ({"options": ["one"]}, "INVALID_INPUT", "options"),
    ({"options": [str(n) for n in range(MAX_OPTIONS + 1)]}, "INVALID_INPUT", "options"),
    ({"options": ["a", " "]}, "INVALID_INPUT", "options"),
    ({"options": ["a", "b\nc"]}, "INVALID_INPUT", "options"),
    ({"options": ["a", "x" * (MAX_OPTION + 1)]}, "TOO_LONG", "options"),
    ({"options": ["same", "SAME "]}, "INVALID_INPUT", "options"),
    ({"closesAt": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", "closesAt"),
    ({"closesAt": "2999-01-01T00:00:00Z"}, "INVALID_INPUT", "closesAt"),
    ({"closesAt": "2999-01-01T00:00:00"}, "INVALID_INPUT", "closesAt"),
]


@pytest.mark.parametrize(("change", "code", "at"), BAD)
async def test_a_poll_that_cannot_be_asked_is_refused_and_nothing_is_stored(
    server, talk, change, code, at
):
    ana, _, chat_id = talk
    poll = {"question": "Where to?", "options": ["North", "South"], **change}
    payload = await ana.do(
        "sendMessage", POLL, chatId=chat_id, clientMessageId=str(uuid4()), poll=poll
    )
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [(code, ["poll", at])]
    assert await rows(server, messages) == []


async def test_a_poll_has_no_text_besides_and_a_message_has_one(talk):
    ana, _, chat_id = talk
    poll = {"question": "Where to?", "options": ["North", "South"]}
    given = {"chatId": chat_id, "clientMessageId": str(uuid4())}
    assert await ana.refused("sendMessage", POLL, **given, poll=poll, text="x") == "INVALID_INPUT"
    assert await ana.refused("sendMessage", POLL, **given) == "INVALID_INPUT"


async def test_a_poll_is_sent_once_also_when_it_is_repeated_after_its_end(server, talk):
    ana, _, chat_id = talk
    given = {
        "chatId": chat_id,
        "clientMessageId": str(uuid4()),
        "poll": {"question": "Where to?", "options": ["North", "South"], "closesAt": soon()},
    }
    first = await ana.done("sendMessage", POLL, **given)
    again = await ana.done("sendMessage", POLL, **given)
    assert again == first
    other = {**given, "poll": {**given["poll"], "options": ["North", "East"]}}
    assert await ana.refused("sendMessage", POLL, **other) == "CONFLICT"
    assert len(await rows(server, messages)) == 1


async def test_only_who_may_read_a_poll_votes_in_it(server, talk):
    ana, ben, chat_id = talk
    cyd = await server.registered("cyd")
    poll = await ask(ana, chat_id)
    plain = await ana.send(chat_id, "no poll")
    choice = {"messageId": poll["id"], "options": [0]}
    assert await cyd.refused("votePoll", "", **choice) == "NOT_FOUND"
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    assert await cyd.refused("votePoll", "", **choice) == "NOT_FOUND"  # from before their time
    await ben.done("votePoll", "", **choice)
    await ben.done("leaveChat", "", chatId=chat_id)
    assert await ben.refused("votePoll", "", messageId=poll["id"], options=[1]) == "NOT_FOUND"
    assert await ana.refused("votePoll", "", messageId=plain["id"], options=[]) == "INVALID_INPUT"
    assert await vote(ana, poll["id"], 0) == ([2, 0, 0], 2, [0])  # what ben chose still counts
    await ana.done("deleteMessage", "", messageId=poll["id"])
    assert await ana.refused("votePoll", "", **choice) == "NOT_FOUND"
    assert await ana.refused("closePoll", "", messageId=poll["id"]) == "NOT_FOUND"


async def test_a_deleted_poll_leaves_nothing_of_what_was_asked_and_answered(server, talk):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id, closesAt=soon())
    await vote(ben, poll["id"], 1)
    await ana.done("deleteMessage", "", messageId=poll["id"])
    (message,) = await rows(server, messages)
    assert (message.text, message.details, message.closes_at) == ("", None, None)
    assert await rows(server, polls) == await rows(server, poll_votes) == []
    shown = await ben.ask(
        "query($id: ID!) { node(id: $id) { ... on Message { kind poll { question } } } }",
        id=poll["id"],
    )
    assert shown["node"] == {"kind": "POLL", "poll": None}


async def test_who_asked_and_who_deletes_others_messages_close_a_poll(server, talk):
    ana, ben, chat_id = talk
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    bens, cyds = await ask(ben, chat_id), await ask(cyd, chat_id)
    assert await cyd.refused("closePoll", "", messageId=bens["id"]) == "FORBIDDEN"
    assert (await ben.done("closePoll", POLL, messageId=bens["id"]))["message"]["poll"]["closed"]
    await ana.done("closePoll", POLL, messageId=cyds["id"])
    for poll in (bens, cyds):
        choice = {"messageId": poll["id"], "options": [0]}
        assert await ana.refused("votePoll", "", **choice) == "CONFLICT"


async def test_a_poll_is_closed_when_its_time_has_come_also_before_the_worker_comes_by(
    server, talk
):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id, closesAt=soon())
    lasting = await ask(ana, chat_id)
    await vote(ben, poll["id"], 1)
    await worker.close_polls(server.program.services, server.settings)
    assert await vote(ana, poll["id"], 1) == ([0, 2, 0], 2, [1])
    await time_passes_for_polls(server)
    assert await ana.refused("votePoll", "", messageId=poll["id"], options=[]) == "CONFLICT"
    shown = await ana.done("closePoll", POLL, messageId=poll["id"])
    assert shown["message"]["poll"]["closed"]
    after = await cursor_of(ben)
    # Several workers at once tell it once.
    await asyncio.gather(
        *(worker.close_polls(server.program.services, server.settings) for _ in range(3))
    )
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        event = await socket.next()
        assert (event["__typename"], event["actor"]) == ("PollChanged", None)
        assert event["message"]["poll"]["closed"]
        assert event["message"]["poll"]["totalVoters"] == 2
        await vote(ana, lasting["id"], 0)
        assert (await socket.next())["message"]["poll"]["totalVoters"] == 1


async def test_who_has_left_is_not_told_of_votes_after_that(server, talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ben)
    poll = await ask(ana, chat_id)
    await vote(ana, poll["id"], 0)
    await ben.done("leaveChat", "", chatId=chat_id)
    await vote(ana, poll["id"], 1)
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        told = [await socket.next() for _ in range(3)]
        assert [event["__typename"] for event in told] == [
            "MessageSent",
            "PollChanged",
            "MemberLeft",
        ]
        for event in told[:2]:
            assert event["message"]["poll"]["totalVoters"] == 0


async def test_the_votes_of_an_erased_account_count_as_nobodys(server, talk):
    ana, ben, chat_id = talk
    poll = await ask(ana, chat_id)
    await vote(ben, poll["id"], 0)
    await erased(server, ben)
    assert await vote(ana, poll["id"], 1) == ([1, 1, 0], 2, [1])
    first, *_ = await voters(ana, poll["id"])
    (node,) = first["nodes"]
    assert node["handle"] != "ben"
