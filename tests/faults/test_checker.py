"""The checker, on histories small enough to read: each wrong in one way, and found so."""

from __future__ import annotations

import dataclasses

import pytest

from tests.faults.history import (
    Final,
    Kind,
    Logged,
    State,
    Stay,
    View,
    Writer,
    read,
)
from tests.faults.story import Story

OK, FAIL, INFO, INVOKE = State.OK, State.FAIL, State.INFO, State.INVOKE


def quiet(story: Story) -> None:
    story.all_hear()


def two_sends(story: Story) -> None:
    story.send("one")
    story.send("two", sender="ben")
    story.all_hear()


def a_send_that_timed_out_and_was_stored(story: Story) -> None:
    story.send("one", INFO)
    story.all_hear()


def a_send_that_timed_out_and_was_not_stored(story: Story) -> None:
    story.send("one", INFO, stored=False)


def a_retry_that_gives_the_first_result(story: Story) -> None:
    story.send("one", INFO)
    story.send("one", OK, stored=False)
    story.all_hear()


def an_edit_and_a_deletion(story: Story) -> None:
    story.send("one")
    for kind, event, text in (
        (Kind.EDIT, "message_edited", "new"),
        (Kind.DELETE, "message_deleted", ""),
    ):
        story.note("ana", kind, INVOKE, about=1, text=text, key=text)
        story.final.log["c"].append(Logged(len(story.final.log["c"]) + 1, event, 1))
        story.final.messages["c"][0] = dataclasses.replace(
            story.final.messages["c"][0], text=text, deleted=kind is Kind.DELETE
        )
        story.note("ana", kind, OK, about=1, text=text, key=text)
    story.all_hear()


def somebody_leaves_and_comes_back(story: Story) -> None:
    _ben_is_away(story)
    story.hear("ana", 2, 3, 4, 5)
    story.hear("ben", 2, 4, 5)


def _ben_is_away(story: Story) -> None:
    """Event 2 is Ben's leaving, 3 is a message, 4 his return, 5 a message."""
    story.note("ben", Kind.LEAVE, INVOKE, key="leave")
    story.final.log["c"].append(Logged(2, "member_left", 0, "ben"))
    story.note("ben", Kind.LEAVE, OK, key="leave")
    story.send("unheard")
    story.final.log["c"].append(Logged(4, "member_joined", 0, "ben"))
    story.final.stays[1:] = [Stay("c", "ben", 1, 1, left=2), Stay("c", "ben", 4, 2)]
    story.send("heard")


def somebody_is_removed_and_comes_back(story: Story) -> None:
    _ben_is_away(story)
    gone = [dataclasses.replace(o, kind=Kind.REMOVE) for o in story.operations[:2]]
    story.operations[:2] = [dataclasses.replace(o, client="ana", subject="ben") for o in gone]
    story.hear("ana", 2, 3, 4, 5)
    story.hear("ben", 2, 4, 5)


def a_device_that_asked_for_another_chat(story: Story) -> None:
    story.final.users.append("ana/narrow")
    story.final.scopes["ana/narrow"] = ["d"]
    two_sends(story)
    story.operations = [o for o in story.operations if o.client != "ana/narrow"]


@pytest.mark.parametrize(
    "tell",
    [
        quiet,
        two_sends,
        a_send_that_timed_out_and_was_stored,
        a_send_that_timed_out_and_was_not_stored,
        a_retry_that_gives_the_first_result,
        an_edit_and_a_deletion,
        somebody_leaves_and_comes_back,
        somebody_is_removed_and_comes_back,
        a_device_that_asked_for_another_chat,
    ],
)
def test_what_a_correct_server_does_is_accepted(tell):
    story = Story()
    tell(story)
    assert story.found() == {}


def lost(story: Story) -> None:
    story.send("one", stored=False)


def doubled(story: Story) -> None:
    story.send("one", INFO)
    story.send("one")
    story.all_hear()


def a_refused_one_is_stored(story: Story) -> None:
    story.send("one", FAIL)
    story.all_hear()


def a_retry_gives_another_result(story: Story) -> None:
    story.send("one")
    story.note("ana", Kind.SEND, INVOKE, key="one", text="one")
    story.note("ana", Kind.SEND, OK, key="one", seq=7)
    story.all_hear()


