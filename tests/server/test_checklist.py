"""`hubbub check` says what is missing, and what to do about it."""

import os
import subprocess

import pytest

from server import checklist
from server.checklist import Mark, findings, in_words
from server.settings import Settings
from tests.parts.hubbub import COMMAND, run_hubbub, settings

SECRET = "hN3vqk0Zy7wRj5mTt2LxPbEo8sUfGdCa1iVKQ9XnYBz6WJMg"


def given(tmp_path, **more):
    more.setdefault("secret_key", SECRET)
    return Settings(_env_file=None, data_dir=tmp_path / "data", **more)


async def found(tmp_path, **more):
    """Return what is not good with these settings, by its subject."""
    listed = await findings(given(tmp_path, **more))
    assert all(finding.advice for finding in listed if finding.mark is not Mark.GOOD)
    return {each.subject: each for each in listed if each.mark is not Mark.GOOD}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HUBBUB_"):
            monkeypatch.delenv(name)


async def test_a_laptop_has_nothing_to_mend(tmp_path):
    assert await found(tmp_path) == {}
    assert await found(tmp_path, secret_key="") == {}
    assert in_words(await findings(given(tmp_path))) == "Nothing to mend."
    assert not (tmp_path / "data").exists(), "looking has made something"


@pytest.mark.parametrize(
    ("more", "subject", "mark", "words"),
    [
        ({"secret_key": "a" * 48}, "secret", Mark.BAD, "easy to guess"),
        (
            {"secret_key": "the-same-48-random-characters-on-every-node-here"},
            "secret",
            Mark.BAD,
            "example of the documentation",
        ),
        ({"host": "0.0.0.0"}, "listening", Mark.LOOK, "plain HTTP"),
        ({"host": "0.0.0.0"}, "proxies", Mark.LOOK, "127.0.0.0/8"),
        ({"host": "0.0.0.0"}, "introspection", Mark.LOOK, "read the schema"),
        ({"host": "0.0.0.0"}, "address", Mark.LOOK, "this machine alone"),
        ({"public_url": "http://chat.example.org"}, "address", Mark.BAD, "no TLS"),
        ({"public_url": "https://chat.example.org"}, "sign-up", Mark.LOOK, "anybody may"),
        ({"public_url": "https://chat.example.org"}, "mail", Mark.LOOK, "reset a password"),
        ({"trusted_proxies": "0.0.0.0/0"}, "proxies", Mark.BAD, "any address"),
        ({"allowed_origins": ["http://chat.example.org"]}, "origins", Mark.BAD, "without TLS"),
        ({"allowed_origins": ["http://localhost:5173"]}, "origins", Mark.LOOK, "developer"),
        ({"rate_limits": False}, "rate limits", Mark.BAD, "off"),
        ({"password_memory_kib": 8192}, "passwords", Mark.BAD, "8192 KiB"),
        ({"log_level": "debug"}, "log", Mark.LOOK, "every request"),
        ({"bus_url": "redis://127.0.0.1:1"}, "Redis", Mark.BAD, "not reached"),
        ({"bus_url": "redis://redis.invalid"}, "bus", Mark.LOOK, "without TLS"),
        ({"database_url": "postgresql://127.0.0.1:1/x"}, "tables", Mark.BAD, "not reached"),
        ({"database_url": "postgresql://127.0.0.1:1/x"}, "bus", Mark.LOOK, "in memory"),
        ({"database_url": "postgresql://127.0.0.1:1/x"}, "rate limits", Mark.LOOK, "for itself"),
        ({"database_url": "postgresql://db.invalid/x"}, "database", Mark.LOOK, "without TLS"),
    ],
)
async def test_what_is_wrong_is_found(tmp_path, more, subject, mark, words):
    finding = (await found(tmp_path, **more))[subject]
    assert finding.mark is mark
    assert words in finding.found


async def test_a_secret_that_others_can_read_is_found(tmp_path):
    kept = tmp_path / "data" / "secret_key"
    kept.parent.mkdir()
    kept.write_text(SECRET)
    kept.chmod(0o644)
    assert (await found(tmp_path, secret_key=""))["secret"].advice == f"chmod 600 {kept}"
    kept.chmod(0o600)
    assert await found(tmp_path, secret_key="") == {}


async def test_a_database_that_is_not_up_to_date_is_found(tmp_path, postgres_url):
    finding = (await found(tmp_path, database_url=postgres_url))["tables"]
    assert (finding.mark, finding.advice) == (Mark.BAD, "hubbub migrate")


async def test_what_is_reached_is_good(tmp_path, redis_url, migrated_postgresql_url):
    more = {"database_url": migrated_postgresql_url, "bus_url": redis_url}
    assert await found(tmp_path, **more) == {}


def test_the_command_prints_a_line_for_each_and_exits_with_one_if_something_is_to_mend(tmp_path):
    done = subprocess.run(
        [COMMAND, "check"],
        cwd=tmp_path,
        env=settings(tmp_path, HUBBUB_PROT="8080", HUBBUB_ALLOWED_ORIGINS="http://x.example"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "✘ settings     HUBBUB_PROT is not a setting; did you mean HUBBUB_PORT?" in done.stdout
    assert "→ Serve it by https" in done.stdout
    assert "\x1b" not in done.stdout
    assert "3 to mend." in done.stdout  # limits are off in tests
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
    assert all(len(line) <= 100 for line in lines)
    assert not done.stderr


def test_the_command_exits_with_zero_if_nothing_is(tmp_path):
    done = run_hubbub("check", directory=tmp_path, HUBBUB_RATE_LIMITS="true")
    assert "Nothing to mend." in done.stdout
    for each in checklist.UNSEEN:
        assert each.split(":")[0] in done.stdout.replace("\n    ", " ")
