"""Build the schema and run operations on it, whatever transport they came by."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    Undefined,
    execute,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig

from models.client import NOWHERE, Client
from models.errors import RateLimited, Refusal
from models.viewer import Viewer
from realtime.feed import told_by
from realtime.mailbox import SlowConsumer
from realtime.operations import OperationRequest, Rejected, Result, Subscribed
from resolvers.services import Services
from schema import uuids
from schema.admin_root import AdminMutation, AdminQuery
from schema.admission import Admission, Admitted, NotAdmitted
from schema.context import Context
from schema.cursor import SCALAR, Cursor
from schema.documents import Document
from schema.errors import USER_ERROR_TYPES, formatted
from schema.event_types import EVENT_TYPES
from schema.jar import Jar, keep_tokens
from schema.manifest import Manifest
from schema.policies import guard
from schema.responses import as_graphql, began, response
from schema.root import Mutation, Query, Subscription
from schema.scopes import check_scopes
from schema.subscriptions import Executor, Subscriptions

# The contract as clients get it; `hubbub schema --write` brings it up to date.
PUBLISHED = Path(__file__).with_name("schema.graphql")

Observer = Callable[[str, str | None, float, bool], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answered; `executed` is false when it was refused before it ran.

    `retry_after` has the seconds to wait where something was refused for coming too often, else 0.
    """

    payload: dict[str, Any]
    executed: bool
    retry_after: int = 0


class OperationNotAllowed(Exception):
    """The transport does not carry this kind of operation, such as a mutation by GET."""

    def __init__(self, kind: OperationType) -> None:
        super().__init__(f"A {kind.value} cannot be sent this way.")
        self.kind = kind


class _Schema(strawberry.Schema):
    """Strawberry's schema without `= null` defaults.

    Absent and null mean the same wherever a default of None stands in the code; printing it would
    only be noise in the contract.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._schema.type_map["DateTime"].description = "A moment in UTC, as ISO 8601 has it."
        for type_ in self._schema.type_map.values():
            if is_input_object_type(type_):
                inputs = list(type_.fields.values())
            elif is_object_type(type_) or is_interface_type(type_):
                inputs = [arg for field in type_.fields.values() for arg in field.args.values()]
            else:
                continue
            for input_ in inputs:
                if input_.default_value is None:
                    input_.default_value = Undefined


@cache  # nothing changes it once it is built
def build_schema(*, administrators: bool = False) -> strawberry.Schema:
    """Return the executable schema: everybody's, or the one that administrators have.

    Every root field is behind its policy; raises `RuntimeError` for a field that has none.
    """
    built = _Schema(
        query=AdminQuery if administrators else Query,
        mutation=AdminMutation if administrators else Mutation,
        subscription=Subscription,
        types=[*EVENT_TYPES, *USER_ERROR_TYPES],
        config=StrawberryConfig(scalar_map={Cursor: SCALAR, UUID: uuids.SCALAR}),
    )
    keep_tokens(built._schema)
    guard(built._schema)
    return built


def printed(schema: strawberry.Schema) -> str:
    """Return the schema as it is published in `schema.graphql`."""
    return schema.as_str() + "\n"


def published() -> dict[bool, Path]:
    """Return where the schema is published: as administrators have it (True), and others."""
    return {False: PUBLISHED, True: PUBLISHED.with_name("schema.admin.graphql")}


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation that may be executed, and what it takes."""

    face: "_Face"
    admitted: Admitted
    context: Context

    @property
    def kind(self) -> OperationType:
        return self.admitted.node.operation


class _Face:
    """A schema as some see it, with what admits and begins operations on it."""

    def __init__(
        self,
        services: Services,
        *,
        administrators: bool,
        introspection: bool,
        listed: Manifest | None,
    ) -> None:
        self.schema = build_schema(administrators=administrators)._schema
        self.admission = Admission(self.schema, introspection=introspection, listed=listed)
        self.subscriptions = Subscriptions(services, self.schema)


