"""What transports and the executor say to each other: requests, results, refusals."""

from dataclasses import dataclass
from typing import Any, Protocol

from models.client import Client
from models.viewer import Viewer
from realtime.feed import Feed
from realtime.groups import Group


class BadRequest(Exception):
    """What a client sent is not a request; the message says why."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A GraphQL request as a client made it, over any transport.

    `query` is empty only where `extensions` or `document_id` name a document that the server may
    know.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None
    # A cursor that the transport brought; `events` goes on there, whatever its `after` says.
    resume_after: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One result of an operation: the response as JSON, and where to resume after it."""

    payload: bytes
    cursor: str | None = None  # of an event that has one


@dataclass(frozen=True, slots=True)
class Rejected:
    """The operation never ran, or cannot go on: its last word."""

    errors: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription that may begin: what it is told, and with whom it shares what comes of it."""

    feed: Feed[Any]
    group: Group


class Renderer(Protocol):
    """Runs operations of every kind; `schema/engine.py` is the one."""

    async def begin(
        self, request: OperationRequest, viewer: Viewer | None, client: Client
    ) -> Result | Rejected | Subscribed:
        """Run a query or a mutation, or prepare a subscription; never raises for its content."""

    def rejected(self, error: Exception) -> Rejected:
        """Return what a subscriber is told of a refusal, or of a bug, that ended it."""


class Authenticator(Protocol):
    """Turns an authorization header's value into a viewer; `server/` has the one."""

    async def authenticate(self, authorization: str | None) -> Viewer | None:
        """Return who that is, None for nobody; raises `Unauthenticated`, and `Overloaded`."""


def operation_request(fields: object, *, name: str) -> OperationRequest:
    """Return the request of a JSON object; raises `BadRequest` saying what is wrong with it."""
    fields = as_object(fields, name)
    extensions = optional_object(fields.get("extensions"), "extensions")
    document_id = _optional_text(fields.get("documentId"), "documentId")
    query = fields.get("query")
    if query is None and (document_id is not None or "persistedQuery" in (extensions or {})):
        query = ""
    return OperationRequest(
        query=text_of(query, "query"),
        variables=optional_object(fields.get("variables"), "variables"),
        operation_name=_optional_text(fields.get("operationName"), "operationName"),
        extensions=extensions,
        document_id=document_id,
    )


def as_object(value: object, name: str) -> dict[str, Any]:
    """Return a JSON object; raises `BadRequest` for anything else."""
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object")
    return value


def optional_object(value: object, name: str) -> dict[str, Any] | None:
    """Return a JSON object or null; raises `BadRequest` for anything else."""
    return None if value is None else as_object(value, name)


def text_of(value: object, name: str) -> str:
    """Return a string; raises `BadRequest` for anything else."""
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string")
    return value


def _optional_text(value: object, name: str) -> str | None:
    return None if value is None else text_of(value, name)
