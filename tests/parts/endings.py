"""Accounts with something everywhere: what is asked of them, and the time that passes."""

from datetime import timedelta

import sqlalchemy as sa

from models import verified_emails
from models.audit import audit_log
from models.deletions import account_deletions
from models.messages import messages
from models.users import users
from resolvers import exporting
from resolvers.services import utc_now
from schema.ids import decode_message
from server import worker

REQUEST = (
    "mutation { requestDataExport "
    "{ dataExport { id state progress requestedAt url } errors { code } } }"
)


async def change(server, table, **values):
    async with server.program.services.db.writing() as connection:
        await connection.execute(table.update().values(**values))


async def count(server, table):
    async with server.program.services.db.reading() as connection:
        counted = await connection.execute(sa.select(sa.func.count()).select_from(table))
        return counted.scalar_one()


async def asked(person):
    return await person.done("deleteAccount", "deletionDueAt", handle=person.handle)


async def erased(server, person):
    """Delete an account, to the end."""
    await asked(person)
    await time_passes(server)
    await worker.erase_accounts(server.program.services, server.settings)
    assert await count(server, account_deletions) == 0


async def expired(server, *sent):
    """Have messages be expired since a minute; no worker has come by."""
    async with server.program.services.db.writing() as connection:
        for each in sent:
            chat_id, seq = decode_message(each["id"], path="id")
            await connection.execute(
                messages.update()
                .where(messages.c.chat_id == chat_id, messages.c.seq == seq)
                .values(expires_at=utc_now() - timedelta(minutes=1))
            )


async def time_passes(server):
    await change(server, account_deletions, due_at=utc_now())


async def row_of(server, person):
    """Return the row of the account that used to be a person's."""
    async with server.program.services.db.reading() as connection:
        (row,) = (
            await connection.execute(sa.select(users).where(users.c.deleted_at.is_not(None)))
        ).all()
    return row


async def acts(server):
    async with server.program.services.db.reading() as connection:
        return (await connection.execute(sa.select(audit_log.c.act))).scalars().all()


async def lively(server):
    """Return Ana with something in every table that names her, and Bob."""
    ana = server.person()
    await ana.register("ana", email="ana@example.org", displayName="Ana Ruiz")
    bob = await server.registered("bob")
    chat_id = await ana.group("Plans", bob)
    sent = await ana.send(chat_id, "hello")
    await bob.send(chat_id, "hello yourself")
    await bob.done("markRead", "errors { code }", chatId=chat_id, seq=1)
    await ana.done(
        "addReaction", "message { id }", messageId=sent["id"], emoji="\N{SLICE OF PIZZA}"
    )
    await ana.done("updateProfile", "errors { code }", bio="Ana speaking", timeZone="Europe/Berlin")
    await ana.done("updateSettings", "errors { code }", whoMayCall="NOBODY")
    await ana.done("changeHandle", "errors { code }", handle="ana_maria")
    await ana.done("changeHandle", "errors { code }", handle="ana")
    await prove_address(server, "ana", "ana@example.org")
    await ana.ask(REQUEST)
    await exporting.make_next(server.program.services)
    return ana, bob, chat_id


async def prove_address(server, handle, address):
    """Let somebody have proven their address, as with a mailed code."""
    async with server.program.services.db.writing() as connection:
        user_id = await id_of(connection, handle)
        now = utc_now()
        await verified_emails.prove(connection, user_id, address=address, key=address, now=now)


async def id_of(connection, handle):
    found = await connection.execute(sa.select(users.c.id).where(users.c.handle == handle))
    return found.scalar_one()
