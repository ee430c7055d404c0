"""Subscriptions: whom one is rendered together with, and how."""

from collections.abc import Awaitable
from hashlib import sha256
from typing import Any, cast

import orjson
from graphql import ExecutionResult, GraphQLSchema, create_source_event_stream
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from models.viewer import Viewer
from realtime.groups import Rendered
from realtime.operations import Subscribed
from resolvers.services import Services
from schema.admission import Admitted
from schema.context import NO_VIEWER, Asking, Context
from schema.responses import as_graphql, response
from schema.sharing import sharing
from schema.sources import Source


class Executor(StrawberryGraphQLCoreExecutionContext):
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


class Subscriptions:
    """Begins subscriptions; one per node."""

    def __init__(self, services: Services, schema: GraphQLSchema) -> None:
        self._services = services
        self._schema = schema

    async def begin(
        self,
        admitted: Admitted,
        context: Context,
        *,
        with_cursor: bool,
    ) -> Subscribed | ExecutionResult:
        """Return a valid subscription with its group, or why it cannot begin.

        `with_cursor` says that the transport itself tells where to resume after each result.
        """
        request = admitted.request
        shared = sharing(self._schema, admitted.document, admitted.node)
        executor = Executor.build(
            self._schema,
            shared.kept,
            context_value=context,
            raw_variable_values=request.variables,
            operation_name=request.operation_name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        source = create_source_event_stream(executor)
        if isinstance(source, Awaitable):
            source = await source
        if isinstance(source, ExecutionResult):
            return source
        source, executor = cast("Source", source), cast("Executor", executor)
        asking = NO_VIEWER if shared.shareable else context.asking
        variables = request.variables or {}
        used = {name: variables[name] for name in shared.variables if name in variables}
        with_cursor = source.cursor_after is not None and (with_cursor or shared.shows_cursor)
        key = (
            sha256(request.query.encode()).digest(),  # it is kept for as long as the group
            request.operation_name,
            orjson.dumps(used, option=orjson.OPT_SORT_KEYS),
            source.scope if with_cursor else None,
            (asking.user_id, asking.session_id) if isinstance(asking, Viewer) else None,
        )
        group = self._services.node.groups.of(
            key,
            lambda: _Renderer(self._services, executor, source, asking, with_cursor).render,
            shared=shared.shareable,
        )
        return Subscribed(source.open(), group)


class _Renderer:
    """Renders what a group is told."""

    def __init__(
        self,
        services: Services,
        executor: Executor,
        source: Source,
        asking: Asking,
        with_cursor: bool,
    ) -> None:
        self._services = services
        self._executor = executor
        self._show = source.show
        self._cursor_after = source.cursor_after if with_cursor else None
        self._asking = asking
        executor.context_value = None  # each event has one of its own, with fresh loaders

    def render(self, item: Any) -> Rendered | Awaitable[Rendered]:
        """Return the response to one item, or what it takes to have it."""
        cursor = self._cursor_after(item) if self._cursor_after is not None else None
        try:
            executor = self._executor.build_per_event_executor(self._show(item, cursor))
            executor.context_value = Context(self._services, self._asking)
            result = executor.execute_operation(False)
        except Exception as error:  # noqa: BLE001 - a bug beyond the fields, to be told like others
            result = ExecutionResult(None, [as_graphql(error)])
        if isinstance(result, ExecutionResult):
            return _rendered(result, cursor)
        return self._awaited(result, cursor)

    async def _awaited(self, result: Awaitable[ExecutionResult], cursor: str | None) -> Rendered:
        try:
            return _rendered(await result, cursor)
        except Exception as error:  # noqa: BLE001 - as above
            return _rendered(ExecutionResult(None, [as_graphql(error)]), cursor)


def _rendered(result: ExecutionResult, cursor: str | None) -> Rendered:
    return Rendered(orjson.dumps(response(result)), cursor)