def a_retry_is_refused(story: Story) -> None:
    story.send("one")
    story.note("ana", Kind.SEND, INVOKE, key="one", text="one")
    story.note("ana", Kind.SEND, FAIL, key="one", detail="CONFLICT")
    story.all_hear()


def nobody_sent_it(story: Story) -> None:
    story.store("ghost")
    story.hear("ana", 2, text="ghost")


def later_is_lower(story: Story) -> None:
    story.store("second")
    story.store("first")
    for key, seq, at in (("first", 2, 1.0), ("second", 1, 2.0)):
        story.note("ana", Kind.SEND, INVOKE, at, key=key, text=key)
        story.note("ana", Kind.SEND, OK, at + 0.5, key=key, seq=seq)
    story.all_hear()


def the_log_has_a_hole(story: Story) -> None:
    story.send("one")
    story.final.log["c"][-1] = Logged(3, "message_sent", 1)


def a_message_without_event(story: Story) -> None:
    story.send("one")
    story.final.log["c"].pop()


def not_heard_in_between(story: Story) -> None:
    two_sends(story)
    story.operations = [
        o
        for o in story.operations
        if not (o.kind == Kind.RECEIVE and o.client == "ben" and o.seq == 2)
    ]


def not_heard_at_the_end(story: Story) -> None:
    story.send("one")
    story.all_hear(but="ben")


def heard_twice(story: Story) -> None:
    story.send("one")
    story.all_hear()
    story.hear("ana", 2)


def heard_in_another_order(story: Story) -> None:
    story.send("one")
    story.send("two")
    story.all_hear(but="ben")
    story.hear("ben", 3, 2)


def heard_while_away(story: Story) -> None:
    _ben_is_away(story)
    story.hear("ana", 2, 3, 4, 5)
    story.hear("ben", 2, 3, 4, 5)


def sent_while_away(story: Story) -> None:
    _ben_is_away(story)
    story.final.messages["c"][0] = dataclasses.replace(story.final.messages["c"][0], sender="ben")


def heard_from_a_chat_not_asked_for(story: Story) -> None:
    story.final.users.append("ana/narrow")
    story.final.scopes["ana/narrow"] = ["d"]
    two_sends(story)


def heard_before_commit(story: Story) -> None:
    story.hear("ana", 2)


def heard_another_message(story: Story) -> None:
    two_sends(story)
    story.operations[-1] = dataclasses.replace(story.operations[-1], key="other")


def heard_another_event(story: Story) -> None:
    story.send("one")
    story.all_hear(but="ben")
    story.hear("ben", 2, event="MessageEdited")


def heard_a_text_nobody_wrote(story: Story) -> None:
    story.send("one")
    story.all_hear(but="ben")
    story.hear("ben", 2, text="strange")


def heard_what_was_said_before_they_came(story: Story) -> None:
    story.send("one")
    story.all_hear()
    story.final.stays[:] = [
        dataclasses.replace(stay, first_message=2) if stay.user == "ben" else stay
        for stay in story.final.stays
    ]


def heard_an_old_text_last(story: Story) -> None:
    an_edit_and_a_deletion(story)
    story.final.messages["c"][0] = dataclasses.replace(story.final.messages["c"][0], text="new")


def an_edit_that_is_not_in_the_log(story: Story) -> None:
    story.send("one")
    story.note("ana", Kind.EDIT, INVOKE, about=1, text="new", key="edit")
    story.note("ana", Kind.EDIT, OK, about=1, text="new", key="edit")
    story.all_hear()


def an_edit_that_is_in_the_log_twice(story: Story) -> None:
    an_edit_and_a_deletion(story)
    story.final.log["c"].append(Logged(5, "message_edited", 1))
    story.hear("ana", 5)
    story.hear("ben", 5)


def a_removal_that_is_not_in_the_log(story: Story) -> None:
    story.note("ana", Kind.REMOVE, INVOKE, subject="ben", key="remove")
    story.note("ana", Kind.REMOVE, OK, subject="ben", key="remove")


def somebody_was_told_only_when_a_newcomer_rang(story: Story) -> None:
    story.final.untold.append("ben was not told event 2 of c before all fell silent")


def a_cursor_is_refused(story: Story) -> None:
    story.note("ana", Kind.RESUME, INVOKE, key="r")
    story.note("ana", Kind.RESUME, FAIL, key="r", detail="INVALID_CURSOR")


