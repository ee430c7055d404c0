"""Unread counts: differences of numbers, with what has expired and what is put away."""

from datetime import timedelta

import pytest

from models.chats import chats
from models.members import FOR_EVER, members
from resolvers.services import utc_now
from schema.ids import Kind, decode

COUNTS = """query($id: ID!) {
  viewer { unreadCount unreadChats }
  chat(id: $id) { viewerMembership { unreadCount } }
}"""


@pytest.fixture
async def talk(server):
    """Ben in a chat with three messages of Ana's, and in another one with one."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id, other_id = await ana.group("Talk", ben), await ana.group("Other", ben)
    for text in ("one", "two", "three"):
        await ana.send(chat_id, text)
    await ana.send(other_id, "one")
    return ana, ben, chat_id


async def counts(person, chat_id):
    """Return what is unread in the chat, in all of them, and in how many."""
    shown = await person.ask(COUNTS, id=chat_id)
    viewer = shown["viewer"]
    unread = shown["chat"]["viewerMembership"]["unreadCount"]
    return unread, viewer["unreadCount"], viewer["unreadChats"]


async def set_(server, table, where, **values):
    async with server.program.services.db.writing() as connection:
        await connection.execute(table.update().where(where).values(**values))


async def test_what_has_expired_is_not_unread(server, talk):
    ana, ben, chat_id = talk
    this = chats.c.id == decode(Kind.CHAT, chat_id)
    assert await counts(ben, chat_id) == (3, 4, 2)
    for expired, left in ((2, 1), (3, 0)):
        await set_(server, chats, this, expired_seq=expired)
        assert await counts(ben, chat_id) == (left, left + 1, 2 if left else 1)
    await ben.done("markRead", "chat { id }", chatId=chat_id, seq=1)
    assert await counts(ben, chat_id) == (0, 1, 1)
    await ana.send(chat_id, "four")
    assert await counts(ben, chat_id) == (1, 2, 2)


@pytest.mark.parametrize(
    ("column", "away", "back"),
    [
        ("muted_until", FOR_EVER, None),
        ("muted_until", utc_now() + timedelta(hours=1), utc_now() - timedelta(seconds=1)),
        ("archived_seq", 3, None),
    ],
)
async def test_the_badge_leaves_out_what_is_muted_or_archived(server, talk, column, away, back):
    _, ben, chat_id = talk
    own = (members.c.user_id == decode(Kind.USER, ben.user_id)) & (
        members.c.chat_id == decode(Kind.CHAT, chat_id)
    )
    await set_(server, members, own, **{column: away})
    assert await counts(ben, chat_id) == (3, 4, 1)
    await set_(server, members, own, **{column: back})
    assert await counts(ben, chat_id) == (3, 4, 2)


async def test_a_deleted_message_counts_until_the_pointer_has_passed_it(talk):
    ana, ben, chat_id = talk
    message = await ana.send(chat_id, "four")
    await ana.done("deleteMessage", "deletedMessageId", messageId=message["id"])
    assert (await counts(ben, chat_id))[0] == 4
    await ben.send(chat_id, "mine")
    assert await counts(ben, chat_id) == (0, 1, 1)
