"""Build the schema and run operations on it, whatever transport they came by."""

import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    create_source_event_stream,
    execute,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    specified_rules,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, validate_document

from models.errors import Refusal
from models.viewer import Viewer
from realtime.hub import SlowConsumer
from realtime.operations import OperationRequest, Rejected, Result
from resolvers.services import Services
from schema import uuids
from schema.context import Context
from schema.cursor import SCALAR, Cursor
from schema.documents import Document, Documents, declared
from schema.errors import USER_ERROR_TYPES, formatted
from schema.events import EVENT_TYPES
from schema.root import Mutation, Query, Subscription

# Of a subscription, as JSON: 2,000 ids. They stay for as long as it does.
MAX_VARIABLES = 64 * 1024  # bytes

# The contract as clients get it; `hubbub schema --write` brings it up to date.
PUBLISHED = Path(__file__).with_name("schema.graphql")

Observer = Callable[[str, str | None, float, bool], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answered; `executed` is false when it was refused before it ran."""

    payload: dict[str, Any]
    executed: bool


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


class _Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes each event of a subscription without keeping what it collected for the last one.

    graphql-core 3.3.2 lets the executors of all events share one cache of collected fields, keyed
    by the identity of lists that it keeps alive for that: 4 KB stayed of every event for as long as
    the subscription lived.
    """

    def build_per_event_executor(self, payload: Any) -> Any:
        """Return the executor of one event, with a cache of its own."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor


def build_schema() -> strawberry.Schema:
    """Return the executable schema."""
    return _Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*EVENT_TYPES, *USER_ERROR_TYPES],
        config=StrawberryConfig(scalar_map={Cursor: SCALAR, UUID: uuids.SCALAR}),
    )


def printed(schema: strawberry.Schema) -> str:
    """Return the schema as it is published in `schema.graphql`."""
    return schema.as_str() + "\n"


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation that may be executed, and what it takes."""

    document: Document
    node: OperationDefinitionNode
    request: OperationRequest
    context: Context

    @property
    def kind(self) -> OperationType:
        return self.node.operation


class Engine:
    """Runs operations for viewers; implements the socket endpoint's `Renderer`.

    What Strawberry has made of the types is executed by graphql-core, without Strawberry's own
    execution around it: its extensions and contexts took a fifth of the time of a small mutation.
    """

    def __init__(self, services: Services, observer: Observer | None = None) -> None:
        """Prepare; the observer is told kind, name, seconds and failure of what was executed."""
        self._services = services
        self._schema = build_schema()._schema
        self._documents = Documents()
        self._observer = observer

    async def execute(
        self,
        request: OperationRequest,
        asking: Viewer | Refusal | None,
        *,
        mutations: bool = True,
    ) -> Answer:
        """Run a query or a mutation; raises `OperationNotAllowed` for what may not come this way.

        Never raises for what the request holds: that is in the answer's `errors`.
        """
        try:
            document = self._documents.read(request.query)
            node = document.operation(request.operation_name)
            kind = node.operation
            if kind is OperationType.SUBSCRIPTION or (
                kind is OperationType.MUTATION and not mutations
            ):
                raise OperationNotAllowed(kind)
            if errors := document.errors(self._validate):
                return Answer({"errors": [formatted(each) for each in errors]}, executed=False)
            context = await self._context(document, asking)
        except GraphQLError as error:
            return Answer({"errors": [formatted(error)]}, executed=False)
        result = await self._executed(_Operation(document, node, request, context))
        return Answer(_payload(result), executed=_began(result))

    async def stream(
        self, request: OperationRequest, viewer: Viewer | None
    ) -> AsyncGenerator[Result | Rejected, None]:
        """Yield the results of any operation; raises `SlowConsumer` and nothing else."""
        try:
            document = self._documents.read(request.query)
            node = document.operation(request.operation_name)
            request = _kept(node, request)
            if errors := document.errors(self._validate):
                yield Rejected([formatted(each) for each in errors])
                return
            context = await self._context(document, viewer)
        except GraphQLError as error:
            yield Rejected([formatted(error)])
            return
        operation = _Operation(document, node, request, context)
        if operation.kind is not OperationType.SUBSCRIPTION:
            result = await self._executed(operation)
            yield _shown(result)
            return
        subscribed = await self._subscribed(operation)
        if isinstance(subscribed, ExecutionResult):
            yield _shown(subscribed)
            return
        executor, source = subscribed
        try:
            async with aclosing(source) as events:  # type: ignore[type-var]
                async for event in events:
                    result = executor.build_per_event_executor(event).execute_operation(False)
                    if isinstance(result, Awaitable):
                        result = await result
                    yield _shown(result, cursor=getattr(event, "cursor", None))
        except SlowConsumer:
            raise
        except Exception as error:  # noqa: BLE001 - the source's: a refusal, or a bug, to be told
            yield Rejected([formatted(_as_graphql(error))])

    async def _executed(self, operation: _Operation) -> ExecutionResult:
        """Return the result of a query or a mutation."""
        started = time.perf_counter()
        try:
            result = execute(
                self._schema,
                operation.document.node,
                context_value=operation.context,
                variable_values=operation.request.variables,
                operation_name=operation.request.operation_name,
                executor_class=_Executor,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            )
            if not isinstance(result, ExecutionResult):
                result = await result
        except Exception as error:  # noqa: BLE001 - a bug beyond the fields, to be told like others
            result = ExecutionResult(None, [_as_graphql(error)])
        self._observe(operation, started, failed=bool(result.errors))
        return result

    async def _subscribed(
        self, operation: _Operation
    ) -> tuple[_Executor, AsyncIterable[Any]] | ExecutionResult:
        """Return what executes a subscription's events, and these; or why it cannot begin."""
        started = time.perf_counter()
        executor = _Executor.build(
            self._schema,
            operation.document.node,
            context_value=operation.context,
            raw_variable_values=operation.request.variables,
            operation_name=operation.request.operation_name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
        )
        if isinstance(executor, list):
            self._observe(operation, started, failed=True)
            return ExecutionResult(None, executor)
        source = create_source_event_stream(executor)
        if isinstance(source, Awaitable):
            source = await source
        self._observe(operation, started, failed=isinstance(source, ExecutionResult))
        if isinstance(source, ExecutionResult):
            return source
        return cast("_Executor", executor), source

    def _validate(self, node: DocumentNode) -> list[GraphQLError]:
        return validate_document(self._schema, node, tuple(specified_rules))

    def _observe(self, operation: _Operation, started: float, *, failed: bool) -> None:
        if self._observer is not None:
            name = operation.node.name.value if operation.node.name else None
            seconds = time.perf_counter() - started
            self._observer(operation.kind.value, name, seconds, failed)

    async def _context(self, document: Document, asking: Viewer | Refusal | None) -> Context:
        """Return what an operation works with; raises `GraphQLError` with a refusal in it."""
        context = Context(self._services, asking, document)
        if isinstance(asking, Viewer) and document.asks_for_cursor:
            # Before every other read: the state that is fetched may be newer than the cursor, but
            # never older, or what happened in between would be missed.
            try:
                context.present = await self._services.node.feeds.present()
            except Refusal as refusal:
                raise GraphQLError(refusal.message, original_error=refusal) from refusal
        return context


def _kept(operation: OperationDefinitionNode, request: OperationRequest) -> OperationRequest:
    """Return what of a request an operation needs for as long as it runs.

    Raises `GraphQLError` when a subscription has more of them than may be kept for it.
    """
    variables = declared(operation, request.variables)
    if operation.operation is OperationType.SUBSCRIPTION:
        try:
            size = len(orjson.dumps(variables))
        except orjson.JSONEncodeError:  # it reads 1024 levels, and writes 254
            message = "The variables of a subscription are nested too deeply."
            raise GraphQLError(message) from None
        if size > MAX_VARIABLES:
            raise GraphQLError(
                f"The variables of a subscription have {size} bytes; "
                f"at most {MAX_VARIABLES} are allowed."
            )
    return replace(request, variables=variables)


def _as_graphql(error: Exception) -> GraphQLError:
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)


def _began(result: ExecutionResult) -> bool:
    """Whether execution began; what fails before it has no path into the response."""
    return result.data is not None or any(error.path is not None for error in result.errors or [])


def _shown(result: ExecutionResult, cursor: str | None = None) -> Result | Rejected:
    """Return a result as an operation's, or as the end of one that never began."""
    if _began(result):
        return Result(orjson.dumps(_payload(result)), cursor)
    return Rejected([formatted(error) for error in result.errors or []])


def _payload(result: ExecutionResult) -> dict[str, Any]:
    """Return a response as GraphQL §7.1 has it; `data` is absent when nothing was executed."""
    payload: dict[str, Any] = {}
    if _began(result):
        payload["data"] = result.data
    if result.errors:
        payload["errors"] = [formatted(error) for error in result.errors]
    return payload
