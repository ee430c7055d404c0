"""Receipts of a message: who has received and read it, how many, and what those hide who want."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import receipt_counts
from models.base import new_key
from models.chats import chats
from models.members import members
from models.messages import by_keys
from models.settings import settings
from models.users import users
from resolvers import members as member_cases
from resolvers import receipts as receipt_cases
from resolvers.services import utc_now
from tests.journeys.test_resume import cursor_of
from tests.parts.people import until_subscribed

RECEIPTS = """query($id: ID!) { chat(id: $id) {
  messages { nodes { seq kind receipts { deliveredCount readCount readBy { handle } } } }
  members { nodes { user { handle } deliveredSeq readSeq } }
  viewerMembership { readSeq deliveredSeq }
} }"""
HEARD = """subscription($after: Cursor) { events(after: $after) {
  __typename ... on ReceiptsAdvanced { user { handle } readSeq } } }"""
TOLD = """subscription($after: Cursor) { events(after: $after) { __typename
  ... on MessageSent { message { receipts { readCount readBy { handle } } } }
  ... on MessageEdited { message { receipts { readCount readBy { handle } } } } } }"""
SET = "settings { hidesReceipts }"


async def shown(person, chat_id):
    """Return of each message that somebody wrote how many got it, how many read it, and who."""
    chat = (await person.ask(RECEIPTS, id=chat_id))["chat"]
    written = [each["receipts"] for each in chat["messages"]["nodes"] if each["kind"] == "TEXT"]
    return [(each["deliveredCount"], each["readCount"], names(each["readBy"])) for each in written]


def names(people):
    return None if people is None else [person["handle"] for person in people]


async def mark(person, what, chat_id, seq):
    await person.done(f"mark{what}", "chat { id }", chatId=chat_id, seq=seq)


async def hide(person, hides=True):
    payload = await person.done("updateSettings", SET, hidesReceipts=hides)
    assert payload["settings"]["hidesReceipts"] is hides


@pytest.fixture
async def talk(server):
    people = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await people[0].group("Talk", *people[1:])
    return *people, chat_id


async def test_a_message_tells_who_of_the_others_has_got_and_read_it(talk):
    ana, ben, cyd, chat_id = talk
    for text in ("one", "two"):
        await ana.send(chat_id, text)
    assert await shown(ana, chat_id) == [(0, 0, []), (0, 0, [])]
    await mark(ben, "Delivered", chat_id, 2)
    await mark(ben, "Read", chat_id, 1)
    await mark(cyd, "Read", chat_id, 2)
    for person in (ana, ben):
        assert await shown(person, chat_id) == [(2, 2, ["ben", "cyd"]), (2, 1, ["cyd"])]
    await ben.send(chat_id, "three")
    assert await shown(ana, chat_id) == [
        *((2, 2, ["ben", "cyd"]), (2, 2, ["ben", "cyd"]), (0, 0, []))
    ]


async def test_who_came_later_or_left_is_not_counted(server, talk):
    ana, ben, cyd, chat_id = talk
    await ana.send(chat_id, "one")
    for person in (ben, cyd):
        await mark(person, "Read", chat_id, 1)
    await cyd.done("leaveChat", "", chatId=chat_id)
    dan = await server.registered("dan")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    assert await shown(ana, chat_id) == [(1, 1, ["ben"])]
    sent = await ana.send(chat_id, "two")
    await mark(dan, "Read", chat_id, sent["seq"])
    assert await shown(ana, chat_id) == [(1, 1, ["ben"]), (1, 1, ["dan"])]


async def test_who_hides_receipts_shows_theirs_to_nobody_and_sees_nobodys(talk):
    ana, ben, cyd, chat_id = talk
    await ana.send(chat_id, "one")
    for person in (ben, cyd):
        await mark(person, "Read", chat_id, 1)
    await hide(ben)
    assert await shown(ana, chat_id) == [(1, 1, ["cyd"])]
    assert await shown(ben, chat_id) == [(None, None, None)]

    async def pointers(person):
        chat = (await person.ask(RECEIPTS, id=chat_id))["chat"]
        assert chat["viewerMembership"] == {"readSeq": 1, "deliveredSeq": 1}
        return {
            node["user"]["handle"]: (node["deliveredSeq"], node["readSeq"])
            for node in chat["members"]["nodes"]
        }

    nothing = (None, None)
    assert await pointers(ana) == {"ana": (1, 1), "ben": nothing, "cyd": (1, 1)}
    assert await pointers(ben) == {"ana": nothing, "ben": (1, 1), "cyd": nothing}
    await hide(ben, hides=False)
    assert await shown(ana, chat_id) == [(2, 2, ["ben", "cyd"])]


async def test_who_clears_their_history_goes_on_having_read_it(talk):
    ana, ben, _cyd, chat_id = talk
    await ana.send(chat_id, "one")
    await mark(ben, "Read", chat_id, 1)
    await ben.done("clearHistory", "chat { id }", chatId=chat_id)
    assert await shown(ana, chat_id) == [(1, 1, ["ben"])]


async def test_who_may_read_what_was_said_before_they_came_has_not_read_it(
    server, talk, monkeypatch
):
    ana, _ben, _cyd, chat_id = talk
    await ana.done("updateChat", "", chatId=chat_id, historyVisibility="FROM_START")
    await ana.send(chat_id, "one")
    dan = await server.registered("dan")
    # As if the request had waited for the chat, or this node's clock were behind.
    monkeypatch.setattr(member_cases, "utc_now", lambda: utc_now() - timedelta(seconds=5))
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    assert await shown(ana, chat_id) == await shown(dan, chat_id) == [(0, 0, [])]


async def told_of_message(person, after):
    """Return the next event about a message, and what it says of who has read that."""
    async with person.socket() as socket:
        await socket.subscribe("events", TOLD, after=after)
        event = await socket.next()
        receipts = event["message"]["receipts"]
        return event["__typename"], (receipts["readCount"], names(receipts["readBy"]))


async def test_who_has_left_is_not_told_who_reads_afterwards(talk):
    ana, ben, cyd, chat_id = talk
    after = await cursor_of(ben)
    await ana.send(chat_id, "one")
    await ana.done("removeMember", "", chatId=chat_id, userId=ben.user_id)
    await mark(cyd, "Read", chat_id, 1)
    assert await told_of_message(ben, after) == ("MessageSent", (None, None))


async def test_a_newcomer_is_not_told_who_has_read_what_was_said_before(server, talk):
    ana, ben, _cyd, chat_id = talk
    sent = await ana.send(chat_id, "one")
    await mark(ben, "Read", chat_id, 1)
    dan = await server.registered("dan")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[dan.user_id])
    after = await cursor_of(dan)
    await ana.done("editMessage", "", messageId=sent["id"], text="two")
    assert await told_of_message(dan, after) == ("MessageEdited", (None, None))


async def test_of_two_people_of_whom_one_blocks_the_other_neither_sees_what_the_other_reads(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    chat_id = payload["chat"]["id"]
    await ben.send(chat_id, "one")
    await ana.done("blockUser", "", userId=ben.user_id)
    after = await cursor_of(ben)
    await mark(ana, "Read", chat_id, 1)
    chat = (await ben.ask(RECEIPTS, id=chat_id))["chat"]
    assert await shown(ben, chat_id) == [(0, 0, [])]
    pointers = {each["user"]["handle"]: each["readSeq"] for each in chat["members"]["nodes"]}
    assert pointers == {"ana": None, "ben": 1}
    await ana.done("unblockUser", "", userId=ben.user_id)
    assert await shown(ben, chat_id) == [(1, 1, ["ana"])]
    await ben.send(chat_id, "two")
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        assert (await socket.next())["__typename"] == "MessageSent"


async def heard_of(socket, count):
    """Return whose receipts come next, without what else happens."""
    found: list[tuple[str, int]] = []
    while len(found) < count:
        event = await socket.next()
        if event["__typename"] == "ReceiptsAdvanced":
            found.append((event["user"]["handle"], event["readSeq"]))
    return found


async def test_hidden_receipts_reach_their_own_devices_alone_live(talk):
    ana, ben, cyd, chat_id = talk
    for text in ("one", "two", "three"):
        await ana.send(chat_id, text)
    async with ana.socket() as hers, ben.socket() as his:
        await hers.subscribe("events", HEARD)
        await his.subscribe("events", HEARD)
        await until_subscribed(ana.url, 2)
        await hide(ben)
        # One after the other, since the latest wins of what comes together.
        await mark(ben, "Read", chat_id, 1)
        assert await heard_of(his, 1) == [("ben", 1)]
        await mark(cyd, "Read", chat_id, 1)
        assert await heard_of(hers, 1) == [("cyd", 1)]
        await mark(ben, "Read", chat_id, 2)
        assert await heard_of(his, 1) == [("ben", 2)]
        await hide(ben, hides=False)
        await mark(ben, "Read", chat_id, 3)
        assert await heard_of(hers, 1) == await heard_of(his, 1) == [("ben", 3)]
        await mark(cyd, "Read", chat_id, 3)
        assert await heard_of(hers, 1) == await heard_of(his, 1) == [("cyd", 3)]


async def test_hidden_receipts_reach_their_own_devices_alone_after_an_absence(talk):
    ana, ben, cyd, chat_id = talk
    await ana.send(chat_id, "one")
    await ana.send(chat_id, "two")
    await hide(ben)
    after = {person: await cursor_of(person) for person in (ana, ben)}
    for person in (ben, cyd):
        await mark(person, "Read", chat_id, 1)
    async with ana.socket() as hers, ben.socket() as his:
        await hers.subscribe("events", HEARD, after=after[ana])
        await his.subscribe("events", HEARD, after=after[ben])
        assert await heard_of(hers, 1) == [("cyd", 1)]
        assert await heard_of(his, 1) == [("ben", 1)]
        # The replay knows that he hides, and so does what follows it.
        await until_subscribed(ana.url, 2)
        for person in (cyd, ben):
            await mark(person, "Read", chat_id, 2)
        assert await heard_of(his, 1) == [("ben", 2)]
        assert await heard_of(hers, 1) == [("cyd", 2)]


async def test_a_setting_cannot_be_null(sqlite_server):
    ana = await sqlite_server.registered("ana")
    assert await ana.refused("updateSettings", SET, hidesReceipts=None) == "INVALID_INPUT"


# --- large chats ----------------------------------------------------------------------------------


async def crowd(world, chat, size):
    """Put many people into a chat; returns their ids in the order in which they came."""
    now, ids = utc_now(), [new_key() for _ in range(size)]
    async with world.services.db.writing() as connection:
        await connection.execute(
            users.insert(),
            [
                {"id": id_, "handle": f"x{id_.hex[-20:]}", "display_name": "X", "created_at": now}
                for id_ in ids
            ],
        )
        await connection.execute(
            members.insert(),
            [
                {
                    "id": new_key(),
                    "chat_id": chat.id,
                    "user_id": id_,
                    "role": "member",
                    "joined_at": now,
                    "joined_seq": 1,
                    "first_message_seq": 1,
                    "read_seq": 0,
                }
                for id_ in ids
            ],
        )
        await connection.execute(
            chats.update().where(chats.c.id == chat.id).values(member_count=size + 1)
        )
    return ids


async def test_in_a_large_chat_people_are_counted(world):
    ana = await world.person("ana")
    chat = await world.group(ana)
    ids = await crowd(world, chat, 120)
    for _ in range(6):
        await world.send(ana, chat)
    async with world.services.db.writing() as connection:
        for number, user_id in enumerate(ids):
            read = number % 7
            await connection.execute(
                members.update()
                .where(members.c.user_id == user_id)
                .values(
                    read_seq=read,
                    delivered_seq=min(read + 1, 6),
                    first_message_seq=4 if number < 30 else 1,
                )
            )
        await connection.execute(
            settings.insert(),
            [{"user_id": user_id, "hides_receipts": True} for user_id in ids[40:60]],
        )
    async with world.services.db.reading() as connection:
        rows = (
            await connection.execute(
                sa.select(members).where(members.c.user_id.in_([*ids[:40], *ids[60:]]))
            )
        ).all()
        for seqs in ((1, 2, 3, 4, 5, 6), (3,), (5, 2)):
            wanted = await by_keys(connection, [(chat.id, seq) for seq in seqs])
            found = await receipt_counts.of_large_chat(connection, chat.id, wanted.values())
            for seq in seqs:
                there = [row for row in rows if row.first_message_seq <= seq]
                count = found[chat.id, seq]
                assert count.delivered == sum(row.delivered_seq >= seq for row in there)
                assert count.read == sum(row.read_seq >= seq for row in there)
                assert count.reader_ids is None


async def test_in_a_large_chat_the_sender_is_not_counted(world):
    ana, ben = await world.person("ana"), await world.person("ben")
    chat = await world.group(ana, ben)
    await world.send(ana, chat)
    await world.send(ben, chat)
    await receipt_cases.mark_read(world.services, ana, chat_id=chat.id, seq=2)
    async with world.services.db.reading() as connection:
        wanted = await by_keys(connection, [(chat.id, seq) for seq in (1, 2)])
        found = await receipt_counts.of_large_chat(connection, chat.id, wanted.values())
    assert [found[chat.id, seq].read for seq in (1, 2)] == [1, 1]


LARGE = "query($id: ID!) { chat(id: $id) { lastMessage { receipts { readCount readBy { id } } } } }"


async def test_in_a_large_chat_nobody_is_named_and_in_the_largest_nobody_counted(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Large", ben)
    await ana.send(chat_id, "one")
    await mark(ben, "Read", chat_id, 1)
    for size, count in ((100, 1), (101, 1), (10_000, 1), (10_001, None)):
        async with server.program.services.db.writing() as connection:
            await connection.execute(chats.update().values(member_count=size))
        receipts = (await ana.ask(LARGE, id=chat_id))["chat"]["lastMessage"]["receipts"]
        assert receipts["readCount"] == count
        assert (receipts["readBy"] is not None) is (size <= 100)


async def test_a_large_chats_members_are_found_by_key(postgres_world):
    ana = await postgres_world.person("ana")
    chat = await postgres_world.group(ana)
    message = await postgres_world.send(ana, chat)
    values = {
        "chat_id": chat.id,
        "before": 0,
        "oldest": 1,
        "newest": 1,
        "beyond": 2,
        "sender_ids": [message.sender_id],
    }
    async with postgres_world.services.db.reading() as connection:
        compiled = receipt_counts._GROUPED.params(values).compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        plan = (await connection.execute(sa.text(f"EXPLAIN {compiled}"))).scalars().all()
    assert not [line for line in plan if "Seq Scan" in line]
    assert [line for line in plan if "ix_members_chat_id_id" in line]
