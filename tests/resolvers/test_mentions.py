"""Mentions: whom a text names, and counts that are right without counting messages."""

import asyncio
import random

import pytest
import sqlalchemy as sa

from models import mentions as mention_table
from models.blocks import blocks
from models.chats import chats
from models.errors import InvalidInput
from models.members import members
from models.messages import messages
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import receipts as receipt_cases
from resolvers.mentions import MAX_MENTIONS, Named, named
from resolvers.services import utc_now
from tests.parts.people import until_subscribed


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("@ana", {"ana"}),
        ("Hello @Ana_1, and @ben! (@cyd) @ana_1", {"ana_1", "ben", "cyd"}),
        ("*@ana* **@ben** ~@cyd~\n@dan", {"ana", "ben", "cyd", "dan"}),
        ("@ana.", {"ana"}),
        ("@ana's @ben:", {"ana", "ben"}),
        ("«@ana»—@ben…@cyd", {"ana", "ben", "cyd"}),
        ("mail me@ana.org or m.e@ben.org or you+me@cyd.org", set()),
        ("https://social.example/@ana https://social.example?x=@ben", set()),
        ("@ab @1ab @-ana @@ana ana@ @", set()),
        ("@" + "a" * 32, {"a" * 32}),
        ("@" + "a" * 33, set()),
        ("@anaé @анна @ana@ben", set()),
        ("`@ana` @ben", {"ben"}),
        ("``@ana ` @ben`` @cyd", {"cyd"}),
        ("` @ana", {"ana"}),
        ("`` @ana `", {"ana"}),
        ("```\n@ana\n``` @ben", {"ben"}),
        ("@ana\n```py\n@decorator\n", {"ana"}),
        ("a ``` b @ana", {"ana"}),
        ("no names", set()),
    ],
)
def test_a_text_names_handles_outside_code_and_addresses(text, handles):
    assert named(text) == Named(frozenset(handles))


def test_everybody_is_named_as_all_and_by_no_handle():
    assert named("@all @ALL @ana") == Named(frozenset({"ana"}), everybody=True)
    assert named("`@all` x@all.org @allofus").everybody is False


def test_a_text_of_backticks_and_names_takes_no_longer_than_others():
    for text in ("`" * 9_999 + "@", "` `` " * 2_000 + "@ana", "@" * 10_000, "`@" * 5_000):
        assert len(named(text).handles) <= 1


def test_a_message_names_at_most_fifty_people():
    text = " ".join(f"@person{number}" for number in range(MAX_MENTIONS))
    assert len(named(f"{text} {text} `@code`").handles) == MAX_MENTIONS
    with pytest.raises(InvalidInput) as refused:
        named(f"{text} @other")
    assert refused.value.path == ("text",)


# --- what is shown -------------------------------------------------------------------------------

HTML = """query($id: ID!) { chat(id: $id) { messages { nodes { html } } } }"""
RENDERED = "subscription { events { ... on MessageSent { message { html } } } }"


def marked(person):
    return f'<span class="mention" data-user-id="{person.user_id}">@{person.handle}</span>'


