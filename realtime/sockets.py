"""The open sockets of this node, by session: to count them and to close them."""

import asyncio
from collections import defaultdict
from typing import Protocol
from uuid import UUID

from realtime.protocol import CloseCode

CLOSE_TIMEOUT = 2.0  # seconds for all sockets to take their close frame


class Closable(Protocol):
    """A socket that can be told to close."""

    def close_soon(self, code: CloseCode, reason: str) -> asyncio.Task[None] | None:
        """Start to close the socket; returns the task that does, None if it is closed."""


class Sockets:
    """A registry; sockets enter it when they open and leave it when they are gone."""

    def __init__(self) -> None:
        self._all: set[Closable] = set()
        self._by_session: dict[UUID, set[Closable]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, socket: Closable) -> None:
        """A socket opened; nobody is signed in on it yet."""
        self._all.add(socket)

    def signed_in(self, socket: Closable, session_id: UUID) -> None:
        """A socket now speaks for a session."""
        self._by_session[session_id].add(socket)

    def remove(self, socket: Closable, session_id: UUID | None) -> None:
        """A socket is gone."""
        self._all.discard(socket)
        if session_id is not None:
            self._by_session[session_id].discard(socket)
            if not self._by_session[session_id]:
                del self._by_session[session_id]

    def session_ids(self) -> set[UUID]:
        """Return the sessions that have sockets here."""
        return set(self._by_session)

    def close_session(self, session_id: UUID) -> None:
        """Close what a revoked session has open here."""
        for socket in list(self._by_session.get(session_id, ())):
            socket.close_soon(CloseCode.FORBIDDEN, "The session has ended")

    async def close_all(self) -> None:
        """Close everything because the server goes down; clients come back and resume."""
        reason = "Restarting: reconnect and resume"
        closing = [socket.close_soon(CloseCode.RESTARTING, reason) for socket in list(self._all)]
        if under_way := [task for task in closing if task is not None]:
            await asyncio.wait(under_way, timeout=CLOSE_TIMEOUT)
