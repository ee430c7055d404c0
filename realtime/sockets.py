"""The open sockets of this node, by session and person: to count, tell of and close them.

A subscription over HTTP is one as well: it is told of and closed like the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from models.leases import HeldSession
from models.viewer import Viewer
from realtime.protocol import CloseCode

CLOSE_TIMEOUT = 2.0  # seconds for all sockets to take their close frame
RESTARTING = "Restarting: reconnect and resume"


class Closable(Protocol):
    """A socket that can be told to close."""

    def close_soon(
        self, code: CloseCode, reason: str, after: asyncio.Task[Any] | None = None
    ) -> asyncio.Task[Any] | None:
        """Start to close the socket; returns the task that does, None if it is closed.

        If `after` works on an operation of this socket, that is answered before.
        """


@dataclass(slots=True)
class _Session:
    """A session's open sockets, and since when there is one."""

    user_id: UUID
    since: datetime
    sockets: set[Closable] = field(default_factory=set)


class Sockets:
    """A registry; sockets enter it when they open and leave it when they are gone."""

    def __init__(self) -> None:
        self._all: set[Closable] = set()
        self._streams: set[Closable] = set()  # those of them that are subscriptions over HTTP
        self.going_down = False  # then a stream is broken off as soon as it opens
        self._sessions: dict[UUID, _Session] = {}
        self._by_user: dict[UUID, set[UUID]] = defaultdict(set)
        self._listeners: list[Callable[[UUID], None]] = []
        self._enders: dict[UUID, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def streams(self) -> int:
        """How many of them are subscriptions over HTTP."""
        return len(self._streams)

    def streams_of(self, session_id: UUID) -> int:
        """Return how many of a session's are subscriptions over HTTP."""
        session = self._sessions.get(session_id)
        return len(session.sockets & self._streams) if session is not None else 0

    @property
    def people(self) -> int:
        """How many people are signed in on these sockets."""
        return len(self._by_user)

    def on_change(self, listener: Callable[[UUID], None]) -> None:
        """Call a function with the id of each person one of whose sockets came or went."""
        self._listeners.append(listener)

    def add(self, socket: Closable, *, stream: bool = False) -> None:
        """A socket opened, or a stream over HTTP; nobody is signed in on it yet."""
        self._all.add(socket)
        if stream:
            self._streams.add(socket)

    def signed_in(self, socket: Closable, viewer: Viewer) -> None:
        """A socket now speaks for a session."""
        session = self._sessions.get(viewer.session_id)
        if session is None:
            session = _Session(viewer.user_id, datetime.now(UTC))
            self._sessions[viewer.session_id] = session
            self._by_user[viewer.user_id].add(viewer.session_id)
        session.sockets.add(socket)
        self._tell(viewer.user_id)

    def remove(self, socket: Closable, viewer: Viewer | None) -> None:
        """A socket is gone."""
        self._all.discard(socket)
        self._streams.discard(socket)
        if viewer is None or (session := self._sessions.get(viewer.session_id)) is None:
            return
        session.sockets.discard(socket)
        if not session.sockets:
            del self._sessions[viewer.session_id]
            self._by_user[viewer.user_id].discard(viewer.session_id)
            if not self._by_user[viewer.user_id]:
                del self._by_user[viewer.user_id]
        self._tell(viewer.user_id)

    def held_by(self, user_id: UUID) -> list[HeldSession]:
        """Return a person's sessions that have sockets here."""
        return [
            HeldSession(session_id, user_id, len(session.sockets), session.since)
            for session_id in self._by_user.get(user_id, ())
            for session in [self._sessions[session_id]]
        ]

    def held(self) -> dict[UUID, list[HeldSession]]:
        """Return everybody's sessions that have sockets here, by person."""
        return {user_id: self.held_by(user_id) for user_id in self._by_user}

    def session_ids(self) -> set[UUID]:
        """Return the sessions that have sockets here."""
        return set(self._sessions)

    def answer_first(self, session_id: UUID) -> None:
        """The task that runs now ends a session, and is answered before its socket is closed.

        To be said before the COMMIT: the log may tell of the end before the task comes to it.
        """
        if (task := asyncio.current_task()) is not None:
            self._enders[session_id] = task
            task.add_done_callback(lambda _: self._enders.pop(session_id, None))

    def close_session(self, session_id: UUID) -> None:
        """Close what a revoked session has open here."""
        if session := self._sessions.get(session_id):
            ender = self._enders.get(session_id)
            for socket in list(session.sockets):
                socket.close_soon(CloseCode.FORBIDDEN, "The session has ended", ender)

    def close_signed_in(self) -> None:
        """Close what anybody has open here, because access tokens are no longer what they were."""
        for session in list(self._sessions.values()):
            for socket in list(session.sockets):
                socket.close_soon(CloseCode.FORBIDDEN, "The access token was revoked")

    async def close_all(self) -> None:
        """Close everything because the server goes down; clients come back and resume."""
        closing = [
            socket.close_soon(CloseCode.RESTARTING, RESTARTING) for socket in list(self._all)
        ]
        if under_way := [task for task in closing if task is not None]:
            await asyncio.wait(under_way, timeout=CLOSE_TIMEOUT)

    def _tell(self, user_id: UUID) -> None:
        for listener in self._listeners:
            listener(user_id)
