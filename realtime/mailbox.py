"""The way from the node to one subscriber: straight on while they keep up, else a bounded queue."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

# What may wait for one subscriber. An event there is a reference to what all share, so that many
# may: one batch of the tailer can hold a second of a whole node. But somebody who reads nothing
# keeps them alive alone, so there is a limit to what they hold as well.
MAILBOX = 2048  # events; a kilobyte each, and their text
MAILBOX_TEXT = 500_000  # characters of the messages among them; five times as many bytes, rendered


class SlowConsumer(Exception):
    """The subscriber's mailbox overflowed: close its socket, it may come back."""


class Mailbox(Generic[T]):
    """What one subscriber is to be told, in order.

    It is emptied in one of two ways, and not in both. Somebody waits in `get`; or a taker is
    attached, which is handed each item as it comes and may leave it here for later.
    """

    __slots__ = ("_end", "_items", "_taker", "_text", "_wake")

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] | None = None  # one costs 600 bytes, and few need it
        self._text = 0  # characters that wait
        self._end: Exception | None = None
        self._taker: Callable[[T], bool] | None = None
        self._wake: Callable[[], object] | None = None

    def put(self, item: T, text: int = 0) -> None:
        """Pass an item on, or keep it with so many characters; end when there is no room."""
        if self._end is not None:
            return
        # Nothing overtakes what waits.
        if self._taker is not None and not self._items and self._taker(item):
            return
        if self._items is None:
            self._items = deque()
        if len(self._items) >= MAILBOX or self._text + text > MAILBOX_TEXT:
            self._items, self._text = None, 0  # what is unread is lost to this socket anyway
            self.end(SlowConsumer())
            return
        self._items.append((item, text))
        self._text += text
        self._call()

    def end(self, reason: Exception) -> None:
        """Let the subscriber have what is there, and nothing more, for this reason."""
        if self._end is None:
            self._end = reason
            self._call()

    def attach(self, taker: Callable[[T], bool], wake: Callable[[], object]) -> None:
        """Hand items to a function as they come, which returns false for “not now”.

        `wake` is called when an item waits or the mailbox has ended, now or later: see `first`.
        """
        self._taker = taker
        self._wake = wake
        if self._items or self._end is not None:
            wake()

    def first(self) -> T | None:
        """Return what waits first, None when nothing does; raises the reason after the last.

        It goes on waiting, so that nothing overtakes it, until `drop_first`.
        """
        if self._items:
            return self._items[0][0]
        if self._end is not None:
            raise self._end
        return None

    def drop_first(self) -> None:
        """Forget what waited first, unless all of it has been forgotten."""
        if self._items:
            self._text -= self._items.popleft()[1]
            if not self._items:
                self._items = None

    async def get(self) -> T:
        """Wait for the next item and take it; raises the reason once the mailbox has ended."""
        while (item := self.first()) is None:
            filled = asyncio.get_running_loop().create_future()
            self._wake = partial(_resolve, filled)
            try:
                await filled
            finally:
                self._wake = None
        self.drop_first()
        return item

    def _call(self) -> None:
        if self._wake is not None:
            self._wake()


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