class Engine:
    """Runs operations for viewers; implements the socket endpoint's `Renderer`.

    What Strawberry has made of the types is executed by graphql-core, without Strawberry's own
    execution around it: its extensions and contexts took a fifth of the time of a small mutation.
    """

    def __init__(
        self,
        services: Services,
        observer: Observer | None = None,
        *,
        introspection: bool = True,
        listed: Manifest | None = None,
    ) -> None:
        """Prepare; the observer is told kind, name, seconds and failure of what was executed.

        Without `introspection` the schema is not told; with `listed`, nothing else runs.
        """
        self._services = services
        self._everybodys, self._administrators = (
            _Face(
                services, administrators=administrators, introspection=introspection, listed=listed
            )
            for administrators in (False, True)
        )
        self._observer = observer

    async def execute(
        self,
        request: OperationRequest,
        asking: Viewer | Refusal | None,
        client: Client = NOWHERE,
        *,
        mutations: bool = True,
        jar: Jar | None = None,
    ) -> Answer:
        """Run a query or a mutation; raises `OperationNotAllowed` for what may not come this way.

        Never raises for what the request holds: that is in the answer's `errors`.
        """
        face = self._face(asking)
        try:
            admitted = face.admission.admit(request)
            kind = admitted.node.operation
            if kind is OperationType.SUBSCRIPTION or (
                kind is OperationType.MUTATION and not mutations
            ):
                raise OperationNotAllowed(kind)
            check_scopes(face.schema, admitted, asking)
            context = await self._context(admitted.document, asking, client)
            context.jar = jar
        except NotAdmitted as refused:
            return Answer({"errors": [formatted(each) for each in refused.errors]}, executed=False)
        except GraphQLError as error:
            return Answer({"errors": [formatted(error)]}, executed=False)
        result = await self._executed(_Operation(face, admitted, context))
        for each in result.errors or ():
            if isinstance(each.original_error, RateLimited):
                context.must_wait(each.original_error.retry_after)
        return Answer(response(result), began(result), context.retry_after)

    async def begin(
        self,
        request: OperationRequest,
        viewer: Viewer | None,
        client: Client = NOWHERE,
        *,
        with_cursor: bool = False,
    ) -> Result | Rejected | Subscribed:
        """See `Renderer.begin`; `with_cursor` has results say where to resume after them."""
        face = self._face(viewer)
        try:
            admitted = face.admission.admit(request)
            del request  # what the operation does not need must not stay for as long as it runs
            check_scopes(face.schema, admitted, viewer)
            context = await self._context(admitted.document, viewer, client)
            context.resume_after = admitted.request.resume_after
        except NotAdmitted as refused:
            return Rejected([formatted(each) for each in refused.errors])
        except GraphQLError as error:
            return Rejected([formatted(error)])
        operation = _Operation(face, admitted, context)
        if operation.kind is not OperationType.SUBSCRIPTION:
            return _shown(await self._executed(operation))
        return await self._subscribed(operation, with_cursor)

    async def stream(
        self, request: OperationRequest, viewer: Viewer | None, client: Client = NOWHERE
    ) -> AsyncGenerator[Result | Rejected, None]:
        """Yield the results of any operation; raises `SlowConsumer` and nothing else."""
        begun = await self.begin(request, viewer, client, with_cursor=True)
        if not isinstance(begun, Subscribed):
            yield begun
            return
        del request
        try:
            async with aclosing(told_by(begun.feed)) as items:
                async for item in items:
                    rendered = await begun.group.later(item)
                    yield Result(rendered.payload, rendered.cursor)
        except SlowConsumer:
            raise
        except Exception as error:  # noqa: BLE001 - the feed's: a refusal, or a bug, to be told
            yield self.rejected(error)
        finally:
            begun.feed.leave()

    def rejected(self, error: Exception) -> Rejected:
        """See `Renderer.rejected`."""
        return Rejected([formatted(as_graphql(error))])

    async def _executed(self, operation: _Operation) -> ExecutionResult:
        """Return the result of a query or a mutation."""
        started = time.perf_counter()
        try:
            result = execute(
                operation.face.schema,
                operation.admitted.document.node,
                context_value=operation.context,
                variable_values=operation.admitted.request.variables,
                operation_name=operation.admitted.request.operation_name,
                executor_class=Executor,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            )
            if not isinstance(result, ExecutionResult):
                result = await result
        except Exception as error:  # noqa: BLE001 - a bug beyond the fields, to be told like others
            result = ExecutionResult(None, [as_graphql(error)])
        self._observe(operation, started, failed=bool(result.errors))
        result.extensions = operation.admitted.extensions
        return result

    async def _subscribed(self, operation: _Operation, with_cursor: bool) -> Subscribed | Rejected:
        started = time.perf_counter()
        begun = await operation.face.subscriptions.begin(
            operation.admitted, operation.context, with_cursor=with_cursor
        )
        self._observe(operation, started, failed=isinstance(begun, ExecutionResult))
        if isinstance(begun, Subscribed):
            return begun
        # There is no response that a path could point into.
        errors = [error.original_error or error for error in begun.errors or []]
        return Rejected([formatted(as_graphql(error)) for error in errors])

    def _observe(self, operation: _Operation, started: float, *, failed: bool) -> None:
        if self._observer is not None:
            name = operation.admitted.node.name.value if operation.admitted.node.name else None
            seconds = time.perf_counter() - started
            self._observer(operation.kind.value, name, seconds, failed)

    def _face(self, asking: Viewer | Refusal | None) -> _Face:
        """Return the schema that there is for somebody."""
        is_admin = isinstance(asking, Viewer) and asking.is_admin
        return self._administrators if is_admin else self._everybodys

    async def _context(
        self, document: Document, asking: Viewer | Refusal | None, client: Client
    ) -> Context:
        """Return what an operation works with; raises `GraphQLError` with a refusal in it."""
        context = Context(self._services, asking, client)
        if isinstance(asking, Viewer) and document.asks_for_cursor:
            # Before every other read: the state that is fetched may be newer than the cursor, but
            # never older, or what happened in between would be missed.
            try:
                context.present = await self._services.node.feeds.present()
            except Refusal as refusal:
                raise GraphQLError(refusal.message, original_error=refusal) from refusal
        return context


def _shown(result: ExecutionResult) -> Result | Rejected:
    """Return a result as an operation's, or as the end of one that never began."""
    if began(result):
        return Result(orjson.dumps(response(result)))
    return Rejected([formatted(error) for error in result.errors or []])
