"""Whether the process lives, and whether it can serve."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response

from models.database import Database
from realtime.node import Node

CHECK_TIMEOUT = 2.0  # seconds


class Health:
    """Answers `/healthz` and `/readyz`."""

    def __init__(self, db: Database, node: Node) -> None:
        self._db = db
        self._node = node

    async def live(self, _: Request) -> Response:
        """The process answers: nothing else is looked at, so a lost database restarts nobody."""
        return _answer({"status": "ok"}, 200)

    async def ready(self, _: Request) -> Response:
        """The parts that serving takes, each `ok` or what is wrong with it.

        A bus that was never heard is a mistake in the settings, and keeps traffic away. One that
        is lost later costs latency only, and on every node at once: the node stays in service, as
        it does without its part in the registry.
        """
        node = self._node
        parts = {
            "database": await self._database(),
            "bus": "ok" if node.bus.healthy() else "not heard",
            "log": "ok" if node.tailer.healthy() else "not readable",
            "registry": node.registry.trouble() or "ok",
        }
        status, code = "unavailable", 503
        if all(state == "ok" for state in parts.values()):
            status, code = "ok", 200
        elif parts["database"] == parts["log"] == "ok" and node.bus.ever_heard:
            status, code = "degraded", 200
        return _answer({"status": status, "node": node.registry.node_id, **parts}, code)

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self._db.aside.ping()
        except TimeoutError:
            return "no answer"
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, it is not ready
            return type(error).__name__  # names what failed without telling addresses
        return "ok"


def _answer(body: dict[str, str], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
