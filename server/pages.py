"""The GraphiQL page, from our own files and under a strict policy.

Every redirect is relative: a `Host` that somebody made up leads nowhere.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from server.assets import GRAPHIQL

# GraphiQL's editor makes style elements as it goes, and its workers from blobs.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = [(b"content-security-policy", CONTENT_SECURITY_POLICY.encode())]


class _Guarded:
    """Static files with our headers."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Vite names an asset after its content, so it never changes; the page itself does.
        unchanging = "/assets/" in scope["path"]
        caching = b"public, max-age=31536000, immutable" if unchanging else b"no-cache"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *_HEADERS, (b"cache-control", caching)]
                message["headers"] = headers
            await send(message)

        await self._files(scope, receive, guarded)


async def _home(_: Request) -> Response:
    return RedirectResponse("graphiql/", 303)


async def _page(_: Request) -> Response:
    return RedirectResponse("graphiql/", 308)


async def _not_built(_: Request) -> Response:
    return PlainTextResponse(
        "The GraphiQL page is not built. In a checkout, `make run` builds it.\n", 503
    )


def routes() -> list[BaseRoute]:
    """Return the routes of `/` and `/graphiql/`."""
    if not GRAPHIQL.is_dir():
        return [Route("/", _not_built), Route("/graphiql/", _not_built)]
    page = _Guarded(StaticFiles(directory=GRAPHIQL, html=True))
    return [Route("/", _home), Route("/graphiql", _page), Mount("/graphiql", page)]
