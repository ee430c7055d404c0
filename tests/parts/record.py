"""Which real parts ran, and which were asked for in vain; told at the end of the run."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import pytest

PREFER_WHEELS = os.environ.get("PARTS") == "wheels"
REQUIRE_REAL = os.environ.get("REQUIRE_REAL", "") not in ("", "0")

_ran: dict[str, str] = {}
_missing: dict[str, str] = {}


def ran(part: str, version: str, origin: str) -> None:
    """Note that tests talked to this part."""
    _ran[part] = f"{version} ({origin})"


def missing(part: str, remedy: str) -> NoReturn:
    """Skip the test that asks for the part, or fail it where nothing may be missing."""
    _missing[part] = remedy
    if REQUIRE_REAL:
        pytest.fail(f"{part} is missing and REQUIRE_REAL is set: {remedy}", pytrace=False)
    pytest.skip(f"{part} is missing: {remedy}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per part."""
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
        output["parts"] = (_ran, _missing)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over a worker's notes."""
    in_worker = getattr(node, "workeroutput", {}).get("parts", ({}, {}))
    _ran.update(in_worker[0])
    _missing.update(in_worker[1])
