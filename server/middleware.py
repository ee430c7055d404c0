"""Around every HTTP request: an id, a log line, headers, and a net for what falls through."""

import re
import secrets
import time
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.errors import internal_error
from server.metrics import Metrics

log = structlog.get_logger(__name__)

# On every answer, unless it has one of these of its own. Nothing here is meant to be shown in a
# frame, to be run, or to be loaded into another origin's page, other than by CORS; what GraphiQL
# needs besides, its page allows itself (`server/pages.py`).
HEADERS = {
    name.encode(): value.encode()
    for name, value in {
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }.items()
}
# Over https only, as RFC 6797 §7.2 asks: for a year never again without.
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")

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
                message["headers"] = _completed(message["headers"], scope, request_id)
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


def _completed(
    headers: Iterable[tuple[bytes, bytes]], scope: Scope, request_id: str
) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those that every answer has."""
    rest = HEADERS.copy()
    kept = []
    for name, value in headers:
        rest.pop(name, None)
        kept.append((name, value))
    if scope["scheme"] == "https":
        kept.append(STRICT_TRANSPORT)
    return [*kept, *rest.items(), (b"x-request-id", request_id.encode())]


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
