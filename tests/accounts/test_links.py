"""Signed links: what one opens, for how long, and that nobody else makes one."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.links import InvalidLink, SignedLinks

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
THING = uuid4()


@pytest.fixture
def links():
    return SignedLinks(b"a secret of the tests")


def test_a_link_opens_its_thing_until_its_time_is_over(links):
    key = links.issue(THING, NOW, FIVE_MINUTES)
    assert links.read(key, NOW) == THING
    assert links.read(key, NOW + FIVE_MINUTES - timedelta(seconds=1)) == THING
    with pytest.raises(InvalidLink):
        links.read(key, NOW + FIVE_MINUTES)


def test_a_link_that_was_changed_anywhere_opens_nothing(links):
    raw = base64.urlsafe_b64decode(links.issue(THING, NOW, FIVE_MINUTES) + "==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(InvalidLink):
            links.read(base64.urlsafe_b64encode(bytes(changed)).decode(), NOW)


@pytest.mark.parametrize("key", ["", "x", "é", "\x00", "A" * 74, "A" * 75, "A" * 100_000])
def test_what_was_never_made_opens_nothing(links, key):
    with pytest.raises(InvalidLink):
        links.read(key, NOW)


def test_another_secret_opens_nothing(links):
    with pytest.raises(InvalidLink):
        SignedLinks(b"another").read(links.issue(THING, NOW, FIVE_MINUTES), NOW)
