"""Mail that waits: sent once, later if it has to be, and by one worker at a time."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import mails as models
from models.mails import mails as table
from notify.mail import Message
from resolvers import mails
from resolvers.services import utc_now
from tests.parts.running import running
from tests.parts.smtp import posting_to

HELLO = Message(to="ana@example.org", subject="Hello", text="A secret code", html="<p>Hi</p>")


async def queue(server, message=HELLO, **more):
    async with server.program.services.db.writing() as connection:
        await mails.queue(server.program.services, connection, message, now=utc_now(), **more)


async def waiting(server):
    async with server.program.services.db.reading() as connection:
        return (await connection.execute(sa.select(table))).all()


@pytest.fixture
def without_waits(monkeypatch):
    monkeypatch.setattr(mails, "FIRST_WAIT", timedelta(0))


async def test_a_mail_is_sent_once_and_forgotten(posting):
    await queue(posting.server)
    (taken,) = await posting.delivered()
    assert (taken.recipients, taken.mail["Subject"]) == (["ana@example.org"], "Hello")
    assert taken.mail["From"] == "Chat <chat@example.org>"
    assert await posting.delivered() == []
    assert await waiting(posting.server) == []


async def test_many_are_sent_in_one_go(posting):
    for n in range(3 * mails.AT_ONCE + 1):
        await queue(posting.server, Message(f"a{n}@example.org", "Hello", "", ""))
    taken = await posting.delivered()
    assert len({one.recipients[0] for one in taken}) == len(taken) == 3 * mails.AT_ONCE + 1


async def test_what_waits_is_sealed(posting):
    await queue(posting.server)
    (row,) = await waiting(posting.server)
    assert b"secret" not in row.sealed
    assert b"ana" not in row.sealed


async def test_a_mail_whose_transaction_is_undone_is_never_sent(posting):
    services = posting.server.program.services

    async def fail():
        async with services.db.writing() as connection:
            await mails.queue(services, connection, HELLO, now=utc_now())
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        await fail()
    assert await posting.delivered() == []


async def test_a_decoy_is_stored_as_a_mail_is_and_never_sent(posting):
    await queue(posting.server, decoy=True)
    await queue(posting.server)
    sizes = {len(row.sealed) for row in await waiting(posting.server)}
    assert len(sizes) == 1
    assert len(await posting.delivered()) == 1
    assert await waiting(posting.server) == []


async def test_while_the_mail_server_is_away_mail_waits_and_then_arrives_once(
    posting, without_waits
):
    await posting.mail_server.down()
    for n in range(2):
        await queue(posting.server, Message(f"a{n}@example.org", "Hello", "", ""))
    for _ in range(3):
        assert await posting.delivered() == []
    assert len(await waiting(posting.server)) == 2
    await posting.mail_server.up()
    taken = await posting.delivered()
    assert sorted(one.recipients[0] for one in taken) == ["a0@example.org", "a1@example.org"]
    assert await posting.delivered() == []


async def test_after_each_attempt_a_mail_waits_longer_up_to_an_hour(sqlite_posting, monkeypatch):
    await sqlite_posting.mail_server.down()
    await queue(sqlite_posting.server)
    waits = []
    now = utc_now()
    monkeypatch.setattr(mails, "utc_now", lambda: now)
    for _ in range(9):
        await sqlite_posting.delivered()
        (row,) = await waiting(sqlite_posting.server)
        due = row.due_at
        waits.append((due - now).total_seconds())
        now = due
    assert waits == [10, 30, 90, 270, 810, 2430, 3600, 3600, 3600]


async def test_a_mail_that_cannot_be_sent_for_a_day_is_given_up(sqlite_posting, monkeypatch):
    await sqlite_posting.mail_server.down()
    await queue(sqlite_posting.server)
    later = utc_now() + mails.GIVE_UP_AFTER
    monkeypatch.setattr(mails, "utc_now", lambda: later)
    await sqlite_posting.delivered()
    assert await waiting(sqlite_posting.server) == []


async def test_a_recipient_who_is_refused_for_good_is_not_tried_again(posting, without_waits):
    posting.mail_server.recipient_answer = "550 No such user"
    await queue(posting.server)
    assert await posting.delivered() == []
    assert await waiting(posting.server) == []


async def test_a_recipient_who_is_refused_for_now_is_tried_again(posting, without_waits):
    posting.mail_server.recipient_answer = "450 Greylisted"
    await queue(posting.server)
    assert await posting.delivered() == []
    posting.mail_server.recipient_answer = None
    assert len(await posting.delivered()) == 1


async def test_two_workers_never_send_the_same_mail(migrated_database_url, mail_server):
    async with (
        posting_to(mail_server, migrated_database_url) as one,
        posting_to(mail_server, migrated_database_url) as other,
    ):
        for n in range(20):
            await queue(one.server, Message(f"a{n}@example.org", "Hello", "", ""))
        await asyncio.gather(
            *(mails.deliver(posting.server.program.services) for posting in (one, other) * 2)
        )
        sent = sorted(taken.recipients[0] for taken in mail_server.taken)
        assert sent == sorted(f"a{n}@example.org" for n in range(20))


async def test_a_mail_that_a_worker_is_sending_is_nobody_else_s(posting):
    await queue(posting.server)
    posting.mail_server.may_take.clear()
    sending = asyncio.create_task(posting.delivered())
    await posting.mail_server.asked_to_take.get()
    await mails.deliver(posting.server.program.services)  # another worker finds nothing
    posting.mail_server.may_take.set()
    assert len(await sending) == 1
    assert posting.mail_server.connections == 1


async def test_a_mail_whose_worker_died_is_sent_by_another_with_the_same_id(posting, monkeypatch):
    await queue(posting.server)
    posting.mail_server.may_take.clear()
    sending = asyncio.create_task(posting.delivered())
    await posting.mail_server.asked_to_take.get()
    sending.cancel()
    await asyncio.wait([sending])
    posting.mail_server.may_take.set()
    assert await posting.delivered() == []  # it is still the first one's
    later = utc_now() + mails.LEASE
    monkeypatch.setattr(mails, "utc_now", lambda: later)
    (row,) = await waiting(posting.server)
    (taken,) = await posting.delivered()
    assert taken.mail["Message-ID"] == f"<{row.id}@example.org>"


async def test_a_worker_that_was_too_slow_leaves_a_mail_to_whom_it_is_by_now(server):
    db = server.program.services.db
    await queue(server)
    now = utc_now()
    async with db.writing() as connection:
        (slow,) = await models.take(connection, now, until=now + mails.LEASE, limit=5)
        assert await models.take(connection, now, until=now, limit=5) == []
        now += mails.LEASE
        (other,) = await models.take(connection, now, until=now + mails.LEASE, limit=5)
        await models.remove(connection, slow)
        await models.put_off(connection, slow, now)
        assert await models.take(connection, now, until=now, limit=5) == []
        await models.put_off(connection, other, now)
        (again,) = await models.take(connection, now, until=now, limit=5)
        await models.remove(connection, again)
    assert await waiting(server) == []


async def test_a_mail_that_was_sealed_under_another_secret_is_dropped(sqlite_posting):
    await queue(sqlite_posting.server)
    async with sqlite_posting.server.program.services.db.writing() as connection:
        await connection.execute(table.update().values(sealed=b"x" * 64))
    assert await sqlite_posting.delivered() == []
    assert await waiting(sqlite_posting.server) == []


async def test_without_a_mail_server_mail_goes_to_the_outbox(migrated_sqlite_url, tmp_path):
    given = {"data_dir": tmp_path / "data", "service_name": "Fish & <Chips>, @home"}
    async with running(migrated_sqlite_url, **given) as server:
        await queue(server)
        await mails.deliver(server.program.services)
        (file,) = (tmp_path / "data/outbox").iterdir()
        assert b"A secret code" in file.read_bytes()
        assert b'From: "Fish & <Chips>, @home" <hubbub@localhost>' in file.read_bytes()
        assert await waiting(server) == []


async def test_no_log_line_has_an_address_or_a_text_in_it(
    sqlite_posting, without_waits, capsys, caplog
):
    await queue(sqlite_posting.server)
    sqlite_posting.mail_server.recipient_answer = "450 ana@example.org later"
    await sqlite_posting.delivered()
    sqlite_posting.mail_server.recipient_answer = None
    await sqlite_posting.delivered()
    said = "".join(capsys.readouterr()) + caplog.text
    assert "mail_not_sent" in said
    assert "mail_sent" in said
    assert "ana@" not in said
    assert "secret" not in said
