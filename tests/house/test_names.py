"""No file names a machine, and no package of ours bears a name that is taken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import urlsplit

import alembic
import pytest

from tests.house.checkout import ROOT, committed, packages, pyproject

# Folders that stand on every machine: naming one gives nothing away.
COMMON = {"/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp"}


def registry_hosts() -> Iterator[str]:
    """Yield the hosts that pip and npm fetch from; asked for, so that none has to be named."""
    from pip._internal.models.index import PyPI

    yield PyPI.netloc
    yield PyPI.file_storage_domain
    yield from (urlsplit(url).hostname or "" for url in _pip("global.index-url"))
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if npm is not None:
        yield urlsplit(_output(npm, "config", "get", "registry")).hostname or ""


def machine_paths() -> Iterator[str]:
    """Yield folders of this machine that mean nothing on another."""
    for folder in (ROOT, ROOT.parent, Path.home()):
        if str(folder) not in COMMON:
            yield f"{folder}/"
    yield from (place for place in _pip("global.find-links") if place.startswith("/"))
    yield from os.environ.get("PIP_FIND_LINKS", "").split()
    yield "file:" + "///"


def _pip(setting: str) -> list[str]:
    return _output(sys.executable, "-m", "pip", "config", "get", setting).split()


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def test_no_committed_file_names_a_registry_or_a_path_of_this_machine():
    hosts = {re.escape(host) for host in registry_hosts() if host}
    paths = {rf"(?<![\w.]){re.escape(path)}" for path in machine_paths()}
    forbidden = re.compile("|".join(sorted(hosts | paths)))
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in committed()
        if (match := forbidden.search(path.read_bytes().decode("utf-8", errors="replace")))
    ]
    assert not found


def test_no_dependency_installs_a_package_of_the_same_name():
    ours = {"hubbub"}
    taken = {
        name: others
        for name in packages()
        if (others := set(packages_distributions().get(name, [])) - ours)
    }
    assert not taken


def test_alembic_is_the_library_and_not_our_folder_of_migrations():
    assert not (ROOT / "alembic/__init__.py").exists()
    assert alembic.__file__ is not None
    assert not Path(alembic.__file__).is_relative_to(ROOT / "alembic")


@pytest.mark.parametrize(
    "table",
    [
        "hatch.build.targets.wheel.packages",
        "importlinter.root_packages",
        "deptry.known_first_party",
    ],
)
def test_every_package_is_packed_and_checked(table: str):
    value = pyproject()["tool"]
    for key in table.split("."):
        value = value[key]
    assert set(value) == packages()


def test_every_package_is_known_to_the_formatter_and_the_type_checker():
    tool = pyproject()["tool"]
    assert packages() <= set(tool["ruff"]["lint"]["isort"]["known-first-party"])
    assert packages() <= set(tool["mypy"]["files"])


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("strawberry", {"schema", "server"}),
        ("sqlalchemy", {"models", "server"}),
        ("broadcaster", {"realtime"}),
        ("aiortc", {"sfu"}),
        ("boto3", {"storage"}),
    ],
)
def test_a_library_with_a_home_is_forbidden_to_every_other_package(library: str, homes: set[str]):
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    (contract,) = [entry for entry in contracts if library in entry.get("forbidden_modules", [])]
    assert set(contract["source_modules"]) == packages() - homes
