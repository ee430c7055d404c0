"""What the database holds at the end, against what was acknowledged (rules 1, 2, 3, 6 and 7)."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass

from tests.faults.history import Final, Kind, Logged, Operation, State
from tests.faults.verdict import Findings

_FAR = 1 << 62  # above every number


class Stored:
    """The log and the messages agree, and so does what the API shows (rules 3 and 7)."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._final = final
        self._findings = findings
        self._acknowledged_read: dict[tuple[str, str], int] = defaultdict(int)
        self._possible_read: dict[tuple[str, str], int] = defaultdict(int)

    def see(self, operation: Operation) -> None:
        if operation.kind == Kind.READ:
            place = (operation.client, operation.chat)
            pointers = [self._possible_read]
            if operation.state == State.OK:
                pointers.append(self._acknowledged_read)
            for pointer in pointers:
                pointer[place] = max(pointer[place], operation.about)

    def end(self) -> None:
        for chat, log in self._final.log.items():
            if [event.seq for event in log] != list(range(1, len(log) + 1)):
                self._findings.add("log not dense", f"{chat}: {_first_break(log)}")
            told = [event.about for event in log if event.kind == "message_sent"]
            held = [message.seq for message in self._final.messages.get(chat, [])]
            if told != held or held != list(range(1, len(held) + 1)):
                self._findings.add(
                    "log and messages differ",
                    f"{chat}: {len(told)} message_sent, {len(held)} messages",
                )
        self._check_senders()
        self._check_views()

    def _check_senders(self) -> None:
        """Whoever sent a message was in the chat when it took its place in the log."""
        stays: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for stay in self._final.stays:
            stays[stay.chat, stay.user].append((stay.joined, stay.left or _FAR))
        for each in stays.values():
            each.sort()
        for chat, log in self._final.log.items():
            # The server tells of a leaving after it.
            senders = {
                message.seq: message.sender
                for message in self._final.messages.get(chat, [])
                if not message.system
            }
            for event in log:
                if event.kind != "message_sent" or event.about not in senders:
                    continue
                sender = senders[event.about]
                theirs = stays[chat, sender]
                place = bisect_right(theirs, (event.seq, _FAR))
                if not place or event.seq > theirs[place - 1][1]:
                    self._findings.add(
                        "sent by an outsider",
                        f"message {event.about} of {chat} by {sender}, event {event.seq}",
                    )

    def _check_views(self) -> None:
        stays = {(stay.user, stay.chat): stay for stay in self._final.stays if not stay.left}
        for view in self._final.views:
            stay = stays.get((view.user, view.chat))
            if stay is None:
                self._findings.add("shown to a stranger", f"{view.chat} to {view.user}")
                continue
            first = max(view.since, stay.first_message)
            messages = self._final.messages.get(view.chat, [])
            if view.messages != messages[first - 1 :]:
                self._findings.add(
                    "history query and database differ",
                    f"{view.chat} for {view.user} from message {first} on: "
                    f"{len(view.messages)} shown, {len(messages[first - 1 :])} stored",
                )
            own = [m.seq for m in messages[stay.first_message - 1 :] if m.sender == view.user]
            floor = max([stay.first_message - 1, *own[-1:]])
            place = (view.user, view.chat)
            most = len(messages) - max(floor, self._acknowledged_read[place])
            least = len(messages) - max(floor, self._possible_read[place])
            if not least <= view.unread <= most:
                self._findings.add(
                    "wrong unread count",
                    f"{view.chat} for {view.user}: {view.unread}, not {least} to {most}",
                )


def _first_break(log: list[Logged]) -> str:
    for place, event in enumerate(log, start=1):
        if event.seq != place:
            return f"event {event.seq} stands where {place} should"
    return ""


@dataclass(slots=True)
class _Send:
    """What became of one key, over all attempts."""

    chat: str
    sender: str
    invoked: float
    acknowledged: float | None = None
    seq: int = 0
    attempts: int = 0
    refused: int = 0


