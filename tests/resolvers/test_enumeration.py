"""Nobody learns whether an account or an address exists: not from answers, not from work done."""

import re

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from tests.parts.people import PASSWORD
from tests.resolvers.test_emails import ANA, verified

NEWCOMER = {"password": PASSWORD, "displayName": "Newcomer"}


class Work:
    """What the server did: passwords hashed and checked, and statements run."""

    def __init__(self, server, monkeypatch):
        self.hashed: list[str] = []
        self.statements: list[str] = []
        for name in ("hash", "verify"):
            self._count(monkeypatch, name)
        engine = server.program.services.db.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", self._statement)

    def _count(self, monkeypatch, name):
        does = getattr(PasswordHasher, name)

        def counting(*args):
            self.hashed.append(name)
            return does(*args)

        monkeypatch.setattr(PasswordHasher, name, counting)

    def _statement(self, _, __, statement, *___):
        # Sessions are looked at every few seconds, whatever is asked for.
        words = re.match(r"\s*(\w+ (?:INTO |FROM )?\w*)", statement)
        table = re.search(r"(?:FROM|INTO|UPDATE)\s+(\w+)", statement)
        if words and table and table[1] in TABLES:
            self.statements.append(f"{words[1].split()[0]} {table[1]}")

    async def of(self, doing):
        """Return the answer, and the work that it took."""
        self.hashed.clear()
        self.statements.clear()
        answer = await doing
        return answer, list(self.hashed), list(self.statements)


TABLES = {"users", "verified_emails", "tickets", "mails", "audit_log"}


@pytest.fixture
async def work(posting, monkeypatch):
    await verified(posting)
    ben = posting.server.person()
    await ben.register("ben", email="ben@example.org")  # not proven
    await posting.delivered()
    return Work(posting.server, monkeypatch)


@pytest.mark.parametrize("login", ["nobody", "nobody@example.org", "ben@example.org"])
async def test_a_log_in_tells_nothing(posting, work, login):
    known = "ana" if "@" not in login else ANA
    both = [
        await work.of(
            posting.server.person().do("logIn", "accessToken", handle=handle, password="wrong one")
        )
        for handle in (known, login)
    ]
    assert both[0] == both[1]
    assert both[0][1] == ["verify"]
    assert both[0][2]


@pytest.mark.parametrize("login", ["nobody", "nobody@example.org", "ben", "ben@example.org"])
async def test_asking_for_a_new_password_tells_nothing(posting, work, login):
    known = "ana" if "@" not in login else ANA
    both = [
        await work.of(posting.server.person().do("requestPasswordReset", "", handle=handle))
        for handle in (known, login)
    ]
    assert both[0] == both[1]
    assert both[0][0] == {"errors": []}
    assert "INSERT mails" in both[0][2]


@pytest.mark.parametrize("email", [ANA, "ben@example.org"])
async def test_registering_with_somebody_s_address_tells_nothing(posting, work, email):
    both = []
    for handle, address in (("newcomer", "newcomer@example.org"), ("another", email)):
        person = posting.server.person()
        doing = person.do(
            "register", "session { deviceName }", handle=handle, email=address, **NEWCOMER
        )
        both.append(await work.of(doing))
    assert both[0] == both[1]
    assert both[0][1] == ["hash"]
    assert "INSERT mails" in both[0][2]


async def test_asking_for_somebody_s_address_tells_nothing(posting, work):
    cyd = await verified(posting, "cyd", "cyd@example.org")
    both = [
        await work.of(cyd.do("changeEmail", "", newEmail=email))
        for email in ("free@example.org", ANA)
    ]
    assert both[0] == both[1]
    assert both[0][0] == {"errors": []}


async def test_mails_of_both_kinds_are_equally_many(posting, work):
    person = posting.server.person()
    await person.do("requestPasswordReset", "", handle="nobody")
    async with posting.server.program.services.db.reading() as connection:
        count = (await connection.execute(sa.text("SELECT count(*) FROM mails"))).scalar()
    assert count == 1
    assert await posting.delivered() == []


async def test_the_owner_of_an_address_is_the_only_one_who_hears_of_it(posting, work):
    person = posting.server.person()
    await person.do("register", "session { id }", handle="newcomer", email=ANA, **NEWCOMER)
    letter = await posting.letter(ANA)
    assert "code" not in letter.text
