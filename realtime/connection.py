"""One open socket: carries out what `realtime/protocol.py` decides.

There is one task, which reads. A subscription that is live has none: what it is told is written to
the socket by whoever has it, and only when the socket does not take it at once, a task sees to it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from models.client import Client
from models.errors import Unauthenticated
from models.viewer import Viewer
from realtime.groups import Item
from realtime.mailbox import SlowConsumer
from realtime.operations import OperationRequest, Rejected, Result, Subscribed
from realtime.protocol import (
    Authenticate,
    Close,
    CloseCode,
    Effect,
    Protocol,
    Send,
    Start,
    Stop,
    next_tail,
)
from realtime.tasks import Tasks, heed_cancellation
from realtime.wire import Gone, Message, Wire

if TYPE_CHECKING:
    from realtime.endpoint import Endpoint

log = structlog.get_logger(__name__)

INIT_TIMEOUT = 10.0  # seconds for connection_init after the socket opened
PING_INTERVAL = 25.0  # seconds; below the idle limits of common proxies (30 to 60)
AUTHENTICATION_TIMEOUT = 10.0
ANSWER_TIMEOUT = 5.0  # seconds a socket may outlive its session, to answer what ended it
AT_ONCE = 32  # events of a replay that are written before others have their turn
MAX_OPERATIONS = 100  # per socket; GraphiQL and Apollo use a handful


class _Subscriber:
    """A subscription as this socket hears it."""

    __slots__ = ("_group", "_tail", "_wire", "feed")

    def __init__(self, subscribed: Subscribed, tail: bytes, wire: Wire) -> None:
        self.feed = subscribed.feed
        self._group = subscribed.group
        self._tail = tail
        self._wire = wire

    def taker(self) -> Callable[[Item], bool]:
        """Return what writes an item to the socket, unless that takes waiting."""
        return self._wire.taker(self._group, self._tail)

    async def tell(self, item: Item) -> None:
        """Write an item to the socket, as soon as it takes it."""
        rendered = await self._group.later(item)
        while not self._wire.next(rendered, self._tail):
            await self._wire.drained()

    async def tell_missed(self) -> None:
        """Write what the feed begins with."""
        told = 0
        async with aclosing(self.feed.missed()) as missed:
            async for item in missed:
                await self.tell(item)
                told += 1
                if told % AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def tell_waiting(self) -> None:
        """Write what waits in the mailbox; raises why that has ended."""
        while (item := self.feed.mailbox.first()) is not None:
            await self.tell(item)
            self.feed.mailbox.drop_first()


class _Operation:
    """One operation of a socket; `task` is what works on it, None for a subscription that hears."""

    __slots__ = ("id", "subscriber", "task")

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.task: asyncio.Task[None] | None = None
        self.subscriber: _Subscriber | None = None

    def end(self) -> None:
        """Stop, whatever it is at."""
        if self.task is not None:
            self.task.cancel()
        self.leave()

    def leave(self) -> None:
        """Hear nothing more."""
        if self.subscriber is not None:
            self.subscriber.feed.leave()
            self.subscriber = None


class Connection:
    """One open socket, from its acceptance until it is gone."""

    __slots__ = (
        "__weakref__",
        "_authorization",
        "_client",
        "_closing",
        "_endpoint",
        "_expiry_timer",
        "_gone",
        "_init_timer",
        "_operations",
        "_ping_timer",
        "_protocol",
        "_reading",
        "_receive",
        "_tasks",
        "_viewer",
        "_wire",
    )

    def __init__(
        self,
        endpoint: "Endpoint",
        receive: Callable[[], Awaitable[Message]],
        wire: Wire,
        client: Client,
        authorization: str | None = None,
    ) -> None:
        self._authorization = authorization
        self._endpoint = endpoint
        self._client = client
        self._receive = receive
        self._wire = wire
        self._protocol = Protocol(max_operations=MAX_OPERATIONS)
        self._viewer: Viewer | None = None
        self._operations: dict[str, _Operation] = {}
        self._tasks = Tasks()
        self._reading: asyncio.Task[Any] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._gone = False
        self._init_timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve the socket until it is gone."""
        self._reading = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._init_timer = loop.call_later(INIT_TIMEOUT, self._init_overdue)
        self._ping_timer = loop.call_later(PING_INTERVAL, self._ping)
        self._endpoint.sockets.add(self)
        self._wire.watch(self._give_up)
        try:
            # Nothing of a frame is held on to while the next one is waited for.
            while await self._take(await self._receive()):
                pass
        except Gone:
            self._wire.abort()
        except asyncio.CancelledError:
            if not self._gone:  # or else this task did it itself, in `_give_up`
                raise
        finally:
            self._reading = None
            for timer in (self._init_timer, self._ping_timer, self._expiry_timer):
                if timer is not None:
                    timer.cancel()
            for operation in list(self._operations.values()):
                operation.end()
            self._operations.clear()
            self._endpoint.sockets.remove(self, self._viewer)
            await self._tasks.end()

    def close_soon(
        self, code: CloseCode, reason: str, after: asyncio.Task[Any] | None = None
    ) -> asyncio.Task[None] | None:
        """See `sockets.Closable`."""
        if self._reading is not None and self._closing is None:
            asking = after or asyncio.current_task()
            mine = asking if any(op.task is asking for op in self._operations.values()) else None
            work = self._close_after(mine, code, reason)
            self._closing = self._tasks.start(work, "closing")
        return self._closing

    async def _close_after(
        self, answering: asyncio.Task[Any] | None, code: CloseCode, reason: str
    ) -> None:
        if answering is not None:
            # An operation of this very socket ended the session: it is answered before.
            await asyncio.wait([answering], timeout=ANSWER_TIMEOUT)
        for effect in self._protocol.close(code, reason):
            if isinstance(effect, Close):
                self._end_operations()
                await self._close(effect)

    def _give_up(self) -> None:
        """Let go of a peer that takes nothing, or is not there any more."""
        if not self._gone and self._reading is not None:
            self._gone = True
            self._wire.abort()
            self._reading.cancel()

    async def _take(self, message: Message) -> bool:
        """Act on what came; returns whether more may come."""
        if message["type"] == "websocket.disconnect":
            return False
        text = message.get("text")
        effects = self._protocol.receive_binary() if text is None else self._protocol.receive(text)
        for effect in effects:
            if isinstance(effect, Authenticate):
                await self._authenticate(effect.payload)
            else:
                self._perform([effect])
        # A client that reads nothing gets no more answers, and is not read from.
        await self._wire.drained()
        return True

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(text):
                    self._wire.send(text)
                case Close():
                    self._end_operations()
                    self._tasks.start(self._close(effect), "closing")
                case Start(id_, request):
                    self._start(id_, request)
                case Stop(id_):
                    if id_ in self._operations:
                        self._operations.pop(id_).end()

    def _end_operations(self) -> None:
        asking = asyncio.current_task()
        for operation in self._operations.values():
            # It may be what closes the socket.
            if operation.task is None or operation.task is not asking:
                operation.end()

    async def _close(self, close: Close) -> None:
        try:
            await self._wire.close(int(close.code), close.reason)
        except Gone:
            self._give_up()

    async def _authenticate(self, payload: dict[str, Any]) -> None:
        if self._init_timer is not None:
            self._init_timer.cancel()
            self._init_timer = None
        authorization = next(
            (value for name, value in payload.items() if name.lower() == "authorization"),
            self._authorization,
        )
        self._authorization = None
        try:
            if authorization is not None and not isinstance(authorization, str):
                raise Unauthenticated("authorization must be a string")
            async with asyncio.timeout(AUTHENTICATION_TIMEOUT):
                self._viewer = await self._endpoint.authenticator.authenticate(
                    authorization, self._client
                )
        except Unauthenticated as refusal:
            self._perform(self._protocol.close(CloseCode.FORBIDDEN, refusal.message))
            return
        except Exception:
            log.exception("socket_authentication_failed")
            self._perform(
                self._protocol.close(CloseCode.TRY_AGAIN_LATER, "Could not check the token now")
            )
            return
        if self._viewer is not None:
            self._endpoint.sockets.signed_in(self, self._viewer)
            seconds = (self._viewer.expires_at - datetime.now(UTC)).total_seconds()
            loop = asyncio.get_running_loop()
            self._expiry_timer = loop.call_later(max(0.0, seconds), self._expired)
        self._perform(self._protocol.accepted())

    def _init_overdue(self) -> None:
        self._perform(self._protocol.init_overdue())

    def _expired(self) -> None:
        self._perform(self._protocol.close(CloseCode.FORBIDDEN, "The access token expired"))

    def _ping(self) -> None:
        self._perform(self._protocol.ping())
        loop = asyncio.get_running_loop()
        self._ping_timer = loop.call_later(PING_INTERVAL, self._ping)

    # --- operations -----------------------------------------------------------------------------

    def _start(self, id_: str, request: OperationRequest) -> None:
        operation = self._operations[id_] = _Operation(id_)
        operation.task = self._tasks.start(self._run(operation, request), "operation")

    async def _run(self, operation: _Operation, request: OperationRequest) -> None:
        """Run an operation until it has ended, or is a subscription that hears."""
        try:
            begun = await self._endpoint.renderer.begin(request, self._viewer, self._client)
            del request  # a megabyte perhaps, of which what was begun keeps what it needs
            if isinstance(begun, Result):
                self._perform(self._protocol.next(operation.id, begun.payload))
                # Whoever asks and does not read holds an operation, and one answer.
                await self._wire.drained()
                self._complete(operation)
            elif isinstance(begun, Rejected):
                self._reject(operation, begun)
            else:
                await self._subscribe(operation, begun)
        except asyncio.CancelledError:
            operation.leave()
            raise
        except Exception as reason:  # noqa: BLE001 - all of them are told
            await self._failed(operation, reason)
        finally:
            operation.task = None

    async def _subscribe(self, operation: _Operation, subscribed: Subscribed) -> None:
        subscriber = _Subscriber(subscribed, next_tail(operation.id), self._wire)
        operation.subscriber = subscriber
        heed_cancellation()  # drivers swallow one now and then
        await subscriber.tell_missed()
        heed_cancellation()
        subscribed.feed.mailbox.attach(subscriber.taker(), partial(self._wake, operation))
        await subscriber.tell_waiting()

    def _wake(self, operation: _Operation) -> None:
        """See to what a subscription could not be handed at once."""
        if operation.task is None:
            operation.task = self._tasks.start(self._attend(operation), "operation")

    async def _attend(self, operation: _Operation) -> None:
        try:
            if operation.subscriber is not None:
                await operation.subscriber.tell_waiting()
        except Exception as reason:  # noqa: BLE001 - all of them are told
            await self._failed(operation, reason)
        finally:
            operation.task = None

    async def _failed(self, operation: _Operation, reason: Exception) -> None:
        """Tell why a subscription has ended, or that something is wrong."""
        subscriber = operation.subscriber
        if subscriber is not None and not isinstance(reason, (SlowConsumer, Gone)):
            try:
                await subscriber.tell(await subscriber.feed.last_word(reason))
            except Exception as error:  # noqa: BLE001 - all of them are told
                reason = error
            else:
                self._complete(operation)
                return
        match reason:
            case SlowConsumer():
                slow = "Read too slowly: reconnect and resume"
                self._perform(self._protocol.close(CloseCode.TRY_AGAIN_LATER, slow))
            case Gone():
                self._give_up()
            case _:
                self._reject(operation, self._endpoint.renderer.rejected(reason))

    def _complete(self, operation: _Operation) -> None:
        if self._forgotten(operation):
            self._perform(self._protocol.complete(operation.id))

    def _reject(self, operation: _Operation, rejected: Rejected) -> None:
        if self._forgotten(operation):
            self._perform(self._protocol.error(operation.id, rejected.errors))

    def _forgotten(self, operation: _Operation) -> bool:
        """Forget an operation; returns whether the client has not done so, and is to be told.

        A client may reuse an id as soon as it has completed it, while the old task still ends.
        """
        operation.leave()
        if self._operations.get(operation.id) is not operation:
            return False
        del self._operations[operation.id]
        return True