class Sends:
    """Acknowledged is stored once, refused never; earlier is lower (rules 1 and 2)."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._final = final
        self._findings = findings
        self._sends: dict[str, _Send] = {}

    def see(self, operation: Operation) -> None:
        if operation.kind != Kind.SEND:
            return
        if operation.state == State.INVOKE:
            send = self._sends.setdefault(
                operation.key, _Send(operation.chat, operation.client, operation.at)
            )
            send.attempts += 1
            return
        send = self._sends[operation.key]
        if operation.state == State.FAIL:
            send.refused += 1
            if operation.detail == "CONFLICT":
                self._findings.add(
                    "repeated send refused", f"{operation.key} by {send.sender}", operation.at
                )
        elif operation.state == State.OK:
            if send.acknowledged is None:
                send.acknowledged, send.seq = operation.at, operation.seq
            elif send.seq != operation.seq:
                self._findings.add(
                    "repeated send gave another result",
                    f"{operation.key} is {send.seq} and {operation.seq} in {send.chat}",
                    operation.at,
                )

    def end(self) -> None:
        stored: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for chat, messages in self._final.messages.items():
            for message in messages:
                if not message.system:
                    stored[message.key].append((chat, message.seq))
        for key, places in stored.items():
            if len(places) > 1:
                self._findings.add("stored twice", f"{key} at {places}")
            if key not in self._sends:
                self._findings.add("stored unasked", f"{key} at {places}")
        for key, send in self._sends.items():
            places = stored.get(key, [])
            if send.acknowledged is not None and (send.chat, send.seq) not in places:
                self._findings.add(
                    "acknowledged and lost",
                    f"{key} was {send.seq} in {send.chat}, stored at {places or 'no place'}",
                    send.acknowledged,
                )
            elif places and send.refused == send.attempts:
                self._findings.add("refused and stored", f"{key} at {places}")
        self._check_order()

    def _check_order(self) -> None:
        """Going up in a chat, no send may have ended before a lower one began."""
        for chat, messages in self._final.messages.items():
            latest, latest_key = 0.0, ""
            for message in messages:
                send = self._sends.get(message.key)
                if send is None:
                    continue
                if send.acknowledged is not None and send.acknowledged < latest:
                    self._findings.add(
                        "order reversed",
                        f"{message.key} came after {latest_key} in {chat}, "
                        "and was acknowledged before that was sent",
                        send.acknowledged,
                    )
                if send.invoked > latest:
                    latest, latest_key = send.invoked, message.key


@dataclass(slots=True)
class _Tally:
    """How often something was acknowledged, and how often it may have happened besides."""

    ok: int = 0
    info: int = 0


KINDS: dict[str, str] = {
    Kind.EDIT: "message_edited",
    Kind.DELETE: "message_deleted",
    Kind.REACT: "reactions_changed",  # no reaction is like another, so that each is an event
    Kind.LEAVE: "member_left",
    Kind.REMOVE: "member_left",
}


class Changes:
    """Edits, deletions, reactions, leaves and removals happened as acknowledged (rule 6)."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._final = final
        self._findings = findings
        self._tallies: dict[tuple[str, str, int | str], _Tally] = defaultdict(_Tally)

    def see(self, operation: Operation) -> None:
        event = KINDS.get(operation.kind)
        if event is None:
            return
        what: int | str = operation.about
        if event == "member_left":
            what = operation.subject or operation.client  # removed by somebody, or gone by oneself
        tally = self._tallies[event, operation.chat, what]
        # An invoke whose end was never written is open for good, and so not known either.
        if operation.state == State.INVOKE:
            tally.info += 1
        elif operation.state == State.OK:
            tally.ok += 1
            tally.info -= 1
        elif operation.state == State.FAIL:
            tally.info -= 1

    def end(self) -> None:
        happened: Counter[tuple[str, str, int | str]] = Counter()
        for chat, log in self._final.log.items():
            for event in log:
                if event.kind in KINDS.values():
                    what = event.subject if event.kind == "member_left" else event.about
                    happened[event.kind, chat, what] += 1
        for place in happened.keys() | self._tallies.keys():
            kind, chat, what = place
            tally, count = self._tallies[place], happened[place]
            least, most = tally.ok, tally.ok + tally.info
            if kind == "message_deleted":  # deleting what is deleted is fine, and no event
                least, most = min(least, 1), min(most, 1)
            if not least <= count <= most:
                self._findings.add(
                    "change lost or doubled",
                    f"{kind} of {what} in {chat}: {count} times, not {least} to {most}",
                )
