"""Health, readiness and metrics: what the people who run Hubbub look at."""

import asyncio
import json

from tests.parts.redis import running_redis
from tests.parts.running import running


async def test_a_server_is_alive_and_ready(server):
    person = server.person()
    alive = await person.get("/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    ready = await person.get("/readyz")
    assert ready.json() == {
        "status": "ok",
        "node": server.settings.node_id,
        "database": "ok",
        "bus": "ok",
        "log": "ok",
        "registry": "ok",
    }


async def test_a_server_that_loses_its_bus_says_so_and_stays_in_service(
    migrated_sqlite_url, monkeypatch
):
    monkeypatch.setattr("realtime.registry.RENEW_INTERVAL", 0.3)
    with running_redis() as redis:
        async with running(migrated_sqlite_url, bus_url=redis.url) as server:
            person = server.person()
            while (await person.get("/readyz")).status_code != 200:
                pass
            redis.kill()
            expected = {
                "status": "degraded",
                "node": server.settings.node_id,
                "database": "ok",
                "bus": "not heard",
                "log": "ok",
                "registry": "not written",  # it is kept in the same Redis
            }
            while (answer := await person.get("/readyz")).json() != expected:
                assert answer.status_code == 200


async def test_a_server_that_never_reached_its_bus_is_not_ready(migrated_sqlite_url):
    async with running(migrated_sqlite_url, bus_url="redis://127.0.0.1:1") as server:
        answer = await server.person().get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert (await server.person().get("/healthz")).status_code == 200


async def test_a_server_without_its_database_says_so_and_comes_back_by_itself(postgres_server):
    postgres, server = postgres_server
    ana = await server.registered("ana")
    postgres.kill()
    answer = await ana.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] != "ok"
    lost = await ana.run("{ viewer { unreadCount } }")
    assert lost["errors"][0]["extensions"]["code"] == "INTERNAL"
    await asyncio.to_thread(postgres.start)  # the server has to hear of closed connections
    while (await ana.get("/readyz")).status_code != 200:
        pass
    assert await ana.ask("{ viewer { unreadCount } }") == {"viewer": {"unreadCount": 0}}


async def test_metrics_count_operations_by_name_sockets_and_events(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with ana.listening() as socket:
        await ana.ask("query WhoAmI { viewer { email } }")
        await ana.run("query Broken { chat(id: 1) { id } }")
        await ana.group("Counted")
        await socket.next()
        metrics = (await ana.get("/metrics")).text
    assert 'hubbub_operations_total{kind="query",name="WhoAmI",outcome="ok"} 1.0' in metrics
    assert 'hubbub_operations_total{kind="query",name="Broken",outcome="error"} 1.0' in metrics
    assert "hubbub_sockets 1.0" in metrics
    assert "hubbub_people_online 1.0" in metrics
    assert f'hubbub_node_info{{node="{sqlite_server.settings.node_id}"}} 1.0' in metrics
    assert "hubbub_events_delivered_total 1.0" in metrics


async def test_names_that_clients_make_up_do_not_fill_the_metrics(sqlite_server):
    ana = await sqlite_server.registered("ana")
    for number in range(250):
        await ana.ask(f"query Made{number} {{ server {{ name }} }}")
    metrics = (await ana.get("/metrics")).text
    assert metrics.count("hubbub_operations_total{") < 220
    assert 'name="other"' in metrics


def test_every_log_line_names_its_node(hubbub):
    server = hubbub(HUBBUB_NODE_ID="kitchen", HUBBUB_LOG_FORMAT="json", HUBBUB_LOG_LEVEL="debug")
    server.stop()
    told = [json.loads(line) for line in server.process.output().splitlines() if line[:1] == "{"]
    assert "request" in {line["event"] for line in told}
    assert {line["node"] for line in told} == {"kitchen"}