def a_cursor_expires(story: Story) -> None:
    story.note("ana", Kind.RECEIVE, OK, chat="", event="ResyncRequired", detail="EXPIRED")


def a_node_died(story: Story) -> None:
    story.final.problems.append("a node ended with 1")


@pytest.mark.parametrize(
    ("tell", "kind"),
    [
        (lost, "acknowledged and lost"),
        (doubled, "stored twice"),
        (a_refused_one_is_stored, "refused and stored"),
        (a_retry_gives_another_result, "repeated send gave another result"),
        (a_retry_is_refused, "repeated send refused"),
        (nobody_sent_it, "stored unasked"),
        (later_is_lower, "order reversed"),
        (the_log_has_a_hole, "log not dense"),
        (a_message_without_event, "log and messages differ"),
        (not_heard_in_between, "gap"),
        (not_heard_at_the_end, "never told"),
        (heard_twice, "told twice or out of order"),
        (heard_in_another_order, "told twice or out of order"),
        (heard_while_away, "told outside membership"),
        (sent_while_away, "sent by an outsider"),
        (heard_from_a_chat_not_asked_for, "told what was not asked for"),
        (heard_before_commit, "told what is not in the log"),
        (heard_another_message, "told another message"),
        (heard_another_event, "told something else"),
        (heard_a_text_nobody_wrote, "told a strange text"),
        (heard_what_was_said_before_they_came, "told what was said before they came"),
        (heard_an_old_text_last, "told an old text last"),
        (an_edit_that_is_not_in_the_log, "change lost or doubled"),
        (an_edit_that_is_in_the_log_twice, "change lost or doubled"),
        (a_removal_that_is_not_in_the_log, "change lost or doubled"),
        (somebody_was_told_only_when_a_newcomer_rang, "not told until somebody rang"),
        (a_cursor_is_refused, "resume refused"),
        (a_cursor_expires, "resync required"),
        (a_node_died, "not healed"),
    ],
)
def test_what_a_correct_server_never_does_is_found(tell, kind):
    story = Story()
    tell(story)
    assert kind in story.found()


@pytest.mark.parametrize(
    ("unread", "reads", "found"),
    [
        (1, [], {}),  # Ben has sent the first of two messages
        (2, [], {"wrong unread count": 1}),
        (0, [OK], {}),
        (1, [OK], {"wrong unread count": 1}),
        (1, [INFO], {}),  # he may have read the second one, or not
        (0, [INFO], {}),
    ],
)
def test_unread_counts_are_those_of_the_model(unread, reads, found):
    story = Story()
    story.send("one", sender="ben")
    story.send("two")
    story.all_hear()
    for state in reads:
        story.note("ben", Kind.READ, INVOKE, about=2, key="read")
        story.note("ben", Kind.READ, state, about=2, key="read")
    story.final.views.append(View("ben", "c", 1, list(story.final.messages["c"]), unread))
    assert story.found() == found


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (["one", "two"], {}),
        (["two"], {}),  # the newest page alone
        (["one"], {"history query and database differ": 1}),
        (["two", "one"], {"history query and database differ": 1}),
    ],
)
def test_the_history_query_shows_what_is_stored(shown, found):
    story = Story()
    two_sends(story)
    stored = {message.key: message for message in story.final.messages["c"]}
    messages = [stored[key] for key in shown]
    story.final.views.append(View("ana", "c", messages[0].seq, messages, 1))
    assert story.found() == found


def test_a_history_and_its_end_survive_their_files(tmp_path):
    writer = Writer(tmp_path / "history.jsonl")
    writer.add("ana", 1, Kind.SEND, INVOKE, chat="c", key="one", text="hey")
    writer.add("ana", 1, Kind.SEND, INFO, chat="c", key="one", detail="no answer")
    writer.close()
    lines = list(read(writer.path))
    assert [(line.state, line.key, line.detail) for line in lines] == [
        ("invoke", "one", ""),
        ("info", "one", "no answer"),
    ]
    assert lines[0].at <= lines[1].at
    story = Story()
    somebody_leaves_and_comes_back(story)
    story.final.views.append(View("ana", "c", 1, list(story.final.messages["c"]), 0))
    story.final.scopes["ana/narrow"] = ["c"]
    story.final.problems.append("a node ended with 1")
    story.final.untold.append("ben was not told event 5 of c before all fell silent")
    story.final.write(tmp_path / "final.json")
    assert Final.read(tmp_path / "final.json") == story.final
