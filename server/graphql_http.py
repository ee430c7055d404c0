"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/): POST, and GET to ask.

What is streamed is handed to `server/streaming.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from models.errors import Refusal, Unauthenticated
from models.viewer import Viewer
from realtime import event_stream, multipart
from realtime.endpoint import client_of
from realtime.operations import Authenticator, BadRequest, OperationRequest, operation_request
from realtime.sockets import Sockets
from resolvers.services import utc_now
from schema.engine import Answer, Engine, OperationNotAllowed
from schema.jar import Jar
from server.cookies import MODE, MODE_HEADER, Cookies, NotFromHere
from server.middleware import origin_allowed
from server.negotiation import GRAPHQL, JSON, Accepted, negotiated
from server.streaming import HEADERS, MAX_STREAMS, Framing, Stream, as_payload

MAX_BODY = 1024 * 1024  # bytes; the longest message is 40 kB
BODY_TIMEOUT = 30.0  # seconds for the whole body to arrive

STREAMS = (
    f"accept {event_stream.MEDIA_TYPE} or "
    f"{multipart.MEDIA_TYPE};subscriptionSpec={multipart.VERSION}, or use a WebSocket"
)

# A page that sends one of these to another origin makes the browser ask that origin first.
PREFLIGHTED = ("apollo-require-preflight", "graphql-require-preflight", "x-apollo-operation-name")
_ASKED_FOR = ("authorization", *PREFLIGHTED)


@dataclass
class HttpError(Exception):
    """The HTTP request cannot be understood as a GraphQL one."""

    status: int
    code: str
    message: str
    headers: dict[str, str] | None = None


class GraphQLOverHttp:
    """Answers `/graphql` over HTTP."""

    def __init__(
        self,
        engine: Engine,
        authenticator: Authenticator,
        sockets: Sockets,
        allowed_origins: Sequence[str],
        cookies: Cookies | None = None,
    ) -> None:
        self._engine = engine
        self._authenticator = authenticator
        self._sockets = sockets
        self._allowed_origins = allowed_origins
        self._cookies = cookies

    async def answer(self, request: Request) -> Response | Stream:
        """Answer one request; never raises for what it holds."""
        if _is_browser_visiting(request):
            return RedirectResponse("graphiql/", 303)
        accepted = Accepted()
        try:
            accepted = _accepted(request)
            self._check_page(request)
            jar = self._jar(request)
            asking = await self._asking(request)
            reading = request.method != "POST"
            operation = _from_query(request) if reading else await _from_body(request)
            try:
                client = client_of(request.scope)
                answer = await self._engine.execute(
                    operation, asking, client, mutations=not reading, jar=jar
                )
            except OperationNotAllowed as error:
                if error.kind is not OperationType.SUBSCRIPTION:
                    allow = {"allow": "POST"}
                    raise _method("Mutations are sent by POST.", allow) from None
                return self._streamed(request, operation, asking, accepted)
        except HttpError as error:
            return _error(accepted.plain or JSON, error)
        response = _answered(answer, accepted)
        if self._cookies is not None and jar is not None:
            by_cookie = "authorization" not in request.headers
            viewer = asking if by_cookie and isinstance(asking, Viewer) else None
            self._cookies.put(response, request, jar, viewer)
        return response

    def _jar(self, request: Request) -> Jar | None:
        """Return where tokens go besides the answer; raises `HttpError` if they may not."""
        mode = request.headers.get(MODE_HEADER)
        if mode not in (None, MODE):
            raise HttpError(400, "BAD_REQUEST", f"{MODE_HEADER} may be {MODE}, or left out.")
        if self._cookies is None:
            if mode is None:
                return None
            raise HttpError(400, "BAD_REQUEST", "This server keeps no sessions in cookies.")
        try:
            return self._cookies.jar(request)
        except NotFromHere:
            message = "Pages of this origin may not keep sessions in cookies."
            raise HttpError(403, "ORIGIN_NOT_ALLOWED", message) from None

    def _check_page(self, request: Request) -> None:
        """Refuse a `GET` that a foreign page has the browser send without asking first.

        `POST` needs a content type that is asked for already. What is not a browser sends neither
        header, and has no visitor whose rights it could use.
        """
        headers = request.headers
        if request.method == "POST" or any(headers.get(name) for name in _ASKED_FOR):
            return
        if headers.get("content-type", "").lower().startswith(JSON):
            return
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if "origin" in headers:
            foreign = not origin_allowed(headers, self._allowed_origins)
        if foreign:
            raise HttpError(
                403,
                "PREFLIGHT_REQUIRED",
                f"Pages of other origins ask by GET with the header {PREFLIGHTED[1]}: true.",
            )

    def _streamed(
        self,
        request: Request,
        operation: OperationRequest,
        asking: Viewer | Refusal | None,
        accepted: Accepted,
    ) -> Response | Stream:
        """Return a subscription's stream; raises `HttpError` when there cannot be one."""
        if request.method == "HEAD":
            raise _method("Subscriptions are sent by GET or POST.", {"allow": "GET, POST"})
        if accepted.framing is None:
            raise HttpError(406, "NOT_ACCEPTABLE", f"Subscriptions are streamed: {STREAMS}.")
        if isinstance(asking, Viewer) and asking.expires_at <= utc_now():
            # Accepted for a moment longer, for the sake of clocks that differ; not to begin with.
            asking = Unauthenticated("The access token has expired: refresh the session.")
        if isinstance(asking, Refusal):
            error = {"message": asking.message, "extensions": {"code": asking.code}}
            return _whole(accepted.framing, as_payload([error]))
        if asking is not None and self._sockets.streams_of(asking.session_id) >= MAX_STREAMS:
            message = f"At most {MAX_STREAMS} subscriptions may be streamed to one session."
            raise HttpError(429, "TOO_MANY_OPERATIONS", message)
        # What a browser's EventSource sends when it comes back by itself (HTML Standard §9.2.4).
        last = request.headers.get("last-event-id") or None
        results = self._engine.stream(
            replace(operation, resume_after=last), asking, client_of(request.scope)
        )
        return Stream(accepted.framing, results, asking, self._sockets)

    async def _asking(self, request: Request) -> Viewer | Refusal | None:
        authorization = request.headers.get("authorization")
        try:
            if authorization is None and self._cookies is not None:
                return await self._cookies.viewer(request)
            return await self._authenticator.authenticate(authorization, client_of(request.scope))
        except Refusal as refusal:
            return refusal


def _is_browser_visiting(request: Request) -> bool:
    """Whether a person typed the address: show them GraphiQL instead of an error."""
    accepts = request.headers.get("accept", "")
    return request.method == "GET" and not _query_string(request) and "text/html" in accepts


def _query_string(request: Request) -> str:
    # Not of `request.url`, which is made of the Host header too, and that can be anything.
    query_string: bytes = request.scope["query_string"]
    return query_string.decode("latin-1")


def _accepted(request: Request) -> Accepted:
    accepted = negotiated(request.headers.get("accept"))
    if accepted.plain is None and accepted.framing is None:
        message = f"Answers come as {GRAPHQL} or {JSON}; {STREAMS}."
        raise HttpError(406, "NOT_ACCEPTABLE", message)
    return accepted


def _from_query(request: Request) -> OperationRequest:
    parameters = dict(parse_qsl(_query_string(request), keep_blank_values=True))
    fields: dict[str, Any] = {
        name: parameters.get(name) for name in ("query", "operationName", "documentId")
    }
    for name in ("variables", "extensions"):
        if parameters.get(name):
            fields[name] = _parsed(parameters[name].encode(), name)
    return _operation(fields)


async def _from_body(request: Request) -> OperationRequest:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        raise HttpError(
            415,
            "UPLOAD_NOT_SUPPORTED",
            "Files do not travel through GraphQL: they go straight to storage, by links that the "
            "mutation prepareUpload gives where the schema has it. Send the operation alone, as "
            f"content-type: {JSON}.",
        )
    # A form can be posted from any page without asking; JSON cannot.
    if content_type != JSON:
        raise HttpError(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the request as content-type: {JSON}.")
    return _operation(_parsed(await _body(request), "the body"))


async def _body(request: Request) -> bytes:
    too_large = HttpError(413, "BODY_TOO_LARGE", f"The body may have {MAX_BODY} bytes at most.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large
    except TimeoutError:
        raise HttpError(408, "TIMEOUT", "The body took too long to arrive.") from None
    except ClientDisconnect:
        raise HttpError(400, "BAD_REQUEST", "The body is incomplete.") from None
    return bytes(body)


def _parsed(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "BAD_REQUEST", f"{what} is not JSON: {error.msg}.") from None


def _operation(fields: object) -> OperationRequest:
    if isinstance(fields, list):
        raise HttpError(400, "BAD_REQUEST", "Batches are not accepted; send requests one by one.")
    try:
        return operation_request(fields, name="the request")
    except BadRequest as error:
        raise HttpError(400, "BAD_REQUEST", f"{error}.") from None


def _answered(answer: Answer, accepted: Accepted) -> Response:
    if accepted.framing is not None and accepted.streams_all:
        return _whole(accepted.framing, orjson.dumps(answer.payload))
    media_type = accepted.plain or JSON
    # With the older media type a well-formed request is answered 200 whatever it says.
    status = 200 if answer.executed or media_type == JSON else 400
    headers = {"retry-after": str(answer.retry_after)} if answer.retry_after else None
    return _response(media_type, status, answer.payload, headers)


def _method(message: str, allow: dict[str, str]) -> HttpError:
    return HttpError(405, "METHOD_NOT_ALLOWED", message, allow)


def _error(media_type: str, error: HttpError) -> Response:
    payload = {"errors": [{"message": error.message, "extensions": {"code": error.code}}]}
    return _response(media_type, error.status, payload, error.headers)


def _whole(framing: Framing, payload: bytes) -> Response:
    """Return a stream of one result that is over already.

    Its status is 200 whatever the result says: of another one an EventSource shows nothing.
    """
    body = framing.OPENING + framing.result(payload) + framing.COMPLETE
    return Response(body, 200, {**HEADERS, "content-type": framing.CONTENT_TYPE})


def _response(
    media_type: str, status: int, payload: object, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(payload),
        status,
        {"cache-control": "no-store", "vary": "accept, authorization", **(headers or {})},
        media_type=f"{media_type}; charset=utf-8",
    )
