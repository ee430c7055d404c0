"""Around every HTTP request: an id for the log, a line in it, and a net for what falls through."""

import re
import secrets
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.errors import internal_error
from server.metrics import Metrics

log = structlog.get_logger(__name__)

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestLog:
    """Give each request an id, the proxy's if it brought one, and say how it ended.

    Requests that went well are logged at `debug`: a busy server answers thousands a second.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._serve(scope, receive, send, name_request(Headers(scope=scope)))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if status:
                raise  # too late for another answer
            response = JSONResponse({"errors": [internal_error(error)]}, 500)
            await response(scope, receive, noting)
        finally:
            self._metrics.responses.labels(str(status)).inc()
            level = log.info if status >= 400 else log.debug
            level(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )


def name_request(headers: Headers) -> str:
    """Return the id of what the present task serves; what it logs from now on bears it."""
    brought = headers.get("x-request-id", "")
    request_id = brought if _USABLE_ID.fullmatch(brought) else secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def origin_allowed(headers: Headers, allowed: Sequence[str]) -> bool:
    """Whether the page that asks may open a socket, or send a request without asking first.

    Browsers send `Origin` with every socket and do not let a page forge it; what is not a browser
    sends none, and has nothing of a visitor's to misuse.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # brackets without an address between them
        return False
