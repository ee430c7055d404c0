"""Migrations with people in the tables: what they have is theirs before and after, up and down."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from accounts.passwords import Passwords
from models.base import UtcDateTime, new_key
from models.chats import chats
from models.database import Database
from models.members import members
from models.messages import messages
from models.sessions import sessions
from server import migrations
from tests.parts.endings import erased
from tests.parts.people import PASSWORD
from tests.parts.roles import administrator, bot, guest, guest_link
from tests.parts.running import PASSWORD_MEMORY_KIB, running

NOW = datetime.now(UTC)
FOUND = "query($search: String!) { users(search: $search) { nodes { handle } } }"
SAID = """
{ viewer { unreadCount sessions { deviceName } chats { nodes {
    title messages(last: 9) { nodes { text sender { handle } } }
} } } }
"""
# As they were before there were accounts of several kinds.
people = sa.table(
    "users",
    sa.column("id", sa.Uuid),
    sa.column("created_at", UtcDateTime),
    *map(sa.column, ("handle", "display_name", "display_name_folded", "email", "password_hash")),
)


async def fill(db, password_hash):
    """Store Ana and Bob, where Ana is signed in, and a chat of theirs in which Bob wrote."""
    ana, bob, chat_id = new_key(), new_key(), new_key()
    named = {"email": "one@example.org", "password_hash": password_hash, "created_at": NOW}
    async with db.writing() as connection:
        await connection.execute(
            people.insert(),
            [
                {"id": id_, "handle": name.lower(), "display_name": name, **named}
                | {"display_name_folded": name.lower()}
                for id_, name in ((ana, "Ana"), (bob, "Bob"))
            ],
        )
        await connection.execute(
            sessions.insert().values(
                id=new_key(),
                user_id=ana,
                device_name="Old phone",
                refresh_hash=b"x" * 32,
                created_at=NOW,
                last_seen_at=NOW,
                refreshed_at=NOW,
                expires_at=NOW + timedelta(days=30),
            )
        )
        await connection.execute(
            chats.insert().values(
                id=chat_id,
                kind="group",
                title="Plans",
                created_by=ana,
                created_at=NOW,
                last_activity_at=NOW,
                last_message_seq=1,
                last_event_seq=2,
                member_count=2,
            )
        )
        for id_, role, read in ((ana, "owner", 0), (bob, "member", 1)):
            await connection.execute(
                members.insert().values(
                    id=new_key(),
                    chat_id=chat_id,
                    user_id=id_,
                    role=role,
                    joined_at=NOW,
                    joined_seq=1,
                    first_message_seq=1,
                    read_seq=read,
                )
            )
        await connection.execute(
            messages.insert().values(
                chat_id=chat_id,
                seq=1,
                sender_id=bob,
                text="Hello",
                client_message_id=new_key(),
                content_hash=b"x" * 32,
                created_at=NOW,
            )
        )


async def move(database_url, *revisions):
    db = Database(database_url)
    try:
        for revision in revisions:
            await (migrations.revert(db, revision) if revision else migrations.migrate(db))
    finally:
        await db.close()


async def test_who_was_there_before_accounts_logs_in_and_finds_everything(database_url):
    hasher = Passwords(memory_kib=PASSWORD_MEMORY_KIB, time_cost=1)
    db = Database(database_url)
    try:
        await migrations.migrate(db, "0006")
        await fill(db, await hasher.hash(PASSWORD))
    finally:
        hasher.close()
        await db.close()
    await move(database_url, None)
    for turn in range(2):
        async with running(database_url) as server:
            ana, bob = server.person(), server.person()
            await ana.log_in("ana")
            await bob.log_in("bob")
            viewer = (await ana.ask(SAID))["viewer"]
            (chat,) = [chat for chat in viewer["chats"]["nodes"] if chat["title"] == "Plans"]
            assert chat["messages"]["nodes"] == [{"text": "Hello", "sender": {"handle": "bob"}}]
            assert viewer["unreadCount"] == 1
            assert "Old phone" in {each["deviceName"] for each in viewer["sessions"]}
            (found,) = (await ana.ask(FOUND, search="bo"))["users"]["nodes"]
            assert found == {"handle": "bob"}
            refused = {"handle": "aNa", "password": PASSWORD, "displayName": "x"}
            assert await server.person().refused("register", "", **refused) == "HANDLE_TAKEN"
            if turn == 0:  # what there was not before goes down and comes up with the rest
                await ana.done("updateSettings", "", hides=True)
                await bot(server, ana, "robot")
                await administrator(server)
        if turn == 0:
            await move(database_url, "0006", None)


async def test_guests_and_who_is_gone_are_found_by_nobody_after_down_and_up(database_url):
    await move(database_url, None)
    async with running(database_url) as server:
        ana, zoe = await server.registered("ana"), await server.registered("zoe")
        _, token = await guest_link(ana, await ana.group("Picnic"))
        gast = await guest(server, token, "Zara")
        await erased(server, zoe)
    await move(database_url, "0011", None)
    async with running(database_url) as server:
        bob = await server.registered("bob")
        for search in ("zara", gast.handle[:8], "deleted"):
            assert (await bob.ask(FOUND, search=search))["users"]["nodes"] == []
        assert (await bob.ask(FOUND, search="ana"))["users"]["nodes"] == [{"handle": "ana"}]
