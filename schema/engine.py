"""Build the schema and run operations on it, whatever transport they came by."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    execute,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    specified_rules,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import validate_document

from models.errors import Refusal
from models.viewer import Viewer
from realtime.feed import told_by
from realtime.mailbox import SlowConsumer
from realtime.operations import OperationRequest, Rejected, Result, Subscribed
from resolvers.services import Services
from schema.context import Context
from schema.cursor import SCALAR, Cursor
from schema.documents import Document, Documents, declared
from schema.errors import USER_ERROR_TYPES, formatted
from schema.events import EVENT_TYPES
from schema.responses import as_graphql, began, response
from schema.root import Mutation, Query, Subscription
from schema.subscriptions import Executor, Subscriptions

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
        self._schema.type_map["UUID"].description = "A UUID, such as crypto.randomUUID() makes."
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


def build_schema() -> strawberry.Schema:
    """Return the executable schema."""
    return _Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*EVENT_TYPES, *USER_ERROR_TYPES],
        config=StrawberryConfig(scalar_map={Cursor: SCALAR}),
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
        self._subscriptions = Subscriptions(services, self._schema)
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
        return Answer(response(result), executed=began(result))

    async def begin(
        self, request: OperationRequest, viewer: Viewer | None, *, with_cursor: bool = False
    ) -> Result | Rejected | Subscribed:
        """See `Renderer.begin`; `with_cursor` has results say where to resume after them."""
        try:
            document = self._documents.read(request.query)
            node = document.operation(request.operation_name)
            request = _kept(node, request)
            if errors := document.errors(self._validate):
                return Rejected([formatted(each) for each in errors])
            context = await self._context(document, viewer)
            context.resume_after = request.resume_after
        except GraphQLError as error:
            return Rejected([formatted(error)])
        operation = _Operation(document, node, request, context)
        if operation.kind is not OperationType.SUBSCRIPTION:
            return _shown(await self._executed(operation))
        return await self._subscribed(operation, with_cursor)

    async def stream(
        self, request: OperationRequest, viewer: Viewer | None
    ) -> AsyncGenerator[Result | Rejected, None]:
        """Yield the results of any operation; raises `SlowConsumer` and nothing else."""
        begun = await self.begin(request, viewer, with_cursor=True)
        if not isinstance(begun, Subscribed):
            yield begun
            return
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

    async def close(self) -> None:
        """End what is still being rendered."""
        await self._subscriptions.groups.close()

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
                executor_class=Executor,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            )
            if not isinstance(result, ExecutionResult):
                result = await result
        except Exception as error:  # noqa: BLE001 - a bug beyond the fields, to be told like others
            result = ExecutionResult(None, [as_graphql(error)])
        self._observe(operation, started, failed=bool(result.errors))
        return result

    async def _subscribed(self, operation: _Operation, with_cursor: bool) -> Subscribed | Rejected:
        started = time.perf_counter()
        begun = await self._subscriptions.begin(
            operation.document,
            operation.node,
            operation.request,
            operation.context,
            with_cursor=with_cursor,
        )
        self._observe(operation, started, failed=isinstance(begun, ExecutionResult))
        if isinstance(begun, Subscribed):
            return begun
        # There is no response that a path could point into.
        errors = [error.original_error or error for error in begun.errors or []]
        return Rejected([formatted(as_graphql(error)) for error in errors])

    def _validate(self, node: DocumentNode) -> list[GraphQLError]:
        return validate_document(self._schema, node, tuple(specified_rules))

    def _observe(self, operation: _Operation, started: float, *, failed: bool) -> None:
        if self._observer is not None:
            name = operation.node.name.value if operation.node.name else None
            seconds = time.perf_counter() - started
            self._observer(operation.kind.value, name, seconds, failed)

    async def _context(self, document: Document, asking: Viewer | Refusal | None) -> Context:
        """Return what an operation works with; raises `GraphQLError` with a refusal in it."""
        context = Context(self._services, asking)
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
        size = len(orjson.dumps(variables))
        if size > MAX_VARIABLES:
            raise GraphQLError(
                f"The variables of a subscription have {size} bytes; "
                f"at most {MAX_VARIABLES} are allowed."
            )
    return replace(request, variables=variables)


def _shown(result: ExecutionResult) -> Result | Rejected:
    """Return a result as an operation's, or as the end of one that never began."""
    if began(result):
        return Result(orjson.dumps(response(result)))
    return Rejected([formatted(error) for error in result.errors or []])
