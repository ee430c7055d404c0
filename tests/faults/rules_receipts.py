"""Receipts: how far people have got, as it was told and as it is stored (rule 9)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict

from tests.faults.history import Final, Kind, Operation, Pointers, State
from tests.faults.rules_heard import person_of
from tests.faults.verdict import Findings


class Receipts:
    """Pointers only move forward, never beyond what was told, and the latest of each is told."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._final = final
        self._findings = findings
        self._stays = _stays(final)
        # Per device and chat: the last event, and the last message that was heard of.
        self._place: dict[tuple[str, str], int] = {}
        self._newest: dict[tuple[str, str], int] = {}
        # Per device, chat and person: what was told last.
        self._told: dict[tuple[str, str, str], tuple[int, int]] = {}
        # Per chat and person: how far they surely and possibly got, for each of the two pointers,
        # and when a mark of each number was first asked for.
        self._sure: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._possible: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._asked: dict[tuple[str, str], list[dict[int, float]]] = defaultdict(lambda: [{}, {}])
        # When somebody was surely in a chat for good, for all that is known.
        self._joined: dict[tuple[str, str], float] = defaultdict(float)

    def see(self, operation: Operation) -> None:
        if operation.kind == Kind.RECEIPT:
            self._hear(operation)
        elif operation.kind == Kind.RECEIVE:
            self._place[operation.client, operation.chat] = operation.seq
            if operation.event == "MessageSent":
                self._newest[operation.client, operation.chat] = operation.about
        elif operation.kind in (Kind.READ, Kind.DELIVER):
            self._mark(operation)
        elif operation.kind == Kind.JOIN and operation.state in (State.OK, State.INFO):
            ended = operation.at if operation.state == State.OK else math.inf
            place = (operation.chat, operation.subject)
            self._joined[place] = max(self._joined[place], ended)

    def _mark(self, operation: Operation) -> None:
        place = (operation.chat, operation.client)
        known = [self._possible, self._sure] if operation.state == State.OK else [self._possible]
        for pointer in (
            (0, 1) if operation.kind == Kind.READ else (0,)
        ):  # what is read was delivered
            for got in known:
                got[place][pointer] = max(got[place][pointer], operation.about)
            if operation.state == State.INVOKE:
                self._asked[place][pointer].setdefault(operation.about, operation.at)

    def _hear(self, receipt: Operation) -> None:
        device, chat, subject = receipt.client, receipt.chat, receipt.subject
        delivered, read = receipt.seq, receipt.about
        where = f"{subject} in {chat} at {delivered} and {read}, to {device}"

        def found(kind: str, more: str = "") -> None:
            self._findings.add(kind, f"{where}{more}", receipt.at)

        stays = self._stays.get((chat, person_of(device)))
        scope = self._final.scopes.get(device)
        if stays is None or (scope is not None and chat not in scope):
            found("told what was not asked for")
            return
        heard = max(self._place.get((device, chat), 0), self._final.start.get(chat, 0))
        if stays.over(heard):
            found("told outside membership", f", after event {heard}")
        before = self._told.get((device, chat, subject), (0, 0))
        if delivered < before[0] or read < before[1]:
            found("receipt went back", f", after {before[0]} and {before[1]}")
        if read > delivered:
            found("read and not delivered")
        known = max(self._newest.get((device, chat), 0), stays.known_by(heard))
        if delivered > known:
            found("receipt ahead of its message", f", who knows messages up to {known}")
        self._told[device, chat, subject] = (delivered, read)

    def end(self) -> None:
        members: dict[str, list[Pointers]] = defaultdict(list)
        for pointers in self._final.pointers:
            members[pointers.chat].append(pointers)
            self._check_model(pointers)
        present = {(each.chat, each.user) for each in self._final.pointers}
        for device in self._final.users:
            for chat in self._final.scopes.get(device, members):
                if (chat, person_of(device)) in present:
                    for pointers in members[chat]:
                        self._check_told(device, pointers)

    def _check_model(self, pointers: Pointers) -> None:
        """What is stored is what sends and marks make of it."""
        stays = self._stays[pointers.chat, pointers.user]
        messages = self._final.messages.get(pointers.chat, [])
        own = [m.seq for m in messages[stays.floor :] if m.sender == pointers.user]
        floor = max([stays.floor, *own[-1:]])
        place = (pointers.chat, pointers.user)
        least = [max(floor, seq) for seq in self._sure[place]]
        most = [max(floor, seq) for seq in self._possible[place]]
        stored = [pointers.delivered, pointers.read]
        if not all(a <= b <= c for a, b, c in zip(least, stored, most, strict=True)):
            self._findings.add(
                "wrong pointers",
                f"of {pointers.user} in {pointers.chat}: {stored}, not {least} to {most}",
            )

    def _check_told(self, device: str, pointers: Pointers) -> None:
        """Whoever was in a chat before somebody asked to get that far was told the last of it."""
        due = (pointers.told_delivered, pointers.told_read)
        if due == (0, 0):
            return
        asked = self._asked[pointers.chat, pointers.user]
        # A number that nobody asked for came of a send; the other one was the last to move.
        moved = max(times.get(seq, 0.0) for times, seq in zip(asked, due, strict=True))
        if self._joined[pointers.chat, person_of(device)] >= moved:
            return
        told = self._told.get((device, pointers.chat, pointers.user))
        if told != due:
            self._findings.add(
                "receipt never told",
                f"{pointers.user} in {pointers.chat} at {due}, to {device}, told {told}",
            )


class _Stays:
    """Somebody's stays in a chat, in their order."""

    def __init__(self, stays: list[tuple[int, int, int]]) -> None:
        stays = sorted(stays)
        self._joined = [joined for joined, _, _ in stays]
        self._first_messages = [first for _, first, _ in stays]
        self._left = stays[-1][2]

    @property
    def floor(self) -> int:
        """The last message from before the last stay."""
        return self._first_messages[-1] - 1

    def over(self, event: int) -> bool:
        """Whether the last stay had ended by an event."""
        return bool(self._left) and event >= self._left

    def known_by(self, event: int) -> int:
        """Return the last message from before the stay that an event belongs to, or the next."""
        place = min(bisect_right(self._joined, event), len(self._joined) - 1)
        return self._first_messages[place] - 1


def _stays(final: Final) -> dict[tuple[str, str], _Stays]:
    stays: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for each in final.stays:
        stays[each.chat, each.user].append((each.joined, each.first_message, each.left))
    return {place: _Stays(theirs) for place, theirs in stays.items()}
