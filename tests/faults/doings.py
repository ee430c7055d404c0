"""Clients: people who do things at random, several at once, on the device that listens."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import httpx

from schema.ids import Kind as IdKind
from schema.ids import decode, encode_message
from tests.faults.clients import REFUSALS, Device
from tests.faults.history import Kind, State
from tests.faults.wire import Answered, Lost
from tests.faults.world import Room, World
from tests.parts.people import Person

ANSWER_TIMEOUT = 10.0  # seconds; then nobody knows
RETRIED = 1 / 3  # of the sends whose fate is not known
REPEATED = 0.01  # of the sends that were acknowledged, to see that they are known
BURSTS = 0.02  # of the sends are several at once: the network was away, or it is a bot
BURST = 5
TAKEN_BACK = 1 / 3  # of the reactions
TRESPASSES = 0.01  # of the sends go to a chat that the sender has left, to see that it is closed


def mutation(name: str, selection: str) -> str:
    type_ = f"{name[0].upper()}{name[1:]}Input!"
    return (
        f"mutation Do($input: {type_}) "
        f"{{ {name}(input: $input) {{ {selection} errors {{ code }} }} }}"
    )


SEND = mutation("sendMessage", "message { id seq }")
EDIT = mutation("editMessage", "message { seq }")
DELETE = mutation("deleteMessage", "deletedMessageId")
ADD_REACTION = mutation("addReaction", "message { seq }")
REMOVE_REACTION = mutation("removeReaction", "message { seq }")
READ = mutation("markRead", "chat { id }")
DELIVER = mutation("markDelivered", "chat { id }")
ADD = mutation("addMembers", "chat { id }")
LEAVE = mutation("leaveChat", "")
REMOVE = mutation("removeMember", "chat { id }")

# What a client does next, out of a hundred; the rest are sends, and so is what cannot be done.
WEIGHTS = {
    Kind.EDIT: 4,
    Kind.DELETE: 2,
    Kind.REACT: 2,
    Kind.READ: 4,
    Kind.DELIVER: 3,
    Kind.JOIN: 4,
    Kind.LEAVE: 1,
    Kind.REMOVE: 1,
    Kind.SIGN_IN: 0.2,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of one's own."""

    room: Room
    key: str
    id: str = ""
    seq: int = 0


