"""Passwords: hashing, checking, and the same work for accounts that do not exist."""

import asyncio

import pytest

from accounts import passwords as module
from accounts.passwords import Passwords, TooManyWaiting


@pytest.fixture
def passwords():
    made = Passwords(memory_kib=8192, time_cost=1)
    yield made
    made.close()


async def test_a_password_belongs_to_its_hash_and_no_other_does(passwords):
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsé")
    assert not await passwords.verify("no hash at all", "correct horse")


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("\N{FULLWIDTH DIGIT ONE}23", "123"),
    ],
)
async def test_a_password_is_the_same_however_its_letters_are_composed(passwords, chosen, typed):
    assert await passwords.verify(await passwords.hash(chosen), typed)


async def test_the_same_password_never_has_the_same_hash(passwords):
    assert await passwords.hash("x") != await passwords.hash("x")


async def test_an_account_that_does_not_exist_takes_as_much_work(passwords, monkeypatch):
    verified = []

    def verify(_, stored, __):
        verified.append(stored)
        return True

    monkeypatch.setattr(type(passwords._hasher), "verify", verify)
    assert await passwords.verify("stored", "x")
    assert not await passwords.verify(None, "x")  # whatever the decoy's check says
    assert len(verified) == 2


async def test_more_than_can_be_computed_soon_is_refused_at_once(passwords, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    results = await asyncio.gather(*(passwords.hash("x") for _ in range(5)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, TooManyWaiting)]
    assert len(refused) == 3
    assert await passwords.hash("later")
