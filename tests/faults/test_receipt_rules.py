"""What the checker says about receipts and personal events, on histories small enough to read."""

from __future__ import annotations

import pytest

from tests.faults.history import Kind, Logged, State, Stay
from tests.faults.story import Story

OK, INFO, INVOKE = State.OK, State.INFO, State.INVOKE


@pytest.fixture
def story() -> Story:
    """Ana has sent three messages, which all have heard; Ben then reads two and gets three."""
    told = Story()
    for key in ("one", "two", "three"):
        told.send(key)
    told.all_hear()
    told.mark("ben", Kind.READ, 2)
    told.mark("ben", Kind.DELIVER, 3)
    told.stand("ana", 3, 3)
    told.stand("ben", 3, 2, told=(3, 2))
    return told


def test_the_latest_receipt_may_be_told_alone_or_again(story):
    story.tell("ana", "ben", 2, 2)
    story.tell("ana", "ben", 3, 2)
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    assert story.found() == {}


def test_the_latest_receipt_has_to_be_told_to_everybody(story):
    story.tell("ana", "ben", 2, 2)
    assert story.found() == {"receipt never told": 2}  # to Ana not the latest, to Ben none


def test_a_receipt_never_goes_back(story):
    story.tell("ana", "ben", 3, 2)
    story.tell("ana", "ben", 2, 2)
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    assert story.found() == {"receipt went back": 1}


def test_what_is_read_was_delivered(story):
    story.tell("ana", "ben", 1, 2)
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    assert story.found() == {"read and not delivered": 1}


def test_a_receipt_never_comes_before_the_message_it_stands_on():
    story = Story()
    story.send("one")
    story.hear("ben", 2)
    story.mark("ben", Kind.READ, 1)
    story.tell("ana", "ben", 1, 1)
    story.hear("ana", 2)
    story.tell("ben", "ben", 1, 1)
    story.stand("ben", 1, 1, told=(1, 1))
    assert story.found() == {"receipt ahead of its message": 1}


def test_a_mark_whose_fate_is_not_known_may_have_moved_a_pointer_or_not(story):
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    story.mark("ben", Kind.READ, 3, INFO)
    assert story.found() == {}
    story.final.pointers.clear()
    story.stand("ben", 3, 3, told=(3, 2))
    assert story.found() == {}


@pytest.mark.parametrize("stored", [(3, 1), (2, 2), (3, 3)])
def test_pointers_are_those_of_the_model(story, stored):
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    story.final.pointers.clear()
    story.stand("ben", *stored, told=(3, 2))
    assert story.found() == {"wrong pointers": 1}


def test_who_writes_has_received_and_read_what_was_there():
    story = Story()
    story.send("one")
    story.send("two", sender="ben")
    story.all_hear()
    story.stand("ben", 2, 2)
    assert story.found() == {}
    story.final.pointers.clear()
    story.stand("ben", 0, 0)
    assert story.found() == {"wrong pointers": 1}


def cyd_comes(story: Story, ending: State = OK) -> None:
    story.note("ana", Kind.JOIN, INVOKE, subject="cyd", key="join")
    story.final.log["c"].append(Logged(5, "member_joined", 0, "cyd"))
    story.final.stays.append(Stay("c", "cyd", 5, 4))
    story.final.users.append("cyd")
    story.note("ana", Kind.JOIN, ending, subject="cyd", key="join")
    for client in story.final.users:
        story.hear(client, 5)


@pytest.mark.parametrize("ending", [OK, INFO])
def test_who_joins_later_fetches_what_was_told_before(story, ending):
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    cyd_comes(story, ending)
    story.stand("cyd", 3, 3)
    assert story.found() == {}
    story.tell("cyd", "ben", 3, 2)  # and may be told all the same
    assert story.found() == {}


def test_who_has_joined_is_told_what_is_marked_from_then_on(story):
    cyd_comes(story)
    story.stand("cyd", 3, 3)
    story.mark("ben", Kind.READ, 3)
    story.final.pointers[1:2] = []
    story.stand("ben", 3, 3, told=(3, 3))
    for client in ("ana", "ben"):
        story.tell(client, "ben", 3, 3)
    assert story.found() == {"receipt never told": 1}


def test_who_has_left_is_told_of_nobody_any_more(story):
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    story.note("ana", Kind.REMOVE, INVOKE, subject="ben", key="remove")
    story.final.log["c"].append(Logged(5, "member_left", 0, "ben"))
    story.final.stays[1] = Stay("c", "ben", 1, 1, left=5)
    story.note("ana", Kind.REMOVE, OK, subject="ben", key="remove")
    story.hear("ana", 5)
    story.hear("ben", 5)
    story.final.pointers[1:] = []
    story.mark("ana", Kind.READ, 3)
    story.tell("ben", "ana", 3, 3)
    assert story.found() == {"told outside membership": 1}


@pytest.mark.parametrize(
    ("scope", "who"),
    [
        (["d"], "ana/narrow"),  # a device that asked for another chat
        (["c"], "eve"),  # who was never in it
    ],
)
def test_receipts_of_other_chats_are_told_to_nobody(story, scope, who):
    story.tell("ana", "ben", 3, 2)
    story.tell("ben", "ben", 3, 2)
    story.final.scopes[who] = scope
    story.tell(who, "ben", 3, 2)
    assert story.found() == {"told what was not asked for": 1}


# --- personal events ------------------------------------------------------------------------------


@pytest.fixture
def signed_in() -> Story:
    """Ana has signed in on another device and out again; she has a narrow device besides."""
    story = Story()
    story.final.users.append("ana/narrow")
    story.final.scopes["ana/narrow"] = ["c"]
    story.final.personal["ana"] = [("session_started", "s"), ("session_ended", "s")]
    story.note("ana", Kind.SIGN_IN, INVOKE, key="k")
    story.note("ana", Kind.SIGN_IN, OK, key="k", subject="s")
    return story


def hear(story: Story, client: str, *events: str) -> None:
    for event in events:
        story.note(client, Kind.PERSONAL, OK, event=event, key="s")


def test_sessions_are_told_to_their_owner_once_and_in_order(signed_in):
    hear(signed_in, "ana", "SessionStarted", "SessionEnded")
    assert signed_in.found() == {}


@pytest.mark.parametrize(
    ("client", "events", "found"),
    [
        ("ana", ["SessionStarted"], {"never told": 1}),
        ("ana", ["SessionEnded", "SessionStarted"], {"told twice or out of order": 1}),
        ("ana", ["SessionStarted", "SessionStarted", "SessionEnded"],
         {"told twice or out of order": 1}),
        ("ben", ["SessionStarted"], {"told what was not asked for": 1, "never told": 2}),
        ("ana/narrow", ["SessionEnded"], {"told what was not asked for": 1, "never told": 2}),
    ],
)  # fmt: skip
def test_what_concerns_one_person_is_not_lost_doubled_or_leaked(signed_in, client, events, found):
    hear(signed_in, client, *events)
    assert signed_in.found() == found


def test_a_session_that_was_acknowledged_is_in_the_log(signed_in):
    signed_in.final.personal.clear()
    assert signed_in.found() == {"acknowledged and lost": 1}
