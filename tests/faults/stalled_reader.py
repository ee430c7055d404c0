"""One of fifty people in a chat stops reading: what the others and the node's memory notice.

Everybody has to be told every event once and in order: the others while it happens, and the one who
stalls after coming back with the cursor of the last event that arrived. The memory is measured, and
not judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from tests.faults.cluster import running_cluster
from tests.faults.wire import Lost, Wire
from tests.parts.people import Person, subscribers

READERS = 50
LENGTH = 1000  # characters of a message
WARM = 5000  # events before the memory is looked at first: caches and pools fill
# Sends that not everybody else has heard yet. A mailbox holds 256 events, and nobody but the one
# who stalls is to be cut off for being slow.
AHEAD = 64
# What the stalled one's own system takes in unread, in bytes. Where it grows by itself, loopback
# holds megabytes, and for minutes nobody could tell that something is stalled.
SMALL = 1 << 16
PATIENCE = 120.0  # seconds for one more event to reach the others, or for the stalled to be cut off

EVENTS = """
subscription Events($after: Cursor) { events(after: $after) {
  cursor seq ... on MessageSent { message { seq text } }
} }
"""
SEND = """mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { message { seq } errors { code } }
}"""


@dataclass
class Reader:
    """Somebody's subscription, and the numbers of the events that arrived on it."""

    person: Person
    cursor: str
    heard: list[int] = field(default_factory=list)
    wire: Wire | None = None
    ended: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def listening(self, receive_buffer: int | None = None) -> AsyncIterator[None]:
        """Be subscribed inside the block, until the socket ends."""
        url = self.person.url.replace("http", "ws", 1) + "/graphql"
        async with Wire.open(url, self.person.token or "", receive_buffer) as wire:
            self.wire = wire
            task = asyncio.create_task(self._listen(wire))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, wire: Wire) -> None:
        try:
            self.ended = await wire.listen(EVENTS, self._hear, after=self.cursor)
        except Lost as lost:
            self.ended = str(lost)
        self._news.set()

    def _hear(self, payload: Any) -> None:
        event = payload["data"]["events"]
        self.cursor = event["cursor"]
        if event["seq"] is not None:
            self.heard.append(event["seq"])
            self._news.set()

    @property
    def last(self) -> int:
        """The last event that arrived; the chat's first one is from before anybody listened."""
        return self.heard[-1] if self.heard else 1

    async def until_heard(self, seq: int) -> None:
        """Wait until an event has arrived."""
        await self._until(lambda: self.last >= seq)

    async def until_ended(self) -> None:
        """Wait until the socket has ended."""
        await self._until(lambda: bool(self.ended))

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._news.clear()
            async with asyncio.timeout(PATIENCE):
                await self._news.wait()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one stalled reader among many came to; memory in MB of the node."""

    wrong: Sequence[str]  # handles of those who were not told every event once and in order
    events: int  # that the others heard while one stalled
    seconds: float  # that it took
    before: float
    highest: float
    after: float  # the one who stalled was cut off
    found: int  # events that waited in buffers for the one who stalled


async def show(directory: Path, console: Console, events: int) -> int:
    """Print what happened; return 1 unless everybody was told every event once and in order."""

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False)

    outcome = await run(directory, events, say)
    return 1 if outcome.wrong else 0


async def run(directory: Path, events: int, say: Callable[[str], None]) -> Outcome:
    """Let one of the readers stall while so many events happen."""
    async with running_cluster(directory, 1) as cluster, contextlib.AsyncExitStack() as stack:
        (node,) = cluster.nodes
        people = [Person(node.url) for _ in range(READERS)]
        for number, person in enumerate(people):
            stack.push_async_callback(person.close)
            await person.register(f"u{number:03}")
        chat_id = await people[0].group("Crowd", *people[1:])
        readers = []
        for person in people:
            cursor = (await person.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
            readers.append(Reader(person, cursor))
        stalled, others = readers[-1], readers[:-1]
        for reader in others:
            await stack.enter_async_context(reader.listening())
        memory = _Memory(node.process.pid)
        stack.push_async_callback(memory.stop)
        async with stalled.listening(SMALL):
            last = 1 + WARM  # the chat's first event is that it was created
            await _send(others, chat_id, WARM)
            await stalled.until_heard(last)
            before = memory.now()
            assert stalled.wire is not None
            stalled.wire.stall()
            stalled_at, began = len(stalled.heard), time.monotonic()
            say(f"One of {READERS} stalls after {stalled_at} events; {before:.0f} MB.")
            last += await _send(others, chat_id, events)
            took = time.monotonic() - began
            say(
                f"The other {len(others)} heard {events:,} more of {LENGTH} characters in "
                f"{took:.0f} s; {memory.now():.0f} MB now, {memory.highest:.0f} MB at most."
            )
            await _until_cut_off(node.url, len(others))
            after, highest = memory.now(), memory.highest
            say(f"By then, or a little later, the stalled one was cut off; {after:.0f} MB.")
            stalled.wire.read_on()
            await stalled.until_ended()
            found = len(stalled.heard) - stalled_at
            say(f"It read on, and found {found} events in buffers; then: {stalled.ended}.")
        began = time.monotonic()
        async with stalled.listening():
            await stalled.until_heard(last)
            say(f"It came back, and heard the rest in {time.monotonic() - began:.1f} s.")
        wrong = [
            reader.person.handle
            for reader in readers
            if reader.heard != list(range(2, last + 1)) or (reader.ended and reader is not stalled)
        ]
        say(f"{memory.now():.0f} MB at the end, {memory.highest:.0f} MB at most.")
        say(f"WRONG for {', '.join(wrong)}" if wrong else "Everybody heard everything in order.")
    return Outcome(wrong, events, took, before, highest, after, found)


async def _send(others: Sequence[Reader], chat_id: str, count: int) -> int:
    """Send so many messages, never far ahead of those who hear them; return how many."""
    sender = others[0]
    first = sender.last
    sending: set[asyncio.Task[None]] = set()
    for number in range(count):
        for reader in others:
            await reader.until_heard(first + number - AHEAD)
        task = asyncio.create_task(_send_one(sender, chat_id))
        sending.add(task)
        task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)
    for reader in others:
        await reader.until_heard(first + count)
    return count


async def _send_one(sender: Reader, chat_id: str) -> None:
    assert sender.wire is not None
    input_ = {"chatId": chat_id, "clientMessageId": str(uuid4()), "text": "x" * LENGTH}
    answer = await sender.wire.run(SEND, PATIENCE, input=input_)
    assert answer["sendMessage"]["errors"] == [], answer


async def _until_cut_off(url: str, left: int) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        while await subscribers(http) > left:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.1)


class _Memory:
    """A process's resident memory in MB, looked at now and then."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.highest = self.now()
        self._watching = asyncio.create_task(self._watch())

    def now(self) -> float:
        """Return what it is now."""
        command = ["ps", "-o", "rss=", "-p", str(self._pid)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024

    async def stop(self) -> None:
        """Look no more."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            self.highest = max(self.highest, self.now())
            await asyncio.sleep(1)
