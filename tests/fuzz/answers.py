"""What an answer may look like, whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tests.docs.pages import Page

_PAGE = Page.of("PROTOCOL.md")
# Every code that the documentation promises. INTERNAL is one of them, and says that there is a bug.
CODES = {
    cell
    for table in _PAGE.tables("Errors")
    for cell in re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)
}
MEDIA_TYPES = ("application/json", "application/graphql-response+json")

# How the server is made is nobody's business: Python's words, its libraries' names, SQL, paths.
_LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|0x[0-9a-f]{8}|<class |<function|<coroutine|<bound "
    r"|NoneType|has no attribute|object is not|codec can't|badly formed|unhashable|recursion"
    r"|\b(sqlalchemy|asyncpg|aiosqlite|sqlite|strawberry|orjson|starlette|uvicorn|pydantic)\b"
    r"|\b(SELECT|INSERT INTO|DELETE FROM) \w+"
    r"|\b(?!RequestError|TooLongError|UserError)[A-Z][a-z]\w*(Error|Exception)\b"
)


def leaks(text: str) -> list[str]:
    """Return what of the server's inside a text shows."""
    return [f"shows {found[0]!r} in {_around(text, found)!r}" for found in _LEAKS.finditer(text)]


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 80) : found.end() + 80]


def result_problems(payload: object) -> Iterator[str]:
    """Yield what is wrong with a result: an object with `data`, `errors` or both."""
    if not isinstance(payload, dict) or not payload.keys() & {"data", "errors"}:
        yield f"is no result: {payload!r}"
        return
    if "errors" in payload:
        yield from error_problems(payload["errors"])


def error_problems(errors: object) -> Iterator[str]:
    """Yield what is wrong with a list of top-level errors."""
    if not isinstance(errors, list) or not errors:
        yield f"has no list of errors: {errors!r}"
        return
    for error in errors:
        code = error.get("extensions", {}).get("code")
        if not isinstance(error.get("message"), str) or not error["message"]:
            yield f"has an error without a message: {error!r}"
        if code not in CODES:
            yield f"has an error with the undocumented code {code!r}: {error!r}"
        elif code == "INTERNAL":
            yield f"has an internal error: {error!r}"


def http_problems(status: int, media_type: str, body: bytes) -> Iterator[str]:
    """Yield what is wrong with an HTTP answer."""
    text = body.decode(errors="replace")
    yield from leaks(text)
    if status >= 500:
        yield f"answers {status}: {text[:500]!r}"
    if media_type in MEDIA_TYPES:
        yield from result_problems(_parsed(body))


def message_problems(text: bytes) -> Iterator[str]:
    """Yield what is wrong with a message that came over a socket."""
    yield from leaks(text.decode(errors="replace"))
    match _parsed(text):
        case {"type": "connection_ack" | "ping" | "pong"}:
            pass
        case {"type": "next", "id": str(), "payload": payload}:
            yield from result_problems(payload)
        case {"type": "error", "id": str(), "payload": errors}:
            yield from error_problems(errors)
        case {"type": "complete", "id": str()}:
            pass
        case other:
            yield f"is no message of the protocol: {other!r}"


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def codes_of(body: bytes) -> list[str]:
    """Return the codes that an answer has, at any level."""
    return re.findall(r'"code":"([A-Z_]+)"', body.decode(errors="replace"))
