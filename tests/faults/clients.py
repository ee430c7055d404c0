"""Clients: each one person with one socket, who listens, resumes, and does things at random."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.history import Kind, State, Writer
from tests.faults.proxy import Proxy
from tests.faults.wire import CLOSE_FORBIDDEN, Answered, Lost, Wire
from tests.parts.people import Person

ANSWER_TIMEOUT = 10.0  # seconds; then nobody knows
RETRIED = 1 / 3  # of the sends whose fate is not known
REPEATED = 0.01  # of the sends that were acknowledged, to see that they are known
# What a refusal says for certain: nothing was done. Everything else may have been done.
REFUSALS = {"INVALID_INPUT", "INVALID_ID", "NOT_FOUND", "FORBIDDEN", "CONFLICT"}

EVENTS = """
subscription Events($after: Cursor) { events(after: $after) {
  __typename cursor seq chat { id }
  ... on MessageSent { message { seq text clientMessageId } }
  ... on MessageEdited { message { seq text clientMessageId } }
  ... on MessageDeleted { messageSeq }
  ... on MemberJoined { membership { user { handle } } }
  ... on MemberLeft { membership { user { handle } } }
  ... on MemberRoleChanged { membership { user { handle } } }
  ... on ResyncRequired { reason }
} }
"""


def mutation(name: str, selection: str) -> str:
    type_ = f"{name[0].upper()}{name[1:]}Input!"
    return (
        f"mutation Do($input: {type_}) "
        f"{{ {name}(input: $input) {{ {selection} errors {{ code }} }} }}"
    )


SEND = mutation("sendMessage", "message { id seq }")
EDIT = mutation("editMessage", "message { seq }")
DELETE = mutation("deleteMessage", "deletedMessageId")
READ = mutation("markRead", "chat { id }")
ADD = mutation("addMembers", "chat { id }")
LEAVE = mutation("leaveChat", "")

# What a client does next, out of a hundred; the rest are sends.
WEIGHTS = {Kind.EDIT: 4, Kind.DELETE: 2, Kind.READ: 5, Kind.JOIN: 3, Kind.LEAVE: 1}


@dataclass(slots=True)
class Room:
    """A chat as all clients know it: its name, its id, and who may be in it."""

    name: str
    id: str
    owner: str  # never leaves, and brings those who left back
    roster: list[str]


@dataclass(slots=True)
class World:
    """What all clients share."""

    proxies: Sequence[Proxy]
    history: Writer
    rooms: dict[str, Room] = field(default_factory=dict)  # by id
    user_ids: dict[str, str] = field(default_factory=dict)  # by handle
    rate: float = 10.0  # doings per second of one client
    stopped: bool = False
    hurry: bool = False  # during a herd nobody waits before coming back


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of one's own."""

    room: Room
    key: str
    id: str = ""
    seq: int = 0


