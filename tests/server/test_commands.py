"""The command line, as people use it."""

import socket
import subprocess

import pytest

from server import migrations
from tests.parts.hubbub import COMMAND, run_hubbub, settings
from tests.parts.running import running


def failed(*arguments, directory, **given):
    """Run a command that has to fail and return what it said."""
    with pytest.raises(RuntimeError) as failure:
        run_hubbub(*arguments, directory=directory, **given)
    assert "Traceback" not in str(failure.value), failure.value
    return str(failure.value)


def test_migrate_brings_a_database_up_to_date_and_back(database_url, tmp_path):
    def migrate(*arguments):
        done = run_hubbub(
            "migrate", *arguments, directory=tmp_path, HUBBUB_DATABASE_URL=database_url
        )
        return done.stdout.strip()

    newest = migrations.newest()
    assert migrate() == f"Migrated the database from nothing to {newest}."
    assert migrate() == f"The database is at {newest} already."
    assert migrate("--down-to", "base") == f"Migrated the database from {newest} to base."


def test_a_server_refuses_a_postgresql_database_that_is_not_up_to_date(postgres_url, tmp_path):
    said = failed("api", directory=tmp_path, HUBBUB_DATABASE_URL=postgres_url)
    assert "run `hubbub migrate`" in said


def test_a_database_that_is_not_there_is_a_sentence(tmp_path):
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    assert "is the database up?" in failed("migrate", directory=tmp_path, HUBBUB_DATABASE_URL=url)


def test_a_port_in_use_is_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = failed("serve", directory=tmp_path, HUBBUB_PORT=port)
    assert f"port {port}" in said
    assert "HUBBUB_PORT" in said


async def test_an_administrator_is_created_and_can_log_in(migrated_database_url, tmp_path):
    def create(password):
        return subprocess.run(
            [COMMAND, "admin", "create", "root_1", "--display-name", "Root"],
            input=f"{password}\n{password}\n",
            env=settings(tmp_path, HUBBUB_DATABASE_URL=migrated_database_url),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    weak = create("short")
    assert weak.returncode == 2
    assert "at least 8 characters" in weak.stderr
    made = create("correct horse battery")
    assert made.returncode == 0, made.stderr
    assert "root_1 is an administrator." in made.stdout
    again = create("correct horse battery")
    assert "is taken" in again.stderr
    async with running(migrated_database_url) as server:
        await server.person().log_in("root_1")


def test_the_worker_runs_alone_and_ends_when_asked(hubbub, migrated_database_url):
    worker = hubbub("worker", wait=False, HUBBUB_DATABASE_URL=migrated_database_url)
    worker.process.wait_until(lambda: "worker runs" in worker.process.output(), 30)
    assert worker.stop() == 0


def test_the_printed_schema_is_the_published_one(tmp_path):
    from schema.engine import PUBLISHED

    assert run_hubbub("schema", directory=tmp_path).stdout == PUBLISHED.read_text()
    run_hubbub("schema", "--check", directory=tmp_path)


def test_every_command_has_help(tmp_path):
    listing = run_hubbub("--help", directory=tmp_path).stdout
    for command in ("serve", "api", "worker", "migrate", "demo", "admin", "schema"):
        assert command in listing
        assert run_hubbub(command, "--help", directory=tmp_path).returncode == 0
