"""The locks pin everything by hash, and say the same as pyproject.toml."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.checkout import ROOT, committed, pyproject

LOCKS = ("bootstrap", "runtime", "build", "dev", "synapse")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements(lock: str) -> dict[Requirement, str]:
    """Return each requirement of a lock, with the rest of its line: the hashes."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    lines = [line for line in joined.splitlines() if line.strip()]
    split = [re.split(r"\s(?=--hash)", line, maxsplit=1) for line in lines]
    return {Requirement(parts[0]): parts[1] if len(parts) > 1 else "" for parts in split}


def pins(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock."""
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements(lock)
    }


def wanted(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks of a lock."""
    project = pyproject()["project"]["dependencies"] if lock in ("runtime", "dev") else []
    group = _group(lock) if lock != "runtime" else []
    return [Requirement(line) for line in [*project, *group]]


def _group(name: str) -> list[str]:
    entries: list[str | dict[str, str]] = pyproject()["dependency-groups"][name]
    lines: list[str] = []
    for entry in entries:
        lines += [entry] if isinstance(entry, str) else _group(entry["include-group"])
    return lines


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_one_version_of_each_package_and_its_hashes(lock: str):
    for requirement, hashes in requirements(lock).items():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert requirement.url is None, requirement
        assert hashes, requirement
        assert all(HASH.fullmatch(item) for item in hashes.split()), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_gives_what_pyproject_asks_for(lock: str):
    pinned = pins(lock)
    unmet = [
        f"{requirement}, locked: {pinned.get(canonicalize_name(requirement.name))}"
        for requirement in wanted(lock)
        if not requirement.specifier.contains(
            pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]
    assert not unmet, "run `make lock`"


@pytest.mark.parametrize("lock", ["runtime", "build"])
def test_the_development_lock_holds_the_same_versions(lock: str):
    # Both are installed into one environment: a difference would be undone and redone for ever.
    development = pins("dev")
    assert {name: development.get(name) for name in pins(lock)} == pins(lock)


def test_npm_locks_carry_hashes_and_no_addresses():
    locks = [path for path in committed() if path.name == "package-lock.json"]
    assert locks, "there are packages from npm, so there are locks"
    for path in locks:
        packages: dict[str, dict[str, Any]] = json.loads(path.read_text())["packages"]
        for name, package in packages.items():
            if name == "" or package.get("link"):
                continue  # the project itself
            assert "resolved" not in package, f"{path}: {name}"
            # What a package brings inside itself is covered by that package's hash.
            assert package.get("inBundle") or "integrity" in package, f"{path}: {name}"
