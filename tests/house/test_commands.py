"""The Makefile explains itself and repeats no work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.house.checkout import ROOT


def make(*arguments: str) -> str:
    """Return what make prints, as a person's shell would run it."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # The make that runs these tests must not hand its options on.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_has_a_sentence_for_every_command():
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    told = dict(re.findall(r"^  make (\w+) +(\S.{10,})$", make("help"), re.MULTILINE))
    assert sorted(" ".join(commands).split()) == sorted(told)


def test_make_alone_is_make_help():
    assert make() == make("help")


@pytest.mark.skipif("MAKELEVEL" not in os.environ, reason="only `make test` has set things up")
def test_a_second_make_run_does_nothing_but_start_hubbub():
    steps = make("--dry-run", "run").strip().splitlines()
    assert len(steps) == 1
    assert "hubbub serve" in steps[0]
