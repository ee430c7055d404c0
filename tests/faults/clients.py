"""Devices: each one socket of a person, which listens and resumes through whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tests.faults.history import Kind, State
from tests.faults.proxy import Proxy
from tests.faults.wire import CLOSE_FORBIDDEN, Answered, Lost, Wire
from tests.faults.world import Room, World
from tests.parts.people import Person

# What a refusal says for certain: nothing was done. Everything else may have been done.
REFUSALS = {"INVALID_INPUT", "INVALID_ID", "NOT_FOUND", "FORBIDDEN", "CONFLICT"}

EVENTS = """
subscription Events($after: Cursor, $chatIds: [ID!]) { events(after: $after, chatIds: $chatIds) {
  __typename cursor seq chat { id }
  ... on MessageSent { message { seq text clientMessageId } }
  ... on MessageEdited { message { seq text clientMessageId } }
  ... on MessageDeleted { messageSeq }
  ... on ReactionsChanged { message { seq text clientMessageId } }
  ... on MemberJoined { membership { user { handle } } }
  ... on MemberLeft { membership { user { handle } } }
  ... on MemberRoleChanged { membership { user { handle } } }
  ... on ReceiptsAdvanced { user { handle } deliveredSeq readSeq }
  ... on SessionStarted { session { id } }
  ... on SessionEnded { sessionId }
  ... on ResyncRequired { reason }
} }
"""


class Device:
    """One of a person's devices; a person's first bears their handle as its name."""

    def __init__(
        self,
        world: World,
        person: Person,
        rng: random.Random,
        device: str = "",
        only: Sequence[Room] | None = None,
    ) -> None:
        """Listen to all of the person's chats, or to some."""
        self.world = world
        self.handle = person.handle
        self.name = person.handle + device  # what the history calls it
        self.only = only
        self.cursor = ""
        self.inside: set[str] = set()  # ids of the chats that the person is in, as far as heard
        self.away: dict[str, set[str]] = {}  # by chat, who left it and is not back, as far as heard
        self.last_heard: dict[str, int] = {}  # the last event, by name of the chat
        self.last_message: dict[str, int] = {}
        self.receipts: dict[tuple[str, str], tuple[int, int]] = {}  # by chat and person
        self.personal = 0  # events that were not about a chat
        self.wire: Wire | None = None
        self.connected = asyncio.Event()
        self.rng = rng
        self._token = person.token or ""
        self.node = rng.randrange(len(world.proxies))
        self._resuming = ""

    @property
    def scope(self) -> set[str] | None:
        """The names of the chats that the device listens to; None for all."""
        return None if self.only is None else {room.name for room in self.only}

    def wants(self, chat: str) -> bool:
        """Whether the device asked for a chat."""
        return self.scope is None or chat in self.scope

    async def listen(self) -> None:
        """Stay subscribed until cancelled, through whatever happens."""
        while True:
            detail, state = "", State.INFO
            try:
                async with Wire.open(self.proxy.url("ws") + "/graphql", self._token) as wire:
                    self.wire = wire
                    self.connected.set()
                    self._resuming = self.new_key()
                    self.note(Kind.RESUME, State.INVOKE, key=self._resuming)
                    only = {} if self.only is None else {"chatIds": [room.id for room in self.only]}
                    detail = await wire.listen(EVENTS, self._hear, after=self.cursor, **only)
            except Lost as lost:
                detail = str(lost)
                if lost.code == CLOSE_FORBIDDEN:
                    await self._sign_in_again()
            except Answered as answered:
                detail = answered.code
                if detail in REFUSALS or detail == "INVALID_CURSOR":
                    state = State.FAIL
            finally:
                self.wire = None
                self.connected.clear()
            if self._resuming:
                self.note(Kind.RESUME, state, key=self._resuming, detail=detail[:80])
                self._resuming = ""
            self.node = self.rng.randrange(len(self.world.proxies))
            if not self.world.hurry:
                await asyncio.sleep(self.rng.uniform(0.05, 0.5))

    @property
    def proxy(self) -> Proxy:
        """The way to the node that the device is at, or tries next."""
        return self.world.proxies[self.node]

    async def _sign_in_again(self) -> None:
        """Get a fresh token from some node; if it cannot give one, another will the next time."""
        person = Person(self.proxy.url("http"))
        with contextlib.suppress(Exception):
            await person.log_in(self.handle)
            self._token = person.token or ""
        await person.close()

    def _hear(self, payload: Any) -> None:
        event = payload["data"]["events"]
        if self._resuming:
            self.note(Kind.RESUME, State.OK, key=self._resuming)
            self._resuming = ""
        self.cursor = event["cursor"]
        type_ = event["__typename"]
        if type_ == "ResyncRequired":
            self.note(Kind.RECEIVE, State.OK, event=type_, detail=event["reason"])
            return
        if type_ == "ReceiptsAdvanced":
            self._hear_receipt(event)
        elif type_ in ("SessionStarted", "SessionEnded"):
            session = event["sessionId"] if type_ == "SessionEnded" else event["session"]["id"]
            self.personal += 1
            self.note(Kind.PERSONAL, State.OK, event=type_, key=session)
        elif event["seq"] is not None:  # else of a type that is not known here, or a fresh cursor
            self._hear_event(type_, event)

    def _hear_receipt(self, event: Any) -> None:
        room, handle = self.world.rooms[event["chat"]["id"]], event["user"]["handle"]
        delivered, read = event["deliveredSeq"], event["readSeq"]
        self.receipts[room.name, handle] = (delivered, read)
        self.note(Kind.RECEIPT, State.OK, chat=room.name, subject=handle, seq=delivered, about=read)

    def _hear_event(self, type_: str, event: Any) -> None:
        room = self.world.rooms[event["chat"]["id"]]
        subject = event["membership"]["user"]["handle"] if "membership" in event else ""
        message = event.get("message") or {}
        self.note(
            Kind.RECEIVE,
            State.OK,
            chat=room.name,
            seq=event["seq"],
            event=type_,
            key=message.get("clientMessageId", ""),
            about=message.get("seq") or event.get("messageSeq", 0),
            text=message.get("text", ""),
            subject=subject,
        )
        self.last_heard[room.name] = event["seq"]
        if type_ == "MessageSent":
            self.last_message[room.name] = message["seq"]
        elif subject:
            self._keep_the_roster(room, subject, present=type_ != "MemberLeft")

    def _keep_the_roster(self, room: Room, subject: str, *, present: bool) -> None:
        if subject == self.handle:
            (self.inside.add if present else self.inside.discard)(room.id)
        away = self.away.setdefault(room.id, set())
        (away.discard if present else away.add)(subject)

    def note(self, kind: Kind, state: State, **more: Any) -> None:
        """Add a line to the history."""
        self.world.history.add(self.name, self.node, kind, state, **more)

    def new_key(self) -> str:
        """Return an id of one's own, a UUID."""
        return str(UUID(int=self.rng.getrandbits(128), version=4))
