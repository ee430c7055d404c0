"""Prometheus metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from realtime.node import Node

# Clients choose operation names; a metric per name anybody makes up would fill the memory.
MAX_OPERATION_NAMES = 200


class Metrics:
    """One server's metrics, in a registry of their own."""

    def __init__(self, node: Node, sent_out: Mapping[tuple[str, str], int] | None = None) -> None:
        self.registry = CollectorRegistry()
        self._names: set[str] = set()
        self._operations = Counter(
            "hubbub_operations",
            "GraphQL operations executed",
            ["kind", "name", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hubbub_operation_seconds",
            "Time to execute a query or mutation, or to start a subscription",
            ["kind"],
            registry=self.registry,
        )
        self.responses = Counter(
            "hubbub_http_responses", "HTTP responses", ["status"], registry=self.registry
        )
        Info("hubbub_node", "This node", registry=self.registry).info(
            {"node": node.registry.node_id}
        )
        sockets = node.sockets
        self._live("hubbub_sockets", "Open WebSockets", lambda: len(sockets) - sockets.streams)
        self._live("hubbub_streams", "Subscriptions over HTTP", lambda: sockets.streams)
        self._live("hubbub_people_online", "People signed in on them", lambda: sockets.people)
        self._live(
            "hubbub_people_watched",
            "People of whom somebody here wants to know whether they are there",
            lambda: len(node.presence.watch),
        )
        self._live("hubbub_event_subscribers", "Event subscriptions", lambda: node.hub.subscribers)
        self._live(
            "hubbub_subscription_groups",
            "Groups of subscriptions that are answered together",
            lambda: len(node.groups),
        )
        self._live("hubbub_bus_up", "Whether this node hears itself on the bus", node.bus.healthy)
        self._live(
            "hubbub_registry_up",
            "Whether this node's part in the registry is written and its name its own",
            lambda: node.registry.trouble() is None,
        )
        self._live(
            "hubbub_nodes", "Nodes in the registry, as last read", lambda: len(node.registry.nodes)
        )
        self.registry.register(_Delivered(node))
        self.registry.register(_SentOut(sent_out if sent_out is not None else {}))

    def _live(self, name: str, help_: str, value: Callable[[], float]) -> None:
        Gauge(name, help_, registry=self.registry).set_function(value)

    def observe(self, kind: str, name: str | None, seconds: float, failed: bool) -> None:
        """Count an operation."""
        if name is None:
            name = "anonymous"
        elif name not in self._names:
            if len(self._names) < MAX_OPERATION_NAMES and len(name) <= 80:
                self._names.add(name)
            else:
                name = "other"
        self._operations.labels(kind, name, "error" if failed else "ok").inc()
        self._seconds.labels(kind).observe(seconds)

    async def page(self, _: Request) -> Response:
        """Answer `/metrics`."""
        return Response(
            generate_latest(self.registry), media_type="text/plain; version=0.0.4; charset=utf-8"
        )


class _Delivered(Collector):
    """What the hub counts itself, without a call per delivery."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "hubbub_events_delivered",
            "Events handed to subscribers",
            value=self._node.hub.delivered,
        )
        yield CounterMetricFamily(
            "hubbub_events_rendered",
            "Responses made of what subscribers were told, each for a whole group",
            value=self._node.groups.rendered,
        )
        yield CounterMetricFamily(
            "hubbub_presence_transitions",
            "Times that somebody came, went or was away, as told here",
            value=self._node.presence.watch.transitions,
        )


class _SentOut(Collector):
    """What came of requests to strangers' servers, made by the worker of this process."""

    def __init__(self, results: Mapping[tuple[str, str], int]) -> None:
        self._results = results

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "hubbub_outbound_requests",
            "Requests to other servers by their results, where the worker runs in this process",
            labels=["what", "result"],
        )
        for labels, count in dict(self._results).items():
            family.add_metric(labels, count)
        yield family
