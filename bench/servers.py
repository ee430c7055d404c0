"""Servers under measurement, each on the core that is kept for them: Hubbub, and its peers."""

import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from os import environ, kill
from pathlib import Path

from bench import databases, processes
from bench.peers import on_node
from tests.parts.hubbub import COMMAND, ServerProcess
from tests.parts.ports import free_port
from tests.parts.process import Process

PREFRAMED, YOGA, BARE, STRAWBERRY = "pre-framed broadcast", "yoga", "bare broadcast", "Strawberry"
APOLLO = "Apollo Server"

PATIENCE = 30.0  # seconds to start; Apollo Server takes 10 to end when it holds connections
LOOKED = 0.5  # seconds between two looks at a server that comes to rest
AT_REST = 0.02  # seconds of processor time between them that are none
LOOKS = 60
COLLECTIONS = 3  # V8 gives memory back with the third one


@dataclass(frozen=True, slots=True)
class Peer:
    """A command that is given a port, and what it wants in its environment."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def in_python(cls, module: str) -> "Peer":
        return cls([sys.executable, "-m", f"bench.peers.{module}"])

    @classmethod
    def on_node(cls, name: str) -> "Peer":
        on_node.install()
        return cls(on_node.command(name), on_node.ENVIRONMENT)


PEERS = {
    STRAWBERRY: partial(Peer.in_python, "stock_strawberry"),
    YOGA: partial(Peer.on_node, "yoga"),
    APOLLO: partial(Peer.on_node, "apollo"),
    BARE: partial(Peer.in_python, "bare"),
    PREFRAMED: partial(Peer.in_python, "preframed"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    name: str
    port: int
    pid: int
    collects: bool  # its garbage, when asked by a signal

    def rest(self) -> None:
        """Return when it has nothing left to do, its garbage collected where it can be asked."""
        before = processes.cpu_seconds(self.pid)
        for _ in range(LOOKS):
            time.sleep(LOOKED)
            now = processes.cpu_seconds(self.pid)
            if now - before < AT_REST:
                break
            before = now
        else:
            raise TimeoutError(f"{self.name} does not come to rest")
        for _ in range(COLLECTIONS if self.collects else 0):
            kill(self.pid, signal.SIGUSR2)
            time.sleep(LOOKED)


@contextmanager
def hubbub(
    url: str, directory: Path, core: set[int], command: Path = COMMAND, **given: str
) -> Iterator[Server]:
    """Yield Hubbub on a database, with further settings if given."""
    with processes.starting_on(core):
        server = ServerProcess(directory, command, ("api",), databases.environment(url) | given)
    try:
        server.wait_ready()
        yield Server("Hubbub", server.port, server.process.pid, collects=False)
    finally:
        server.stop()


@contextmanager
def peer(name: str, directory: Path, core: set[int]) -> Iterator[Server]:
    """Yield one of the peers; raises `CannotRun` where it cannot be installed."""
    found, port = PEERS[name](), free_port()
    with processes.starting_on(core):
        process = Process(
            name,
            [*found.command, str(port)],
            log=directory / f"{name}.log",
            env={**environ, **found.environment},
            cwd=processes.ROOT,
        )
    try:
        process.wait_until(partial(processes.listens, port), PATIENCE)
        yield Server(name, port, process.pid, collects=True)
    finally:
        process.terminate(PATIENCE)
