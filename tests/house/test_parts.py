"""The real parts that other tests lean on do what their fixtures promise."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import asyncpg
import pytest
import redis
from playwright.async_api import Browser

from tests.parts.ports import HIGHEST, LOWEST, free_port
from tests.parts.postgres import Postgres, running_postgres
from tests.parts.redis import running_redis

ROOT = Path(__file__).parents[2]


async def test_every_kind_of_database_starts_empty(database_url: str):
    if database_url.startswith("sqlite:///"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///")) as file:
            assert file.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        file.close()
    else:
        connection = await asyncpg.connect(database_url)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0
        await connection.execute("CREATE TABLE leftover ()")
        await connection.close()


async def test_databases_of_two_tests_are_strangers(postgres_url: str):
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT to_regclass('leftover')") is None
    await connection.close()


def test_a_template_is_prepared_once_and_copied_with_its_rows(postgres: Postgres):
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        postgres.sql("CREATE TABLE greetings AS SELECT 'hello' AS words", url.rpartition("/")[2])

    for _ in range(2):
        name = postgres.create(template=postgres.template("greetings", prepare))
        assert postgres.sql("SELECT words FROM greetings", name) == "hello"
        postgres.drop(name)
    assert len(prepared) == 1


@pytest.mark.slow
def test_postgresql_comes_back_after_a_crash_with_what_was_committed():
    with running_postgres() as server:
        database = server.create()
        server.sql("CREATE TABLE kept AS SELECT 1 AS one", database)
        server.kill()
        server.start()
        assert server.sql("SELECT one FROM kept", database) == "1"


def test_redis_comes_back_empty_after_a_crash():
    with running_redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        assert client.get("key") is None


def test_each_test_gets_a_redis_without_keys(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_free_ports_lie_below_those_of_outgoing_connections():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(LOWEST <= port <= HIGHEST for port in ports)


async def test_the_browser_runs_scripts_and_has_a_camera_and_a_microphone(browser: Browser):
    page = await browser.new_page()
    await page.route("http://localhost/", lambda route: route.fulfill(body="<title>hello</title>"))
    await page.goto("http://localhost/")  # a secure context without a server: media needs one
    assert await page.title() == "hello"
    capture = "navigator.mediaDevices.getUserMedia({audio: true, video: true})"
    assert await page.evaluate(f"{capture}.then(media => media.getTracks().length)") == 2


def test_node_is_recent(node: Path):
    assert node.is_file()


@pytest.mark.parametrize(("required", "outcome"), [("1", "errors"), ("0", "skipped")])
def test_a_missing_part_skips_on_a_laptop_and_fails_where_it_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: str, outcome: str
):
    monkeypatch.setenv("REQUIRE_REAL", required)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest("pytest_plugins = ['tests.parts.record']")
    pytester.makepyfile(
        """
        import pytest
        from tests.parts import record

        @pytest.fixture
        def harp():
            record.missing("Harp", "buy one")

        def test_music(harp):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.parseoutcomes() == {outcome: 1}
    result.stdout.fnmatch_lines(["Harp: missing, buy one"])
