"""The way to a socket's transport: who reads slowly is waited for, who reads nothing is not."""

import asyncio

import pytest

from realtime import wire
from realtime.wire import Cork, DirectWire, Gone


class Peer:
    """A connection with a transport that takes what it is given, and shows how much waits."""

    def __init__(self, lags: list[int]) -> None:
        self.transport = self
        self.writable = asyncio.Event()
        self.disconnected = False
        self.written: list[bytes] = []
        self._lags = lags  # each time it is asked; then the peer has read everything

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        lag = self._lags.pop(0)
        if not self._lags:
            self.writable.set()
            self._lags.append(0)
        return lag

    def abort(self) -> None:
        self.disconnected = True

    def forget_handshake(self) -> None:
        pass


async def nothing(_: object) -> None:
    pass


async def test_who_reads_slowly_is_waited_for(monkeypatch):
    monkeypatch.setattr(wire, "SEND_TIMEOUT", 0.01)
    peer = Peer([9000, 8000, 8000, 7000, 7000, 0])
    await DirectWire(peer, nothing, Cork()).drained()
    assert peer.writable.is_set()


async def test_who_reads_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(wire, "SEND_TIMEOUT", 0.01)
    peer = Peer([9000, 8000, 8000, 8000, 1])
    with pytest.raises(Gone):
        await DirectWire(peer, nothing, Cork()).drained()
    assert not peer.writable.is_set()


async def test_the_cork_lets_the_loop_turn_and_is_open_meanwhile(monkeypatch):
    monkeypatch.setattr(wire, "BUSY", 0.0)
    cork = Cork()
    seen: list[bool] = []

    async def somebody_else() -> None:
        while len(seen) < 3:
            seen.append(cork.closed)
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else())
    inside: list[bool] = []
    await cork.over(range(10), lambda _: inside.append(cork.closed))
    await other
    assert inside == [True] * 10
    assert seen == [False] * 3