class Client(Device):
    """A person's first device, on which they do things."""

    def __init__(self, world: World, person: Person, rng: random.Random) -> None:
        super().__init__(world, person, rng)
        self.own: list[Sent] = []
        self._unknown: list[Sent] = []
        self._reactions: list[tuple[Sent, str]] = []

    async def work(self) -> None:
        """Do things until the world stops, several at once."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.world.in_flight):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while not self.world.stopped:
            await asyncio.sleep(self.rng.expovariate(self.world.rate / self.world.in_flight))
            await self.connected.wait()
            if self.node in self.world.mute:
                continue
            if self._unknown:
                await self._send(self._unknown.pop())
            elif self.inside:
                await self._anything()

    async def _anything(self) -> None:
        room = self.world.rooms[self.rng.choice(sorted(self.inside))]
        others = 100 - sum(WEIGHTS.values())
        kind = self.rng.choices([*WEIGHTS, Kind.SEND], [*WEIGHTS.values(), others])[0]
        owner = room.owner == self.handle
        away = sorted(self.away.get(room.id, ()))
        present = [each for each in room.roster if each != self.handle and each not in away]
        if kind in (Kind.EDIT, Kind.DELETE) and self.own:
            await self._change(kind, self.rng.choice(self.own[-20:]))
        elif kind is Kind.REACT and room.name in self.last_message:
            await self._react(room)
        elif kind in (Kind.READ, Kind.DELIVER) and room.name in self.last_message:
            await self._mark(kind, room)
        elif kind is Kind.SIGN_IN:
            await self._sign_in_and_out()
        elif kind is Kind.JOIN and owner and (away or present):
            handle = self.rng.choice(away or present)  # who is there already stays as they are
            input_ = {"chatId": room.id, "userIds": [self.world.user_ids[handle]]}
            await self._do(kind, ADD, input_, chat=room.name, subject=handle)
        elif kind is Kind.REMOVE and owner and present:
            handle = self.rng.choice(present)
            input_ = {"chatId": room.id, "userId": self.world.user_ids[handle]}
            await self._do(kind, REMOVE, input_, chat=room.name, subject=handle)
        elif kind is Kind.LEAVE and not owner:
            if await self._do(kind, LEAVE, {"chatId": room.id}, chat=room.name) is not None:
                self.inside.discard(room.id)
        else:
            await self._say(room)

    async def _say(self, room: Room) -> None:
        chance = self.rng.random()
        if self.own and chance < REPEATED:
            await self._send(self.rng.choice(self.own))
            return
        if chance < REPEATED + BURSTS:
            sends = [self._send(Sent(room, self.new_key())) for _ in range(BURST)]
            await asyncio.gather(*sends)
            return
        if chance > 1 - TRESPASSES:
            left = [each for each in self.world.rooms.values() if self._has_left(each)]
            room = self.rng.choice(left or [room])
        await self._send(Sent(room, self.new_key()))

    def _has_left(self, room: Room) -> bool:
        return self.handle in room.roster and room.id not in self.inside

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
        text = f"e:{self.new_key()[:8]}"
        await self._do(kind, EDIT, {"messageId": sent.id, "text": text}, text=text, **more)

    async def _react(self, room: Room) -> None:
        """React to the last message as nobody ever has, or take an earlier reaction back."""
        if self._reactions and self.rng.random() < TAKEN_BACK:
            sent, emoji = self._reactions.pop(self.rng.randrange(len(self._reactions)))
            query = REMOVE_REACTION
        else:
            seq = self.last_message[room.name]
            id_ = encode_message((decode(IdKind.CHAT, room.id), seq))
            sent, emoji, query = Sent(room, "", id_, seq), self.new_key()[:8], ADD_REACTION
        input_ = {"messageId": sent.id, "emoji": emoji}
        more = {"chat": sent.room.name, "about": sent.seq}
        answer = await self._do(Kind.REACT, query, input_, **more)
        if answer is not None and query is ADD_REACTION:
            self._reactions.append((sent, emoji))
            del self._reactions[:-20]

    async def _mark(self, kind: Kind, room: Room) -> None:
        seen = self.last_message[room.name]
        input_ = {"chatId": room.id, "seq": seen}
        query = READ if kind is Kind.READ else DELIVER
        await self._do(kind, query, input_, chat=room.name, about=seen)

    async def _sign_in_and_out(self) -> None:
        """Sign in on one more device, which every other one is told, and out again."""
        more = {"key": self.new_key()}
        self.note(Kind.SIGN_IN, State.INVOKE, **more)
        there = Person(self.proxy.url("http"))
        state, detail = State.INFO, ""
        try:
            more["subject"] = (await there.log_in(self.handle))["session"]["id"]
            state = State.OK
            await there.ask("mutation { logOut { errors { code } } }")
        except (httpx.HTTPError, AssertionError, ValueError) as error:
            detail = type(error).__name__
        finally:
            await there.close()
        self.note(Kind.SIGN_IN, state, **more, detail=detail)

    async def _do(
        self, kind: Kind, query: str, input_: dict[str, Any], **more: Any
    ) -> dict[str, Any] | None:
        """Note, ask, and note what came of it; None unless it was acknowledged."""
        wire = self.wire
        if wire is None:
            return None
        more.setdefault("key", self.new_key())
        self.note(kind, State.INVOKE, **more)
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
        self.note(kind, state, **more, detail=detail[:80])
        if state is State.INFO:
            if kind is Kind.SEND and self.rng.random() < RETRIED:
                room = next(r for r in self.world.rooms.values() if r.name == more["chat"])
                self._unknown.append(Sent(room, more["key"]))
            await asyncio.sleep(self.rng.uniform(0.1, 0.6))
        return answer if state is State.OK else None
