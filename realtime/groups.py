"""Groups: subscribers who get the same bytes, which are made once.

Executing and serialising an event costs many times what writing it to a socket does. So those
who asked for the same share what comes of it: the response, and of the WebSocket frame around it
everything but the operation's id, which therefore comes last.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol
from weakref import WeakValueDictionary

from realtime.tasks import Tasks

BODY_START = b'{"payload":'  # … and `protocol.next_tail` ends the message

RENDER_TIMEOUT = 30.0  # seconds; as long as the database lets a statement wait


Renderings = dict["Group", "Rendered | asyncio.Task[Rendered]"]


class Item(Protocol):
    """What subscribers are told: it remembers what each group has made of it."""

    @property
    def renderings(self) -> Renderings:
        """What has been made of it so far, for as long as somebody is to be told."""


class Rendered:
    """A response to a subscription, made once for a group."""

    __slots__ = ("_body", "_starts", "cursor")

    def __init__(self, payload: bytes, cursor: str | None = None) -> None:
        """Take the response as JSON, and where to resume after it if the group needs to know."""
        self._body = BODY_START + payload
        self.cursor = cursor
        self._starts: dict[int, bytes] = {}

    @property
    def payload(self) -> bytes:
        """The response as JSON."""
        return self._body[len(BODY_START) :]

    def message(self, tail: bytes) -> bytes:
        """Return the whole `next` message, with `protocol.next_tail` of an operation."""
        return self._body + tail

    def frame_start(self, size: int) -> bytes:
        """Return the WebSocket frame of that message, up to a tail of so many bytes."""
        start = self._starts.get(size)
        if start is None:
            start = self._starts[size] = frame_header(len(self._body) + size) + self._body
        return start


class Group:
    """Those who get the same, and what makes it."""

    __slots__ = ("__weakref__", "_groups", "_render")

    def __init__(
        self, groups: "Groups", render: Callable[[Any], Rendered | Awaitable[Rendered]]
    ) -> None:
        self._groups = groups
        self._render = render

    def now(self, item: Item) -> Rendered | None:
        """Return what is told of an item if that takes no waiting; else begin to make it."""
        rendered = item.renderings.get(self)
        if rendered is None:
            rendered = self._begin(item)
        return rendered if type(rendered) is Rendered else None

    async def later(self, item: Item) -> Rendered:
        """Return what is told of an item; raises `TimeoutError`."""
        rendered = item.renderings.get(self)
        if rendered is None:
            rendered = self._begin(item)
        if isinstance(rendered, Rendered):
            return rendered
        # Others wait for it as well: it goes on when this one does not want it any more.
        return await asyncio.shield(rendered)

    def _begin(self, item: Item) -> "Rendered | asyncio.Task[Rendered]":
        self._groups.rendered += 1
        rendered = self._render(item)
        if isinstance(rendered, Awaitable):
            rendered = self._groups.tasks.start(self._awaited(item, rendered), "rendering")
        item.renderings[self] = rendered
        return rendered

    async def _awaited(self, item: Item, rendering: Awaitable[Rendered]) -> Rendered:
        async with asyncio.timeout(RENDER_TIMEOUT):
            rendered = item.renderings[self] = await rendering
        return rendered


class _Alone(Group):
    """Somebody who shares with nobody.

    What is rendered for them is not kept with the item: of a thousand such one may be slow, and
    what waits for that one would keep what was rendered for all the others.
    """

    __slots__ = ("_waits",)

    def __init__(
        self, groups: "Groups", render: Callable[[Any], Rendered | Awaitable[Rendered]]
    ) -> None:
        super().__init__(groups, render)
        self._waits = False  # rendering has taken waiting, and will again

    def now(self, item: Item) -> Rendered | None:
        """See `Group.now`."""
        if self._waits:
            return None
        rendered = self._begin(item)
        if type(rendered) is Rendered:
            del item.renderings[self]
            return rendered
        self._waits = True
        return None

    async def later(self, item: Item) -> Rendered:
        """See `Group.later`."""
        try:
            return await super().later(item)
        finally:
            item.renderings.pop(self, None)


class Groups:
    """The groups of one node, each for as long as somebody is in it."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()
        self.tasks = Tasks()
        self.rendered = 0  # responses made

    def __len__(self) -> int:
        return len(self._groups)

    def of(
        self,
        key: Hashable,
        renderer: Callable[[], Callable[[Any], Rendered | Awaitable[Rendered]]],
        *,
        shared: bool,
    ) -> Group:
        """Return the group with a key; if there is none, `renderer` makes what renders for it.

        Unless it is `shared` between people, what is rendered is given to one subscriber each time.
        """
        group = self._groups.get(key)
        if group is None:
            kind = Group if shared else _Alone
            group = self._groups[key] = kind(self, renderer())
        return group

    async def close(self) -> None:
        """End what is still being made."""
        await self.tasks.end()


def frame_header(size: int) -> bytes:
    """Return the header of a text frame with so many bytes, as servers send it (RFC 6455 §5.2)."""
    if size < 126:
        return bytes((0x81, size))
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")
