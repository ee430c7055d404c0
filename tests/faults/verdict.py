"""What the checker found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SHOWN = 12  # findings told per kind; the others are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a correct server would not have done."""

    kind: str
    message: str
    at: float | None = None  # when it showed, in seconds since the start

    def __str__(self) -> str:
        when = "" if self.at is None else f" (at {self.at:.3f} s)"
        return f"{self.kind}: {self.message}{when}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, some of each kind, and how many there were of each."""

    findings: list[Finding]
    totals: dict[str, int]
    counts: dict[str, int] = field(default_factory=dict)  # operations looked at: "send ok": 1000

    @property
    def ok(self) -> bool:
        return not self.totals

    @property
    def summary(self) -> str:
        """How much was found of each kind, in one line."""
        return (
            ", ".join(f"{total} × {kind}" for kind, total in self.totals.items()) or "no findings"
        )

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  {finding}" for finding in self.findings)])


class Findings:
    """Collects what is found, keeping the first few of each kind."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._totals: Counter[str] = Counter()

    def add(self, kind: str, message: str, at: float | None = None) -> None:
        self._totals[kind] += 1
        if self._totals[kind] <= SHOWN:
            self._kept.append(Finding(kind, message, at))

    def verdict(self, counts: Counter[str]) -> Verdict:
        return Verdict(self._kept, dict(self._totals), dict(counts))
