"""Walking through a chat's history: from both ends, around something, and by filters."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models.messages import messages
from resolvers.expiry import expire_due
from schema.ids import Kind, decode, encode, encode_message
from tests.parts.endings import expired

ASKED = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String,
  $aroundId: ID, $aroundDate: DateTime, $filter: MessageFilter) {
  chat(id: $id) { messages(first: $first, after: $after, last: $last, before: $before,
    aroundId: $aroundId, aroundDate: $aroundDate, filter: $filter) {
    edges { cursor node { seq } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}"""


async def page(person, chat_id, **asked):
    answer = (await person.ask(ASKED, id=chat_id, **asked))["chat"]["messages"]
    info = answer["pageInfo"]
    seqs = [edge["node"]["seq"] for edge in answer["edges"]]
    return seqs, info["hasPreviousPage"], info["hasNextPage"], info


async def code_of(person, chat_id, **asked):
    answer = await person.run(ASKED, id=chat_id, **asked)
    (error,) = answer["errors"]
    return error["extensions"]["code"]


@pytest.fixture
async def stage(server):
    """Ana, Ben, their chat with twenty messages, and the ids of these."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    sent = [await (ana, ben)[n % 2].send(chat_id, f"{n} https://e.org"[: 40 if n % 5 == 0 else 2])
            for n in range(20)]  # fmt: skip
    return ana, ben, chat_id, [message["id"] for message in sent]


AROUND = [
    # number, size: the page, whether there is more before and after
    (10, 5, [8, 9, 10, 11, 12], True, True),
    (10, 4, [8, 9, 10, 11], True, True),
    (10, 1, [10], True, True),
    (1, 5, [1, 2, 3, 4, 5], False, True),
    (2, 5, [1, 2, 3, 4, 5], False, True),
    (3, 5, [1, 2, 3, 4, 5], False, True),
    (18, 5, [16, 17, 18, 19, 20], True, False),
    (20, 5, [16, 17, 18, 19, 20], True, False),
    (20, 2, [19, 20], True, False),
    (7, 200, list(range(1, 21)), False, False),
]


async def test_a_page_around_a_message_has_it_in_the_middle(stage):
    ana, _, chat_id, ids = stage
    for number, size, *expected in AROUND:
        got = await page(ana, chat_id, aroundId=ids[number - 1], first=size)
        assert [*got[:3]] == expected, (number, size)
    *_, info = await page(ana, chat_id, aroundId=ids[9], first=5)
    assert (await page(ana, chat_id, after=info["endCursor"], first=3))[0] == [13, 14, 15]
    assert (await page(ana, chat_id, before=info["startCursor"], last=3))[0] == [5, 6, 7]


async def test_a_deleted_or_hidden_message_keeps_its_place_also_in_the_middle(stage):
    ana, _, chat_id, ids = stage
    await ana.done("deleteMessage", "", messageId=ids[9])
    await ana.done("hideMessage", "", messageId=ids[10])
    for number in (10, 11):
        seqs, *_ = await page(ana, chat_id, aroundId=ids[number - 1], first=3)
        assert seqs == [number - 1, number, number + 1]
    walked, after = [], None
    while True:
        seqs, _, more, info = await page(ana, chat_id, first=7, after=after)
        walked += seqs
        after = info["endCursor"]
        if not more:
            break
    assert walked == list(range(1, 21))


async def test_a_page_around_what_is_not_there_is_refused_alike(stage, server):
    ana, ben, chat_id, ids = stage
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    other_id = await ana.group("Other")
    elsewhere = await ana.send(other_id, "elsewhere")
    absent = encode_message((decode(Kind.CHAT, chat_id), 1000))
    for person, id_ in ((cyd, ids[0]), (ana, elsewhere["id"]), (ana, absent)):
        assert await code_of(person, chat_id, aroundId=id_) == "NOT_FOUND"
    assert await code_of(ben, chat_id, aroundId=chat_id) == "INVALID_ID"


async def test_a_page_around_a_moment_begins_with_what_was_sent_then(stage, server):
    ana, _, chat_id, _ = stage
    start = datetime(2026, 1, 1).astimezone()
    async with server.program.services.db.writing() as connection:
        for seq in range(1, 21):  # one each minute
            await connection.execute(
                messages.update().where(messages.c.seq == seq).values(
                    created_at=start + timedelta(minutes=seq)
                )
            )  # fmt: skip

    def at(minutes):
        return (start + timedelta(minutes=minutes)).isoformat()

    for minutes, expected in ((10, [8, 9, 10, 11, 12]), (9.5, [8, 9, 10, 11, 12])):
        assert (await page(ana, chat_id, aroundDate=at(minutes), first=5))[0] == expected
    assert (await page(ana, chat_id, aroundDate=at(-60), first=3))[0] == [1, 2, 3]
    assert (await page(ana, chat_id, aroundDate=at(9999), first=3))[:3] == (
        [18, 19, 20],
        True,
        False,
    )
    for low in range(22):
        for high in (0, 1, low, low + 3, 21, 22):
            wanted = {"sentFrom": at(low), "sentUntil": at(high)}
            got = await page(ana, chat_id, filter=wanted, first=200)
            assert got[0] == list(range(max(low, 1), min(high, 21))), (low, high)
    assert await code_of(ana, chat_id, aroundDate="2026-01-01T00:00:00") == "INVALID_INPUT"


FILTERS = [
    ({"hasLink": True}, [1, 6, 11, 16]),
    ({"hasLink": False, "kind": "TEXT"}, [n for n in range(1, 21) if n % 5 != 1]),
    ({"kind": "SYSTEM"}, [21]),
    ({"kind": "POLL"}, []),
    ({"kind": "TEXT", "hasLink": True}, [1, 6, 11, 16]),
    ({}, list(range(1, 22))),
    ({"hasLink": None, "kind": None}, list(range(1, 22))),
]


async def test_filters_leave_out_what_does_not_match_and_pages_go_both_ways(stage):
    ana, ben, chat_id, ids = stage
    await ana.done("pinMessage", "", messageId=ids[0])  # a system message is the 21st
    by = {"ana": list(range(1, 21, 2)), "ben": list(range(2, 21, 2))}
    filters = [
        *FILTERS,
        ({"senderId": ben.user_id}, by["ben"]),
        ({"senderId": ana.user_id, "hasLink": True}, [1, 11]),
        ({"senderId": ana.user_id, "kind": "TEXT", "chatId": chat_id}, by["ana"]),
    ]
    for filter_, expected in filters:
        assert (await page(ana, chat_id, filter=filter_, first=200))[0] == expected, filter_
        assert (await page(ana, chat_id, filter=filter_, last=200))[0] == expected, filter_
        forwards, after = [], None
        while True:
            seqs, _, more, info = await page(ana, chat_id, filter=filter_, first=3, after=after)
            forwards += seqs
            after = info["endCursor"]
            if not more:
                break
        assert forwards == expected, filter_
        backwards: list[int] = []
        before = None
        while True:
            seqs, more, _, info = await page(ana, chat_id, filter=filter_, last=3, before=before)
            backwards = seqs + backwards
            before = info["startCursor"]
            if not more:
                break
        assert backwards == expected, filter_
    for wrong in ({"chatId": await ana.group("Other")}, {"senderId": encode(Kind.USER, uuid4())}):
        assert await code_of(ana, chat_id, filter=wrong) == "NOT_FOUND"
    seqs, *_ = await page(ana, chat_id, filter={"senderId": ben.user_id}, aroundId=ids[9], first=4)
    assert seqs == [6, 8, 10, 12]
    await ben.done("deleteMessage", "", messageId=ids[3])
    assert 4 not in (await page(ana, chat_id, filter={"senderId": ben.user_id}, first=200))[0]


async def test_what_has_expired_matches_no_filter_whether_the_worker_was_there_or_not(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    sent = [await ana.send(chat_id, f"{n} https://e.org") for n in range(4)]
    await expired(server, sent[1], sent[3])
    for _ in ("before the worker comes", "afterwards"):
        for filter_ in (
            {"hasLink": True},
            {"kind": "TEXT"},
            {"senderId": ana.user_id},
            {"senderId": ana.user_id, "kind": "TEXT", "hasLink": True},
        ):
            # One page shorter than what there was, at both ends.
            for end, seqs in (("first", [1, 3]), ("last", [1, 3])):
                got = await page(ana, chat_id, filter=filter_, **{end: 3})
                assert got[:3] == (seqs, False, False), (filter_, end)
        assert (await page(ana, chat_id, filter={"hasLink": False}, first=9))[0] == []
        assert (await page(ana, chat_id, first=9))[0] == [1, 2, 3, 4]
        await expire_due(server.program.services)


async def test_filters_of_a_newcomer_end_where_their_history_does(stage, server):
    ana, ben, chat_id, _ = stage
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    await ben.send(chat_id, "https://e.org")
    # What they see first tells that they were added.
    for filter_, seqs in (
        ({"senderId": ben.user_id}, [22]),
        ({"hasLink": True}, [22]),
        ({"sentFrom": "2000-01-01T00:00Z"}, [21, 22]),
    ):
        assert (await page(cyd, chat_id, filter=filter_, last=200))[0] == seqs
        assert (await page(cyd, chat_id, filter=filter_, first=200))[0] == seqs


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"first": 0}, "INVALID_INPUT"),
        ({"first": 201, "aroundDate": "2026-01-01T00:00:00Z"}, "INVALID_INPUT"),
        ({"last": 5, "aroundDate": "2026-01-01T00:00:00Z"}, "INVALID_INPUT"),
        ({"after": "MQ", "aroundDate": "2026-01-01T00:00:00Z"}, "INVALID_INPUT"),
        ({"before": "MQ", "aroundDate": "2026-01-01T00:00:00Z"}, "INVALID_INPUT"),
        ({"aroundId": "x"}, "INVALID_ID"),
        ({"filter": {"senderId": "x"}}, "INVALID_ID"),
        ({"filter": {"chatId": "x"}}, "INVALID_ID"),
        ({"filter": {"sentFrom": "2026-01-01T00:00:00"}}, "INVALID_INPUT"),
        ({"filter": {"sentUntil": "0001-01-01T00:00:00+14:00"}}, "INVALID_INPUT"),
        ({"filter": {"kind": "NOTHING"}}, "BAD_REQUEST"),
    ],
)
async def test_what_is_no_page_is_refused(sqlite_server, asked, code):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    assert await code_of(ana, chat_id, **asked) == code


async def test_around_a_message_and_a_moment_at_once_is_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "x")
    asked = {"aroundId": message["id"], "aroundDate": message["createdAt"]}
    assert await code_of(ana, chat_id, **asked) == "INVALID_INPUT"


async def test_what_a_chat_tells_of_itself_is_not_older_than_what_was_said_before(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    for _ in range(5):
        message = await ana.send(chat_id, "x")
        await ana.done("pinMessage", "", messageId=message["id"])
    async with server.program.services.db.reading() as connection:
        moments = (
            await connection.execute(sa.select(messages.c.created_at).order_by(messages.c.seq))
        ).scalars()
        found = list(moments)
    assert found == sorted(found)
