"""Build the schema and run operations on it, whatever transport they came by."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import strawberry
from graphql import GraphQLError, Undefined, is_input_object_type, is_interface_type, is_object_type
from strawberry.extensions import (
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from models.viewer import Viewer
from realtime.endpoint import Rejected, Result
from realtime.hub import SlowConsumer
from realtime.protocol import OperationRequest
from resolvers.services import Services
from schema.context import Context
from schema.errors import USER_ERROR_TYPES, formatted
from schema.events import EVENT_TYPES
from schema.root import Mutation, Query, Subscription

# Uncached, parsing and validating cost more than most requests do. Bounded, because anybody can
# send any number of different documents.
DOCUMENTS_CACHED = 1000
MAX_TOKENS = 5000  # of a document; GraphiQL's introspection query has about 300

# The contract as clients get it; `hubbub schema --write` brings it up to date.
PUBLISHED = Path(__file__).with_name("schema.graphql")

NO_QUERY = "There is no query."

Observer = Callable[[str, str | None, float, bool], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answered; `executed` is false when it was refused before it ran."""

    payload: dict[str, Any]
    executed: bool


class OperationNotAllowed(Exception):
    """The transport does not carry this kind of operation, such as a mutation by GET."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"A {kind} cannot be sent this way.")
        self.kind = kind


class _Schema(strawberry.Schema):
    """Strawberry's schema with our own logging of errors, and without `= null` defaults.

    Absent and null mean the same wherever a default of None stands in the code; printing it would
    only be noise in the contract.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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
    extensions: list[Callable[[], SchemaExtension]] = [
        lambda: MaxTokensLimiter(MAX_TOKENS),
        lambda: ParserCache(maxsize=DOCUMENTS_CACHED),
        lambda: ValidationCache(maxsize=DOCUMENTS_CACHED),
    ]
    if observer is not None:
        extensions.append(lambda: _Observed(observer))
    return _Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*EVENT_TYPES, *USER_ERROR_TYPES],
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

    async def execute(
        self, request: OperationRequest, viewer: Viewer | None, *, mutations: bool = True
    ) -> Answer:
        """Run a query or a mutation; raises `OperationNotAllowed` for what may not come this way.

        Never raises for what the request holds: that is in the answer's `errors`.
        """
        if not request.query.strip():
            return _refused(NO_QUERY)
        allowed = {OperationType.QUERY} | ({OperationType.MUTATION} if mutations else set())
        try:
            result = await self._schema.execute(
                request.query,
                variable_values=request.variables,
                context_value=Context(self._services, viewer),
                operation_name=request.operation_name,
                allowed_operation_types=allowed,
            )
        except InvalidOperationTypeError as error:
            raise OperationNotAllowed(error.operation_type.value) from error
        except CannotGetOperationTypeError:
            return _unknown_operation(request)
        return Answer(_payload(result), executed=_executed(result))

    async def stream(
        self, request: OperationRequest, viewer: Viewer | None
    ) -> AsyncGenerator[Result | Rejected, None]:
        """Yield the results of any operation; raises `SlowConsumer` and nothing else."""
        if not request.query.strip():
            yield Rejected(_refused(NO_QUERY).payload["errors"])
            return
        results = await self._schema.stream(
            request.query,
            variable_values=request.variables,
            context_value=Context(self._services, viewer),
            operation_name=request.operation_name,
        )
        try:
            async with aclosing(results):
                async for result in results:
                    if not isinstance(result, ExecutionResult):
                        raise TypeError(f"incremental delivery is off, but got {type(result)}")
                    for error in result.errors or []:
                        if isinstance(error.original_error, SlowConsumer):
                            raise error.original_error
                    if not _executed(result):
                        yield Rejected([formatted(error) for error in result.errors or []])
                        return
                    yield Result(_payload(result))
        except GraphQLError as error:
            # Strawberry's parser cache lets a syntax error out of a stream, unlike `execute`.
            yield Rejected([formatted(error)])


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


def _refused(message: str) -> Answer:
    error = {"message": message, "extensions": {"code": "BAD_REQUEST"}}
    return Answer({"errors": [error]}, executed=False)


def _unknown_operation(request: OperationRequest) -> Answer:
    if request.operation_name is None:
        return _refused("The document has no operation, or several: name one in operationName.")
    return _refused(f"The document has no operation named {request.operation_name[:60]!r}.")
