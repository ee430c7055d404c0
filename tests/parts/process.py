"""A server that a test starts: its output in a file, its end certain."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import pytest

_processes: pytest.StashKey[list[Process]] = pytest.StashKey()


class Process:
    """A child process in a session of its own, so that Ctrl-C reaches pytest and not the child."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when one ended it."""
        return self._child.poll()

    def output(self, lines: int = 200) -> str:
        """Return the last lines that it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], patience: float) -> None:
        """Ask every 50 ms; raises with the log when the process ends or `patience` seconds pass."""
        deadline = time.monotonic() + patience
        while not ready():
            if self.exit_code is not None:
                raise RuntimeError(f"{self.name} ended with {self.exit_code}:\n{self.output(20)}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} not ready in {patience} s:\n{self.output(20)}")
            time.sleep(0.05)

    def wait(self, patience: float) -> int:
        """Return the exit code; kills the process and raises when `patience` seconds pass."""
        try:
            return self._child.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(
                f"{self.name} lived on for {patience} s:\n{self.output(20)}"
            ) from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, unless it has ended."""
        if self.exit_code is None:
            self._child.send_signal(number)

    def terminate(self, patience: float = 10, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.send(by)
        return self.wait(patience)

    def kill(self) -> None:
        """End it, and every process that it started, without a chance to tidy up."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()


def show_log_on_failure(item: pytest.Item, process: Process) -> None:
    """Print the process's log with the report, should the test fail."""
    item.stash.setdefault(_processes, []).append(process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the servers that a failed test started."""
    report = yield
    if report.failed:
        for process in item.stash.get(_processes, []):
            report.sections.append((f"log of {process.name}", process.output()))
    return report
