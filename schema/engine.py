"""Build the schema and run operations on it, whatever transport they came by."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import strawberry
from graphql import (
    GraphQLError,
    OperationType,
    Undefined,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, validate_document
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from models.errors import Refusal
from models.viewer import Viewer
from realtime.endpoint import Rejected, Result
from realtime.hub import SlowConsumer
from realtime.protocol import OperationRequest
from resolvers.services import Services
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
    """Strawberry's schema with our own logging of errors, and without `= null` defaults.

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

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Do nothing: errors are logged where they are formatted, once."""


class _ExecutionContext(StrawberryGraphQLCoreExecutionContext):
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


class _Prepared(SchemaExtension):
    """Take the document as finding the operation has left it."""

    def on_parse(self) -> Iterator[None]:
        self.execution_context.graphql_document = self._document.node
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        context.pre_execution_errors = self._document.errors(
            lambda node: validate_document(context.schema._schema, node, context.validation_rules)
        )
        yield

    @property
    def _document(self) -> Document:
        document: Document = self.execution_context.context.document
        return document


class _Observed(SchemaExtension):
    """Tell the observer what was executed, for how long, and whether it failed."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def on_execute(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        context = self.execution_context
        failed = bool(getattr(context.result, "errors", None))
        self._observer(
            context.operation_type.value,
            context.operation_name,
            time.perf_counter() - started,
            failed,
        )


def build_schema(observer: Observer | None = None) -> strawberry.Schema:
    """Return the executable schema."""
    extensions: list[Callable[[], SchemaExtension]] = [_Prepared]
    if observer is not None:
        extensions.append(lambda: _Observed(observer))
    return _Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*EVENT_TYPES, *USER_ERROR_TYPES],
        execution_context_class=_ExecutionContext,
        config=StrawberryConfig(scalar_map={Cursor: SCALAR}),
        extensions=extensions,
    )


def printed(schema: strawberry.Schema) -> str:
    """Return the schema as it is published in `schema.graphql`."""
    return schema.as_str() + "\n"


class Engine:
    """Runs operations for viewers; implements the socket endpoint's `Renderer`."""

    def __init__(self, services: Services, observer: Observer | None = None) -> None:
        self._services = services
        self._schema = build_schema(observer)
        self._documents = Documents()

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
            kind = document.operation(request.operation_name).operation
            if kind is OperationType.SUBSCRIPTION or (
                kind is OperationType.MUTATION and not mutations
            ):
                raise OperationNotAllowed(kind)
            context = await self._context(document, asking)
        except GraphQLError as error:
            return Answer({"errors": [formatted(error)]}, executed=False)
        result = await self._schema.execute(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
        )
        return Answer(_payload(result), executed=_executed(result))

    async def stream(
        self, request: OperationRequest, viewer: Viewer | None
    ) -> AsyncGenerator[Result | Rejected, None]:
        """Yield the results of any operation; raises `SlowConsumer` and nothing else."""
        try:
            document = self._documents.read(request.query)
            request = _kept(document, request)
            context = await self._context(document, viewer)
        except GraphQLError as error:
            yield Rejected([formatted(error)])
            return
        results = await self._schema.stream(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
        )
        async with aclosing(results):
            async for result in results:
                if not isinstance(result, ExecutionResult):
                    raise TypeError(f"incremental delivery is off, but got {type(result)}")
                errors = result.errors or []
                for each in errors:
                    if isinstance(each.original_error, SlowConsumer):
                        raise each.original_error
                if not _executed(result):
                    yield Rejected([formatted(each) for each in errors])
                    return
                yield Result(_payload(result))

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


def _kept(document: Document, request: OperationRequest) -> OperationRequest:
    """Return what of a request an operation needs for as long as it runs.

    Raises `GraphQLError` when the document has no such operation, or a subscription more
    variables than may be kept for it.
    """
    operation = document.operation(request.operation_name)
    variables = declared(operation, request.variables)
    if operation.operation is OperationType.SUBSCRIPTION:
        size = len(orjson.dumps(variables))
        if size > MAX_VARIABLES:
            raise GraphQLError(
                f"The variables of a subscription have {size} bytes; "
                f"at most {MAX_VARIABLES} are allowed."
            )
    return replace(request, variables=variables)


def _executed(result: ExecutionResult) -> bool:
    """Whether execution began; what fails before it has no path into the response.

    A subscription whose source fails counts as not executed: it is the end of the operation.
    """
    if isinstance(result, PreExecutionError):
        return False
    return result.data is not None or any(error.path is not None for error in result.errors or [])


def _payload(result: ExecutionResult) -> dict[str, Any]:
    """Return a response as GraphQL §7.1 has it; `data` is absent when nothing was executed."""
    payload: dict[str, Any] = {}
    if _executed(result):
        payload["data"] = result.data
    if result.errors:
        payload["errors"] = [formatted(error) for error in result.errors]
    return payload
