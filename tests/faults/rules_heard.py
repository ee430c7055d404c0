"""What subscribers heard, against the log and who was where when (rules 4, 5 and 8)."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections import defaultdict

from tests.faults.history import Final, Kind, Operation, State
from tests.faults.verdict import Findings

BEYOND_ALL = 2**62  # above every number


class Hearing:
    """What one person is to hear of one chat: ranges of event numbers, both ends included."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self._firsts, self._lasts = zip(*sorted(ranges), strict=True)
        self.last = 0

    def holds(self, seq: int) -> bool:
        place = bisect_left(self._lasts, seq)
        return place < len(self._lasts) and self._firsts[place] <= seq

    def end_of(self, seq: int) -> int:
        """Return the last number of the stay that a number belongs to."""
        last: int = self._lasts[bisect_left(self._lasts, seq)]
        return last

    def following(self, seq: int) -> int | None:
        """Return the lowest number above `seq` that is to be heard."""
        place = bisect_left(self._lasts, seq + 1)
        return max(seq + 1, self._firsts[place]) if place < len(self._lasts) else None

    @property
    def latest(self) -> tuple[int, int]:
        return self._firsts[-1], self._lasts[-1]


class Heard:
    """Every event of every stay once, in order, and as the log has it."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._findings = findings
        ranges = _ranges(final)
        self._hearings = {
            (user, chat): Hearing(ranges[person_of(user), chat])
            for user in final.users
            for chat in final.scopes.get(user, final.log)
            if (person_of(user), chat) in ranges
        }
        # Of each stay, from which event on it is, and with which message its history begins.
        self._beginnings: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for stay in sorted(final.stays, key=lambda stay: stay.joined):
            self._beginnings[stay.user, stay.chat].append((stay.joined, stay.first_message))
        self._scopes = {user: set(chats) for user, chats in final.scopes.items()}
        # Per message that was changed, the texts that it may have had so far.
        self._texts: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._sent: dict[str, str] = {}
        # Per subscriber and message, the last text heard, and the number of the event it came
        # with, while that is not the text which is stored at the end.
        self._old: dict[tuple[str, str, int], tuple[str, int]] = {}
        self._log = {chat: {event.seq: event for event in log} for chat, log in final.log.items()}
        self._stored = {
            chat: {message.seq: message for message in messages}
            for chat, messages in final.messages.items()
        }

    def see(self, operation: Operation) -> None:
        if operation.kind == Kind.RECEIVE:
            self._receive(operation)
        elif operation.kind == Kind.RESUME:
            if operation.state == State.FAIL:
                self._findings.add(
                    "resume refused", f"{operation.client}: {operation.detail}", operation.at
                )
        elif operation.state == State.INVOKE:
            if operation.kind == Kind.SEND:
                self._sent[operation.key] = operation.text
            elif operation.kind in (Kind.EDIT, Kind.DELETE):
                self._texts[operation.chat, operation.about].add(operation.text)

    def _receive(self, heard: Operation) -> None:
        if heard.event == "ResyncRequired":
            self._findings.add("resync required", f"{heard.client}: {heard.detail}", heard.at)
            return
        hearing = self._hearings.get((heard.client, heard.chat))
        where = f"event {heard.seq} of {heard.chat} to {heard.client}"
        if heard.seq not in self._log.get(heard.chat, ()):
            self._findings.add("told what is not in the log", where, heard.at)
            return
        if heard.chat not in self._scopes.get(heard.client, (heard.chat,)):
            self._findings.add("told what was not asked for", where, heard.at)
            return
        if hearing is None or not hearing.holds(heard.seq):
            self._findings.add("told outside membership", where, heard.at)
            return
        expected = hearing.following(hearing.last)
        if heard.seq <= hearing.last:
            self._findings.add(
                "told twice or out of order", f"{where}, after {hearing.last}", heard.at
            )
        elif heard.seq != expected:
            self._findings.add("gap", f"{where}, where {expected} was due", heard.at)
        hearing.last = max(hearing.last, heard.seq)
        self._compare(heard, where)

    def _compare(self, heard: Operation, where: str) -> None:
        logged = self._log[heard.chat][heard.seq]
        if (heard.event, heard.about, heard.subject) != (
            type_name(logged.kind),
            logged.about,
            logged.subject,
        ):
            self._findings.add(
                "told something else",
                f"{where}: {heard.event} {heard.about or heard.subject}, but the log has "
                f"{logged.kind} {logged.about or logged.subject}",
                heard.at,
            )
            return
        if not heard.about:
            return
        message = self._stored.get(heard.chat, {}).get(heard.about)
        if message is None:
            self._findings.add("told a message that is not stored", where, heard.at)
            return
        if heard.event != "MessageDeleted":
            if heard.about < self._first_message(heard):
                if heard.text:
                    self._findings.add("told what was said before they came", where, heard.at)
                return
            if heard.key != message.key:
                self._findings.add(
                    "told another message", f"{where}: {heard.key}, not {message.key}", heard.at
                )
            elif heard.text if message.system else not self._may_be_told(heard):
                self._findings.add("told a strange text", f"{where}: {heard.text!r}", heard.at)
        place = (heard.client, heard.chat, heard.about)
        if heard.text == message.text:
            self._old.pop(place, None)
        else:
            self._old[place] = (heard.text, heard.seq)

    def _first_message(self, heard: Operation) -> int:
        """Return with which message the history begins of the stay in which somebody heard it."""
        beginnings = self._beginnings[person_of(heard.client), heard.chat]
        return beginnings[bisect_right(beginnings, (heard.seq, BEYOND_ALL)) - 1][1]

    def _may_be_told(self, heard: Operation) -> bool:
        """Whether a message had this text once, or none for those who had left by then."""
        if heard.text == self._sent.get(heard.key):
            return True
        if heard.text in self._texts.get((heard.chat, heard.about), ()):
            return True
        return not heard.text and self._stay_has_ended(heard)

    def _stay_has_ended(self, heard: Operation) -> bool:
        log = self._log[heard.chat]
        last = self._hearings[heard.client, heard.chat].end_of(heard.seq)
        leaving = (type_name(log[last].kind), log[last].subject)
        return last < len(log) or leaving == ("MemberLeft", person_of(heard.client))

    def end(self) -> None:
        for (user, chat), hearing in self._hearings.items():
            due = hearing.following(hearing.last)
            if due is not None:
                self._findings.add(
                    "never told", f"events {due} to {hearing.latest[1]} of {chat} to {user}"
                )
        for (user, chat, about), (text, seq) in self._old.items():
            hearing = self._hearings[user, chat]
            first, last = hearing.latest
            # Who is away does not hear of changes; what was never told is another finding.
            if seq < first or last < len(self._log[chat]) or hearing.last < last:
                continue
            self._findings.add(
                "told an old text last",
                f"message {about} of {chat} to {user}: {text!r}, "
                f"stored is {self._stored[chat][about].text!r}",
            )


def person_of(user: str) -> str:
    """Return whose device it is: `ana` of `ana/replay`."""
    return user.partition("/")[0]


def _ranges(final: Final) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Return what each person is to hear of each chat: their stays, after the start of the run."""
    ranges: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for stay in final.stays:
        first = max(stay.joined, final.start.get(stay.chat, 0) + 1)
        last = stay.left or len(final.log[stay.chat])
        if first <= last:
            ranges[stay.user, stay.chat].append((first, last))
    return ranges


@functools.cache
def type_name(kind: str) -> str:
    """Return the GraphQL type of a kind of event: MessageSent for message_sent."""
    return "".join(part.title() for part in kind.split("_"))
