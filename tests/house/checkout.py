"""The checkout as its tests read it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@cache
def pyproject() -> dict[str, Any]:
    """Return the project's description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@cache
def packages() -> frozenset[str]:
    """Return our packages at the root, the tests and benchmarks left out."""
    found = {folder.parent.name for folder in ROOT.glob("*/__init__.py")}
    return frozenset(found - {"bench", "tests"})


def committed() -> list[Path]:
    """Return the files that are committed, or would be by `git add --all`."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]
