"""What a run is to show, told at its end: which real parts ran, and how many cases were walked."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import pytest

PREFER_WHEELS = os.environ.get("PARTS") == "wheels"
REQUIRE_REAL = os.environ.get("REQUIRE_REAL", "") not in ("", "0")

_ran: dict[str, str] = {}
_missing: dict[str, str] = {}
_counts: dict[str, dict[str, int]] = {}


def ran(part: str, version: str, origin: str) -> None:
    """Note that tests talked to this part."""
    _ran[part] = f"{version} ({origin})"


def counted(matrix: str, row: str, cases: int) -> None:
    """Note how many cases of a generated matrix passed."""
    _counts.setdefault(matrix, {})[row] = cases


def missing(part: str, remedy: str) -> NoReturn:
    """Skip the test that asks for the part, or fail it where nothing may be missing."""
    _missing[part] = remedy
    if REQUIRE_REAL:
        pytest.fail(f"{part} is missing and REQUIRE_REAL is set: {remedy}", pytrace=False)
    pytest.skip(f"{part} is missing: {remedy}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per part, and one per matrix."""
    for matrix, rows in sorted(_counts.items()):
        terminalreporter.section(f"{matrix} matrix: {sum(rows.values())} cases passed")
        for row, cases in sorted(rows.items()):
            terminalreporter.write_line(f"{row}: {cases}")
    if not _ran and not _missing:
        return
    terminalreporter.section("real parts")
    for part, version in sorted(_ran.items()):
        terminalreporter.write_line(f"{part}: {version}")
    for part, remedy in sorted(_missing.items()):
        terminalreporter.write_line(f"{part}: missing, {remedy}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, hand the notes to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["parts"] = (_ran, _missing, _counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over a worker's notes."""
    in_worker = getattr(node, "workeroutput", {}).get("parts", ({}, {}, {}))
    _ran.update(in_worker[0])
    _missing.update(in_worker[1])
    for matrix, rows in in_worker[2].items():
        _counts.setdefault(matrix, {}).update(rows)
