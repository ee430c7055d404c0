"""Incoming webhooks over plain HTTP: `POST /hooks/<secret>` with a JSON object with a `text`."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from models.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    RateLimited,
    Refusal,
)
from realtime.endpoint import client_of
from resolvers import incoming_webhooks
from resolvers.rates import Pace
from resolvers.services import Services

MAX_BODY = 64 * 1024  # bytes; the longest message, with every character escaped, has 60,000
BODY_TIMEOUT = 10.0  # seconds for the whole body to arrive
JSON = "application/json"

_STATUS: list[tuple[type[Refusal], int]] = [
    (NotFound, 404),
    (Forbidden, 403),
    (InvalidInput, 400),
    (Conflict, 409),
    (RateLimited, 429),
    (Overloaded, 503),
]


class Hooks:
    """Answers posts: 204 when the message is stored for good, else why it is not."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, request: Request) -> Response:
        """Send what is posted."""
        client = client_of(request.scope)
        # Before the secret is looked up: whoever tries many has to wait as well.
        if waiting := self._services.rates.pace(Pace.ENTERING, client.single_address):
            return _refused(RateLimited(retry_after=waiting))
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != JSON:
            return _error(415, "UNSUPPORTED_MEDIA_TYPE", f"Post as content-type: {JSON}.")
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await _body(request)
        except TimeoutError:
            return _error(408, "TIMEOUT", "The body took too long to arrive.")
        except ClientDisconnect:
            return _error(400, "BAD_REQUEST", "The body is incomplete.")
        if body is None:
            return _error(413, "BODY_TOO_LARGE", f"The body may have {MAX_BODY} bytes at most.")
        try:
            text, key = _read(body)
            await incoming_webhooks.post(
                self._services,
                token=request.path_params["token"],
                text=text,
                client_message_id=key,
            )
        except Refusal as refusal:
            return _refused(refusal)
        return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """Return the body, None for one that is too long; raises `ClientDisconnect`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _read(body: bytes) -> tuple[str, UUID | None]:
    """Return the text and the id that a client gave; raises `InvalidInput`."""
    try:
        posted: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput("The body is not JSON.") from None
    if not isinstance(posted, dict) or not isinstance(posted.get("text"), str):
        raise InvalidInput('Post an object with a text: {"text": "Hello"}.', path=["text"])
    key = posted.get("clientMessageId")
    if key is None:
        return posted["text"], None
    try:
        return posted["text"], UUID(key)
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput("clientMessageId is a UUID.", path=["clientMessageId"]) from None


def _refused(refusal: Refusal) -> Response:
    status = next((number for type_, number in _STATUS if isinstance(refusal, type_)), 400)
    headers = {}
    if isinstance(refusal, RateLimited):
        headers["retry-after"] = str(refusal.retry_after)
    return _error(status, refusal.code, refusal.message, headers)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    content = {"error": {"code": code, "message": message}}
    return JSONResponse(content, status, headers={"cache-control": "no-store", **(headers or {})})
