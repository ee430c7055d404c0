"""Decide whether a history is one that a correct server could have produced. Pure, and linear.

What must hold, once everything has healed:

 1. Every acknowledged send is stored exactly once, under the number that was acknowledged; one
    whose fate is not known at most once; a refused one never. A repeated send gives the first
    result.
 2. A send acknowledged before another was invoked has the lower number in their chat.
 3. Each chat's log is dense, and agrees with its messages: one `message_sent` for each, in order,
    each by somebody who was in the chat then.
 4. Each subscriber hears, per stay in a chat, every event once, in order, without a gap, and
    nothing from outside or from a chat not asked for; what they hear under a number is what the
    log has there. All of that while nobody new rings a bell.
 5. A text heard is one that the message had by then; after the last event, it is the text stored.
 6. Edits, deletions, reactions, leaves and removals that were acknowledged are in the log, and none
    twice.
 7. The history query shows what the database holds; unread counts are those of the model.
 8. No cursor is refused, and none expires.
 9. Receipts never go back nor ahead of the messages told, pointers are those of the model, and the
    last of each is told to everybody who was there before.
10. What concerns a person alone is told to all of their devices once, and to nobody else.

Each rule looks at every operation once, in the order of time, and then at how it ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from tests.faults.history import Final, Operation
from tests.faults.rules_heard import Heard
from tests.faults.rules_personal import Personal
from tests.faults.rules_receipts import Receipts
from tests.faults.rules_stored import Changes, Sends, Stored
from tests.faults.verdict import Findings, Verdict


class Rule(Protocol):
    """Looks at each operation once, then says what is wrong."""

    def see(self, operation: Operation) -> None:
        """Take an operation into account."""

    def end(self) -> None:
        """Compare with how it ended."""


RULES = (Stored, Sends, Changes, Heard, Receipts, Personal)


def check(operations: Iterable[Operation], final: Final) -> Verdict:
    """Return what is wrong with a history."""
    findings = Findings()
    for problem in final.problems:
        findings.add("not healed", problem)
    for problem in final.untold:
        findings.add("not told until somebody rang", problem)
    rules: list[Rule] = [rule(final, findings) for rule in RULES]
    counts: Counter[str] = Counter()
    for operation in operations:
        counts[f"{operation.kind} {operation.state}"] += 1
        for rule in rules:
            rule.see(operation)
    for rule in rules:
        rule.end()
    return findings.verdict(counts)
