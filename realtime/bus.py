"""The bus: a doorbell between nodes, and what is never stored (typing, revocations).

One supervised layer owns `broadcaster`. Nothing that matters depends on a hint arriving: a lost
bus costs latency, because the tailer reads the log every second anyway. What the layer guards
against:

- `broadcaster` hangs in silence when its backend's listener dies (encode/broadcaster#144), so a
  node sends itself a beat and rebuilds the whole `Broadcast` when it no longer hears it;
- two concurrent first subscribers of a channel race, so there is one channel and one subscriber;
- it does not wait for the backend to confirm a subscription, so nothing is published before the
  node has heard itself;
- its Redis backend starts to listen before its first subscription is made, finds none, and waits
  for the next one: so there is a first one that nobody uses;
- its Kafka backend waits for a topic that only publishing makes, so something is published first;
- a second subscription on Kafka now and then stops the listening for both, without an error that
  anybody sees, so there is no second one;
- its PostgreSQL backend cannot publish twice at once, so one task publishes;
- it forgets its backend, and what runs in it, when connecting fails or its listener has died, so
  that is ended for it;
- what it waits for in redis-py swallows a cancellation now and then, so tasks are cancelled until
  they have ended;
- its queues are unbounded, so hints wait in a bounded outbox where the oldest goes first.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import structlog
from broadcaster import Broadcast

from realtime.tasks import end

log = structlog.get_logger(__name__)

CHANNEL = "hubbub"
PRIMER = "hubbub-primer"
OUTBOX = 1024  # hints; about a second of typing on a busy node
BEAT_INTERVAL = 2.0  # seconds between beats
FIRST_BEAT_INTERVAL = 0.01  # … until the first one is heard
SILENCE_LIMIT = 6.0  # seconds without a beat of our own before the bus is rebuilt
CONNECT_TIMEOUT = 5.0
PUBLISH_TIMEOUT = 5.0
BACKOFF = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts to rebuild, the last one repeated

Hint = dict[str, Any]


class Bus:
    """Carry small JSON hints between nodes; every node hears them, the sender included."""

    def __init__(self, url: str) -> None:
        """Prepare a bus on `memory://`, `redis://…`, `postgresql://…` or `kafka://host,host`."""
        self._url = url
        self._node = uuid4().hex
        self._listeners: dict[str, list[Callable[[Hint], None]]] = {}
        self._outbox: deque[bytes] = deque(maxlen=OUTBOX)
        self._outbox_filled = asyncio.Event()
        self._heard_at: float | None = None
        self.ever_heard = False
        self._rebuilt: list[Callable[[], None]] = []

    def on(self, kind: str, listener: Callable[[Hint], None]) -> None:
        """Call a function, which must not block, for every hint of a kind."""
        self._listeners.setdefault(kind, []).append(listener)

    def on_rebuilt(self, listener: Callable[[], None]) -> None:
        """Call a function whenever hints may have been missed."""
        self._rebuilt.append(listener)

    def say(self, kind: str, **hint: Any) -> None:
        """Send a hint to every node, soon; never waits, never fails."""
        self._outbox.append(orjson.dumps({**hint, "kind": kind}))
        self._outbox_filled.set()

    def healthy(self) -> bool:
        """Whether this node heard itself lately."""
        if self._heard_at is None:
            return False
        return asyncio.get_running_loop().time() - self._heard_at < SILENCE_LIMIT

    async def run(self) -> None:
        """Keep the bus up until cancelled."""
        failures = 0
        while True:
            loop = asyncio.get_running_loop()
            started = loop.time()
            # A task of its own: nothing that it waits for can hide that this one was cancelled.
            running = asyncio.create_task(self._run_once(), name="bus once")
            try:
                await asyncio.wait([running])
            finally:
                await end([running])
            if not running.cancelled() and (error := running.exception()):
                log.warning("bus_lost", error=str(error) or type(error).__name__)
            if loop.time() - started > SILENCE_LIMIT:
                failures = 0  # it did work for a while
            await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
            failures += 1

    async def _run_once(self) -> None:
        """Connect, then listen, publish and beat until one of them fails."""
        broadcast = _broadcast(self._url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await broadcast.connect()
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await self._prepare(broadcast, stack)
                    subscriber = await stack.enter_async_context(broadcast.subscribe(CHANNEL))
                await self._carry(broadcast, subscriber)
        finally:
            self._heard_at = None
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await _disconnect(broadcast)

    async def _prepare(self, broadcast: Broadcast, stack: contextlib.AsyncExitStack) -> None:
        """Do what a backend needs before the subscription."""
        if self._url.startswith("redis"):
            await stack.enter_async_context(broadcast.subscribe(PRIMER))
        elif self._url.startswith("kafka"):
            await broadcast.publish(CHANNEL, self._encoded_beat().decode())

    async def _carry(self, broadcast: Broadcast, subscriber: Any) -> None:
        """Listen, publish and beat until one of them fails.

        Not in a task group: before Python 3.13 one that fails while it is cancelled forgets that
        it was, and the bus would never end.
        """
        tasks = [asyncio.create_task(self._listen(subscriber))]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._until_heard(broadcast)
            for listener in self._rebuilt:
                listener()
            tasks.append(asyncio.create_task(self._publish(broadcast)))
            tasks.append(asyncio.create_task(self._beat()))
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await end(tasks)

    async def _until_heard(self, broadcast: Broadcast) -> None:
        """Return once the subscription is confirmed: by a beat that came back."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CONNECT_TIMEOUT  # a timeout around it is swallowed as well
        while self._heard_at is None:
            if loop.time() > deadline:
                raise TimeoutError("this node does not hear itself")
            await broadcast.publish(CHANNEL, self._encoded_beat().decode())
            await asyncio.sleep(FIRST_BEAT_INTERVAL)

    async def _listen(self, subscriber: Any) -> None:
        while True:
            event = await subscriber.get()
            try:
                hint = orjson.loads(event.message)
                kind = hint["kind"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                log.warning("bus_hint_malformed", size=len(event.message))
                continue
            if kind == "beat":
                if hint.get("node") == self._node:
                    self._heard_at = asyncio.get_running_loop().time()
                    self.ever_heard = True
                continue
            for listener in self._listeners.get(kind, ()):
                try:
                    listener(hint)
                except Exception:
                    log.exception("bus_listener_failed", kind=kind)

    async def _publish(self, broadcast: Broadcast) -> None:
        while True:
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            while self._outbox:
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await broadcast.publish(CHANNEL, self._outbox[0].decode())
                self._outbox.popleft()

    async def _beat(self) -> None:
        while True:
            self._outbox.append(self._encoded_beat())
            self._outbox_filled.set()
            await asyncio.sleep(BEAT_INTERVAL)
            if not self.healthy():
                raise ConnectionError("this node no longer hears itself")

    def _encoded_beat(self) -> bytes:
        return orjson.dumps({"kind": "beat", "node": self._node})


def _broadcast(url: str) -> Broadcast:
    if not url.startswith("kafka"):
        return Broadcast(url)
    # Only here: its driver is an extra. From a URL alone it would take several brokers for one.
    from broadcaster._backends.kafka import KafkaBackend  # noqa: PLC0415

    brokers = urlsplit(url).netloc.split(",")
    return Broadcast(backend=KafkaBackend([f"kafka://{broker}" for broker in brokers]))


async def _disconnect(broadcast: Broadcast) -> None:
    """Let go of a backend in whatever state it is; `Broadcast.disconnect` gives up too early."""
    if listener := getattr(broadcast, "_listener_task", None):
        await end([listener])
    backend: Any = broadcast._backend
    # Kafka's would not stop before everything is sent, and go on trying when it is given up.
    sender = getattr(getattr(backend, "_producer", None), "_sender", None)
    if sending := getattr(sender, "sender_task", None):
        await end([sending])
    await backend.disconnect()