class Client:
    """One person's device."""

    def __init__(self, world: World, person: Person, rng: random.Random, device: str = "") -> None:
        self.world = world
        self.handle = person.handle
        self.name = person.handle + device  # what the history calls it
        self.cursor = ""
        self.inside: set[str] = set()  # ids of the chats that the person is in, as far as heard
        self.last_heard: dict[str, int] = {}  # the last event, by name of the chat
        self._last_message: dict[str, int] = {}
        self.own: list[Sent] = []
        self._rng = rng
        self._unknown: list[Sent] = []
        self._token = person.token or ""
        self._node = rng.randrange(len(world.proxies))
        self._wire: Wire | None = None
        self._connected = asyncio.Event()
        self._resuming = ""

    # --- listening ----------------------------------------------------------------------------

    async def listen(self) -> None:
        """Stay subscribed until cancelled, through whatever happens."""
        while True:
            detail, state = "", State.INFO
            try:
                async with Wire.open(self._proxy.url("ws") + "/graphql", self._token) as wire:
                    self._wire = wire
                    self._connected.set()
                    self._resuming = self._new_key()
                    self._note(Kind.RESUME, State.INVOKE, key=self._resuming)
                    detail = await wire.listen(EVENTS, self._hear, after=self.cursor)
            except Lost as lost:
                detail = str(lost)
                if lost.code == CLOSE_FORBIDDEN:
                    await self._sign_in_again()
            except Answered as answered:
                detail = answered.code
                if detail in REFUSALS or detail == "INVALID_CURSOR":
                    state = State.FAIL
            finally:
                self._wire = None
                self._connected.clear()
            if self._resuming:
                self._note(Kind.RESUME, state, key=self._resuming, detail=detail[:80])
                self._resuming = ""
            self._node = self._rng.randrange(len(self.world.proxies))
            if not self.world.hurry:
                await asyncio.sleep(self._rng.uniform(0.05, 0.5))

    @property
    def _proxy(self) -> Proxy:
        return self.world.proxies[self._node]

    async def _sign_in_again(self) -> None:
        """Get a fresh token from some node; if it cannot give one, another will the next time."""
        person = Person(self._proxy.url("http"))
        with contextlib.suppress(Exception):
            await person.log_in(self.handle)
            self._token = person.token or ""
        await person.close()

    def _hear(self, payload: Any) -> None:
        event = payload["data"]["events"]
        if self._resuming:
            self._note(Kind.RESUME, State.OK, key=self._resuming)
            self._resuming = ""
        self.cursor = event["cursor"]
        type_ = event["__typename"]
        if type_ == "CursorAdvanced":
            return
        if type_ == "ResyncRequired":
            self._note(Kind.RECEIVE, State.OK, event=type_, detail=event["reason"])
            return
        room = self.world.rooms[event["chat"]["id"]]
        subject = event["membership"]["user"]["handle"] if "membership" in event else ""
        if subject == self.handle:
            (self.inside.add if type_ != "MemberLeft" else self.inside.discard)(room.id)
        message = event.get("message") or {}
        self._note(
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
            self._last_message[room.name] = message["seq"]

    # --- doing --------------------------------------------------------------------------------

    async def work(self) -> None:
        """Do one thing after the other until the world stops."""
        while not self.world.stopped:
            await asyncio.sleep(self._rng.expovariate(self.world.rate))
            await self._connected.wait()
            if self._unknown:
                await self._send(self._unknown.pop())
            elif self.inside:
                await self._anything()

    async def _anything(self) -> None:
        room = self.world.rooms[self._rng.choice(sorted(self.inside))]
        others = 100 - sum(WEIGHTS.values())
        kind = self._rng.choices([*WEIGHTS, Kind.SEND], [*WEIGHTS.values(), others])[0]
        if kind in (Kind.EDIT, Kind.DELETE) and self.own:
            await self._change(kind, self._rng.choice(self.own[-20:]))
        elif kind is Kind.READ and room.name in self._last_message:
            await self._read(room)
        elif kind is Kind.JOIN and room.owner == self.handle and len(room.roster) > 1:
            handle = self._rng.choice([each for each in room.roster if each != self.handle])
            input_ = {"chatId": room.id, "userIds": [self.world.user_ids[handle]]}
            await self._do(kind, ADD, input_, chat=room.name, subject=handle)
        elif kind is Kind.LEAVE and room.owner != self.handle:
            if await self._do(kind, LEAVE, {"chatId": room.id}, chat=room.name) is not None:
                self.inside.discard(room.id)
        else:
            known = self.own and self._rng.random() < REPEATED
            await self._send(self._rng.choice(self.own) if known else Sent(room, self._new_key()))

    async def _send(self, sent: Sent) -> None:
        text = f"s:{sent.key[:8]}"
        input_ = {"chatId": sent.room.id, "text": text, "clientMessageId": sent.key}
        more = {"key": sent.key, "chat": sent.room.name, "text": text}
        answer = await self._do(Kind.SEND, SEND, input_, **more)
        if answer is None:
            return
        message = answer["sendMessage"]["message"]
        if not sent.id:
            self.own.append(Sent(sent.room, sent.key, message["id"], message["seq"]))
            del self.own[:-200]

    async def _change(self, kind: Kind, sent: Sent) -> None:
        more = {"chat": sent.room.name, "about": sent.seq}
        if kind is Kind.DELETE:
            await self._do(kind, DELETE, {"messageId": sent.id}, **more)
            return
        text = f"e:{self._new_key()[:8]}"
        await self._do(kind, EDIT, {"messageId": sent.id, "text": text}, text=text, **more)

    async def _read(self, room: Room) -> None:
        seen = self._last_message[room.name]
        input_ = {"chatId": room.id, "seq": seen}
        await self._do(Kind.READ, READ, input_, chat=room.name, about=seen)

    async def _do(
        self, kind: Kind, query: str, input_: dict[str, Any], **more: Any
    ) -> dict[str, Any] | None:
        """Note, ask, and note what came of it; None unless it was acknowledged."""
        wire = self._wire
        if wire is None:
            return None
        more.setdefault("key", self._new_key())
        self._note(kind, State.INVOKE, **more)
        state, detail, answer = State.INFO, "", None
        try:
            answer = await wire.run(query, ANSWER_TIMEOUT, input=input_)
            (payload,) = answer.values()
            if payload["errors"]:
                detail = payload["errors"][0]["code"]
                state = State.FAIL if detail in REFUSALS else State.INFO
            else:
                state = State.OK
        except (Lost, Answered, TimeoutError) as error:
            detail = str(error) or "no answer"
        if kind is Kind.SEND and state is State.OK and answer is not None:
            more["seq"] = answer["sendMessage"]["message"]["seq"]
        self._note(kind, state, **more, detail=detail[:80])
        if state is State.INFO:
            if kind is Kind.SEND and self._rng.random() < RETRIED:
                room = next(r for r in self.world.rooms.values() if r.name == more["chat"])
                self._unknown.append(Sent(room, more["key"]))
            await asyncio.sleep(self._rng.uniform(0.1, 0.6))
        return answer if state is State.OK else None

    def _note(self, kind: Kind, state: State, **more: Any) -> None:
        self.world.history.add(self.name, self._node, kind, state, **more)

    def _new_key(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))
