"""Hubbub as people run it: the installed command in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from tests.parts.ports import free_port
from tests.parts.process import Process, show_log_on_failure

COMMAND = Path(sys.executable).parent / "hubbub"
# Nodes on PostgreSQL have to be given the secret they share; on SQLite they keep one themselves.
SECRET_KEY = "no-secret-at-all-but-long-enough-for-tests"
# uvicorn tidies up and then lets the signal have its way with the process.
ORDERLY = (0, -signal.SIGTERM)


def settings(directory: Path, **given: str) -> dict[str, str]:
    """Return an environment without the developer's own settings, and with the given ones."""
    env = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    env["HUBBUB_DATA_DIR"] = str(directory / "data")
    env["HUBBUB_RATE_LIMITS"] = "false"  # everybody in a test comes from one address
    if given.get("HUBBUB_DATABASE_URL", "").startswith("postgres"):
        env["HUBBUB_SECRET_KEY"] = SECRET_KEY
    return env | given


def _is_ours(name: str) -> bool:
    # PYTHONPATH would let a wheel under test see the checkout.
    return name.startswith("HUBBUB_") or name == "PYTHONPATH"


def run_hubbub(
    *arguments: str, directory: Path, command: Path = COMMAND, **given: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, away from the checkout; raises with its output if it fails."""
    done = subprocess.run(
        [command, *arguments],
        cwd=directory,
        env=settings(directory, **given),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"hubbub {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done


class ServerProcess:
    """One Hubbub node on a port of its own, which it keeps when it is started again."""

    def __init__(
        self, directory: Path, command: Path, arguments: tuple[str, ...], given: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.port = int(given.get("HUBBUB_PORT", 0)) or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [str(command), *arguments]
        address = {"HUBBUB_HOST": "127.0.0.1", "HUBBUB_PORT": str(self.port)}
        self._env = settings(directory, **(address | dict(given)))
        self._said = "nothing yet"  # what it last answered when asked whether it is ready
        self.process = self._launch()

    def start(self) -> None:
        """Start it again after `stop` or `kill`; does not wait."""
        self.process = self._launch()

    def wait_ready(self, patience: float = 30) -> None:
        """Return when it says that it may be sent traffic."""
        try:
            self.process.wait_until(self.is_ready, patience)
        except TimeoutError:
            # The log follows with the test's report, and is full of these very questions.
            raise TimeoutError(f"{self.process.name}, {patience} s on: {self._said}") from None

    def is_ready(self) -> bool:
        try:
            # No proxy from the environment may stand between a test and its server.
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError as error:
            self._said = repr(error)
            return False
        self._said = f"{answer.status_code} {answer.text}"
        return answer.status_code == 200

    def stop(self) -> int:
        """Ask it to end, and return its exit code: one of `ORDERLY`, if all went well."""
        return self.process.terminate(patience=20)

    def kill(self) -> None:
        """End it, workers included, as a crash would."""
        self.process.kill()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self.process.send(signal.SIGCONT)

    def _launch(self) -> Process:
        return Process(
            f"hubbub on {self.port}",
            self._command,
            log=self.directory / f"hubbub-{self.port}.log",
            env=self._env,
            cwd=self.directory,
        )


class StartHubbub(Protocol):
    """What the fixture `hubbub` gives."""

    def __call__(
        self, *arguments: str, command: Path = ..., wait: bool = ..., **given: str
    ) -> ServerProcess:
        """Start `hubbub serve`, or another command, with these settings; wait till it is ready."""


@pytest.fixture
def hubbub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartHubbub]:
    """A function that starts nodes. They share a data directory unless told otherwise.

    Every node that still runs at the end of the test has to end in order when asked to.
    """
    started: list[ServerProcess] = []

    def start(
        *arguments: str, command: Path = COMMAND, wait: bool = True, **given: str
    ) -> ServerProcess:
        server = ServerProcess(tmp_path, command, arguments or ("serve",), given)
        started.append(server)
        show_log_on_failure(request.node, server.process)
        if wait:
            server.wait_ready()
        return server

    yield start
    problems = [problem for server in reversed(started) if (problem := _end(server))]
    assert not problems, "\n".join(problems)


def _end(server: ServerProcess) -> str | None:
    if server.process.exit_code is not None:
        return None  # the test ended it, and has seen its exit code or does not care
    server.thaw()
    try:
        code = server.stop()
    except TimeoutError as error:
        return str(error)
    return None if code in ORDERLY else f"{server.process.name} ended with {code}"