async def test_html_shows_whom_a_message_mentions_in_the_history_and_in_events(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Talk", ben)
    everybody = '<span class="mention">@all</span>'
    long = "word " * 100  # too long to be rendered at once
    said = {
        # Who is not there stays a word, and so does everybody in code.
        f"@ben @{cyd.handle} `@ben`": f"<p>{marked(ben)} @cyd <code>@ben</code></p>",
        "@all and *@ana*": f"<p>{everybody} and <em>{marked(ana)}</em></p>",
        f"{long}@ben": f"<p>{long}{marked(ben)}</p>",
        f"{long}me@ben.org": f'<p>{long}<a href="mailto:me@ben.org" target="_blank" '
        'rel="noopener noreferrer nofollow">me@ben.org</a></p>',
    }
    async with ben.socket() as socket:
        await socket.subscribe("events", RENDERED)
        await until_subscribed(server.url, 1)
        for text in said:
            await ana.send(chat_id, text)
        heard = [(await socket.next())["message"]["html"] for _ in said]
    # Who is a member only may not call everybody.
    await ben.send(chat_id, "@all")
    shown = (await ben.ask(HTML, id=chat_id))["chat"]["messages"]["nodes"]
    assert heard == list(said.values())
    assert [each["html"] for each in shown] == [*said.values(), "<p>@all</p>"]


async def test_html_marks_by_the_handle_that_somebody_has_now(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    message = await ana.send(chat_id, "@ben")
    await ana.done("deleteMessage", "", messageId=message["id"])
    await ana.send(chat_id, "@ben")
    await ben.done("changeHandle", "", handle="benny")
    nodes = (await ana.ask(HTML, id=chat_id))["chat"]["messages"]["nodes"]
    assert [node["html"] for node in nodes] == ["", "<p>@ben</p>"]


# --- counts ---------------------------------------------------------------------------------------


@pytest.fixture
async def people(world):
    return [await world.person(name) for name in ("ana", "ben", "cyd")]


async def counts(world, *viewers, chat):
    """Return how many unread mentions each has in a chat; raises unless the totals agree."""
    found = []
    async with world.services.db.reading() as connection:
        for viewer in viewers:
            by_chat = await mention_table.unread(connection, viewer.user_id, [chat.id])
            total = await mention_table.unread_total(connection, viewer.user_id)
            assert sum(by_chat.values()) == total
            found.append(by_chat.get(chat.id))
    return found


async def mentioned(world, message):
    async with world.services.db.reading() as connection:
        found = await mention_table.of(connection, [(message.chat_id, message.seq)])
    return set(found[message.chat_id, message.seq])


async def mark(world, viewer, chat, seq):
    await receipt_cases.mark_read(world.services, viewer, chat_id=chat.id, seq=seq)


async def test_those_in_the_chat_are_mentioned_and_nobody_else(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben)
    message = await world.send(ana, chat, "@ana @ben @cyd @nobody")
    assert await mentioned(world, message) == {ana.user_id, ben.user_id}
    # Who writes has read what they wrote.
    assert await counts(world, ana, ben, cyd, chat=chat) == [0, 1, None]


async def test_who_blocks_the_sender_is_not_mentioned(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    async with world.services.db.writing() as connection:
        await connection.execute(
            blocks.insert().values(
                user_id=ben.user_id, blocked_id=ana.user_id, created_at=utc_now()
            )
        )
    assert await mentioned(world, await world.send(ana, chat, "@ben @cyd")) == {cyd.user_id}
    assert await mentioned(world, await world.send(ben, chat, "@ana")) == {ana.user_id}


async def test_reading_takes_the_mentions_along_that_it_passes(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    for text in ("@ben", "nobody", "@ben", "@ben", "nobody"):
        await world.send(ana, chat, text)
    for seq, left in ((0, 3), (1, 2), (2, 2), (3, 1), (2, 1), (3, 1), (4, 0), (5, 0)):
        await mark(world, ben, chat, seq)
        assert await counts(world, ben, chat=chat) == [left]


async def test_writing_takes_all_of_them_along_also_within_a_batch(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await world.send(ana, chat, "@ben @cyd")
    texts = ((ana, "@ben @cyd"), (ben, "@ana"), (ana, "@ben"), (cyd, "@ana @ben"), (ana, "bye"))
    await asyncio.gather(*(world.send(viewer, chat, text) for viewer, text in texts))
    async with world.services.db.reading() as connection:
        last = dict(
            (
                await connection.execute(
                    sa.select(messages.c.sender_id, sa.func.max(messages.c.seq)).group_by(
                        messages.c.sender_id
                    )
                )
            ).all()
        )
        rows = (await connection.execute(sa.select(mention_table.mentions))).all()
    expected = [
        sum(
            row.user_id == viewer.user_id and row.message_seq > last[viewer.user_id] for row in rows
        )
        for viewer in people
    ]
    assert await counts(world, *people, chat=chat) == expected


async def test_everybody_is_mentioned_by_those_who_may(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    assert (await world.send(ben, chat, "@all listen")).mentions_all is False
    assert await counts(world, *people, chat=chat) == [0, 0, 0]
    assert (await world.send(ana, chat, "@all listen")).mentions_all is True
    assert await counts(world, *people, chat=chat) == [0, 1, 1]
    # By name and with everybody is once.
    message = await world.send(ana, chat, "@all and @ben above all")
    assert await mentioned(world, message) == {ben.user_id}
    assert await counts(world, *people, chat=chat) == [0, 2, 2]
    await mark(world, ben, chat, 2)
    assert await counts(world, *people, chat=chat) == [0, 1, 2]
    await world.send(cyd, chat, "yes?")
    assert await counts(world, *people, chat=chat) == [0, 1, 0]
    late = await world.person("late")
    await member_cases.add(world.services, ana, chat_id=chat.id, user_ids=[late.user_id])
    assert await counts(world, late, chat=chat) == [0]


async def test_an_edit_and_a_deletion_keep_the_counts_right(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    first = await world.send(ana, chat, "@ben")
    everybody = await world.send(ana, chat, "@all")
    await world.send(ana, chat, "@all again")
    await mark(world, ben, chat, 2)
    assert await counts(world, ben, cyd, chat=chat) == [1, 2]

    async def edit(message, text):
        key = (chat.id, message.seq)
        return await message_cases.edit(world.services, ana, key=key, text=text)

    # Who has read it is not told again, who has not is.
    await edit(first, "@cyd")
    assert await counts(world, ben, cyd, chat=chat) == [1, 3]
    assert (await edit(first, "@all")).mentions_all is True
    assert await counts(world, ben, cyd, chat=chat) == [1, 3]
    assert (await edit(first, "@ben @cyd")).mentions_all is False
    assert await counts(world, ben, cyd, chat=chat) == [1, 3]
    await edit(first, "nobody")
    assert await counts(world, ben, cyd, chat=chat) == [1, 2]
    await message_cases.delete(world.services, ana, key=(chat.id, everybody.seq))
    assert await counts(world, ben, cyd, chat=chat) == [1, 1]
    await mark(world, cyd, chat, 3)
    assert await counts(world, ben, cyd, chat=chat) == [1, 0]
    with pytest.raises(InvalidInput):
        await edit(first, " ".join(f"@person{n}" for n in range(MAX_MENTIONS + 1)))
    assert await mentioned(world, first) == set()


@pytest.mark.parametrize("seed", range(3))
async def test_counts_agree_with_the_messages_after_whatever_happens(world, people, seed):
    chance = random.Random(seed)
    chat = await world.group(*people)
    texts = ["@ana", "@ben @cyd", "@all", "@all @cyd", "nothing", "@ana @ben @cyd"]
    last = 0
    for _ in range(25):
        viewer, text = chance.choice(people), chance.choice(texts)
        key = (chat.id, chance.randint(1, max(last, 1)))
        match chance.choice(["send", "send", "send", "read", "edit", "delete"]):
            case "send":
                last = (await world.send(viewer, chat, text)).seq
            case "read":
                await mark(world, viewer, chat, key[1])
            case what:
                async with world.services.db.reading() as connection:
                    row = (
                        await connection.execute(
                            sa.select(messages.c.sender_id, messages.c.deleted_at).where(
                                messages.c.chat_id == key[0], messages.c.seq == key[1]
                            )
                        )
                    ).one_or_none()
                if row is None or row.deleted_at:
                    continue
                sender = next(each for each in people if each.user_id == row.sender_id)
                if what == "edit":
                    await message_cases.edit(world.services, sender, key=key, text=text)
                else:
                    await message_cases.delete(world.services, sender, key=key)
        assert await counts(world, *people, chat=chat) == await recounted(world, people, chat)


async def recounted(world, people, chat):
    """Return what `counts` should be, by going through all messages."""
    async with world.services.db.reading() as connection:
        said = (await connection.execute(sa.select(messages))).all()
        rows = (await connection.execute(sa.select(mention_table.mentions))).all()
        stays = (await connection.execute(sa.select(members))).all()
        numbers = (
            await connection.execute(
                sa.select(mention_table.all_mentions.c.number).order_by(
                    mention_table.all_mentions.c.message_seq
                )
            )
        ).scalars()
        now = (await connection.execute(sa.select(chats).where(chats.c.id == chat.id))).one()
    assert list(numbers) == list(range(1, now.all_mentions + 1))
    read = {stay.user_id: stay.read_seq for stay in stays}
    naming = {(row.user_id, row.message_seq) for row in rows}
    return [
        sum(
            message.seq > read[viewer.user_id]
            and (message.mentions_all or (viewer.user_id, message.seq) in naming)
            for message in said
        )
        for viewer in people
    ]


# --- as clients see it ----------------------------------------------------------------------------

SHOWN = "seq mentionsAll mentions { handle }"
HEARD = f"""
subscription {{ events {{ ... on MessageSent {{ message {{ {SHOWN} }} }}
  ... on MessageEdited {{ message {{ {SHOWN} }} }} }} }}
"""
BADGE = """query($id: ID!) {
  viewer { mentionCount unreadCount unreadChats }
  chat(id: $id) { viewerMembership { mentionCount unreadCount } members { nodes { mentionCount } } }
}"""


def handles(message):
    return {user["handle"] for user in message["mentions"]}


async def test_mentions_come_with_the_message_and_with_its_events(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD)
        await until_subscribed(ana.url, 1)
        data = await ana.ask(
            f"mutation($i: SendMessageInput!) {{ sendMessage(input: $i) "
            f"{{ message {{ id {SHOWN} }} }} }}",
            i={
                "chatId": chat_id,
                "text": "@ben @all",
                "clientMessageId": "0b0f1f0e-6f6c-4c52-8f8f-0a8b1f9b6f11",
            },
        )
        sent = data["sendMessage"]["message"]
        assert (sent["mentionsAll"], handles(sent)) == (True, {"ben"})
        heard = (await socket.next())["message"]
        assert (heard["mentionsAll"], handles(heard)) == (True, {"ben"})
        edited = await ana.done(
            "editMessage", f"message {{ {SHOWN} }}", messageId=sent["id"], text="@ana"
        )
        assert (edited["message"]["mentionsAll"], handles(edited["message"])) == (False, {"ana"})
        heard = (await socket.next())["message"]
        assert (heard["mentionsAll"], handles(heard)) == (False, {"ana"})


async def test_the_viewer_sees_their_own_counts_and_nobody_elses(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    for text in ("@ben", "hello", "@all"):
        await ana.send(chat_id, text)
    shown = await ben.ask(BADGE, id=chat_id)
    assert shown["viewer"] == {"mentionCount": 2, "unreadCount": 3, "unreadChats": 1}
    assert shown["chat"]["viewerMembership"] == {"mentionCount": 2, "unreadCount": 3}
    assert [node["mentionCount"] for node in shown["chat"]["members"]["nodes"]] == [None, None]
    await ben.done("markRead", "chat { id }", chatId=chat_id, seq=3)
    shown = await ben.ask(BADGE, id=chat_id)
    assert shown["viewer"] == {"mentionCount": 0, "unreadCount": 0, "unreadChats": 0}
