"""What concerns one person alone is told to their devices, once, and to nobody else (rule 10)."""

from __future__ import annotations

from collections import defaultdict

from tests.faults.history import Final, Kind, Operation, State
from tests.faults.rules_heard import person_of, type_name
from tests.faults.verdict import Findings


class Personal:
    """Every session that began or ended since the start of the run is told as it is in the log."""

    def __init__(self, final: Final, findings: Findings) -> None:
        self._final = final
        self._findings = findings
        self._due = {
            user: [(type_name(kind), session) for kind, session in events]
            for user, events in final.personal.items()
        }
        self._theirs = {user: set(events) for user, events in self._due.items()}
        self._told: dict[str, set[tuple[str, str]]] = defaultdict(set)

    def see(self, operation: Operation) -> None:
        if operation.kind == Kind.SIGN_IN and operation.state == State.OK:
            started = ("SessionStarted", operation.subject)
            if started not in self._theirs.get(operation.client, ()):
                self._findings.add(
                    "acknowledged and lost",
                    f"session {operation.subject} of {operation.client}",
                    operation.at,
                )
        elif operation.kind == Kind.PERSONAL:
            self._hear(operation)

    def _hear(self, heard: Operation) -> None:
        device, event = heard.client, (heard.event, heard.key)
        where = f"{heard.event} {heard.key} to {device}"
        theirs = self._theirs.get(person_of(device), set())
        told = self._told[device]
        if event not in theirs or device in self._final.scopes:
            self._findings.add("told what was not asked for", where, heard.at)
        elif event in told:
            self._findings.add("told twice or out of order", where, heard.at)
        elif heard.event == "SessionEnded":
            started = ("SessionStarted", heard.key)
            if started in theirs and started not in told:
                self._findings.add("told twice or out of order", where, heard.at)
        told.add(event)

    def end(self) -> None:
        for device in self._final.users:
            if device in self._final.scopes:
                continue
            for event, session in self._due.get(person_of(device), ()):
                if (event, session) not in self._told[device]:
                    self._findings.add("never told", f"{event} {session} to {device}")
