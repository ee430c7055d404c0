"""One run: random doings, and after each of them everybody sees what the model says they see."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from models.messages import messages as rows
from resolvers.expiry import expire_due
from resolvers.services import utc_now
from schema.ids import Kind, decode, decode_message, encode_message
from tests.agreement import observing
from tests.agreement.device import EVENTS, Device, Wrong, known
from tests.agreement.doings import TIME_PASSES, Dice, Doing, Try, all_doings
from tests.agreement.model import Chat, Link, Message, Person, Refused, Request, Stay, World
from tests.agreement.observing import Names
from tests.agreement.views import View, of_message, of_thread, view
from tests.parts.people import Person as Client
from tests.parts.people import Socket
from tests.parts.running import Running

NAMES = ("ana", "ben", "cleo", "dan")
PATIENCE = 8.0  # seconds until what is not told counts as lost
BELL = 0.02  # seconds between two rings, in place of a bus

_SELECTIONS = {
    "createChat": "chat { id }",
    "sendMessage": "message { id seq chat { id } }",
    "createJoinLink": "joinLink { id } token",
    "joinChat": "joinRequest { id }",
}
_numbers = itertools.count(1)


@dataclass
class Run:
    """People with their clients on every node, and the model beside them."""

    nodes: Sequence[Running]
    world: World
    clients: dict[Person, list[Client]]
    names: Names = field(default_factory=Names)
    ids: dict[object, str] = field(default_factory=dict)
    tokens: dict[Link, str] = field(default_factory=dict)
    live: list[tuple[Device, Socket]] = field(default_factory=list)
    stale: list[Device] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)  # what was tried, and its outcome

    # --- a step -----------------------------------------------------------------------------------

    async def do(self, doing: Doing) -> None:
        """Try something, and compare; raises `Wrong`."""
        dice = Dice(doing.seed)
        node = dice.randrange(len(self.nodes))
        wanted = all_doings()[doing.what][1](self.world, dice.somebody(self.world), dice)
        if wanted is None:
            return
        who, told, made, due = wanted.who, str(wanted), None, None
        try:
            made = wanted.effect()
        except Refused as refusal:
            due = refusal.code
        self.steps.append(f"{doing}  {told}: {due or 'done'}")
        client, given = self.clients[who][node], self._input(wanted)
        await self._tried(client, wanted, given, made, due)
        if due is None and wanted.mutation == "sendMessage" and dice.often(0.1):
            await self._tried(client, wanted, given, made, due)  # the answer got lost
        await self.agree(who, dice)

    async def _tried(
        self, client: Client, wanted: Try, given: dict[str, Any], made: object, due: str | None
    ) -> None:
        if wanted.mutation == TIME_PASSES:
            await self._time_passes(wanted.input["messages"])
            return
        selection = _SELECTIONS.get(wanted.mutation, "")
        answer = await client.do(wanted.mutation, selection, **given)
        codes = [error["code"] for error in answer["errors"]]
        if codes != ([due] if due else []):
            raise Wrong(f"answered {codes or 'no error'}, and {due or 'no error'} is due")
        self._bind(made, answer)

    async def _time_passes(self, messages: list[Message]) -> None:
        """Let messages be over since a second ago, and a worker find that."""
        services = self.nodes[0].program.services
        keys = [decode_message(self._value("", message)) for message in messages]
        async with services.db.writing() as connection:
            for chat_id, seq in keys:
                await connection.execute(
                    rows.update()
                    .where(rows.c.chat_id == chat_id, rows.c.seq == seq)
                    .values(expires_at=utc_now() - timedelta(seconds=1))
                )
        await expire_due(services)

    def _bind(self, made: object, answer: Any) -> None:
        """Note the id of something new."""
        match made:
            case Chat():
                self.ids[made] = (answer.get("chat") or answer["message"]["chat"])["id"]
                self.names.chats[self.ids[made]] = made.name
            case Link():
                self.ids[made], self.tokens[made] = answer["joinLink"]["id"], answer["token"]
            case Request():
                self.ids[made] = answer["joinRequest"]["id"]

    def _input(self, wanted: Try) -> dict[str, Any]:
        given = {name: self._value(name, value) for name, value in wanted.input.items()}
        if wanted.mutation == "sendMessage":
            given["clientMessageId"] = str(uuid4())
        if wanted.mutation == "forwardMessages":
            given["clientMessageIds"] = [str(uuid4()) for _ in given["messageIds"]]
        return given

    def _value(self, name: str, value: Any) -> Any:
        match value:
            case list():
                return [self._value(name, each) for each in value]
            case Person():
                return self.clients[value][0].user_id
            case Message():
                return encode_message((decode(Kind.CHAT, self.ids[value.chat]), value.seq))
            case Link() if name == "token":
                return self.tokens[value]
            case Chat() | Link() | Request():
                return self.ids[value]
        return value

    # --- comparing --------------------------------------------------------------------------------

    async def agree(self, who: Person, dice: Dice) -> None:
        """Compare what people see, have been told, and find in a history, with the model.

        Everybody's device has to know by events what there is; who did something, and somebody
        else, fetch all of it as well.
        """
        await asyncio.gather(
            *(self._hears(device, socket) for device, socket in self.live),
            *(self._sees(person, dice) for person in {who, dice.somebody(self.world)}),
        )
        if dice.often(0.12):
            await self._resumed(dice.choice(self.stale), dice)
        if dice.often(0.1):
            await self._walked(dice.somebody(self.world), dice)

    async def end(self) -> None:
        """Compare all that there is at the end."""
        dice = Dice(0)
        for device in self.stale:
            await self._resumed(device, dice)
        await asyncio.gather(*(self._sees(person, dice) for person in self.world.people))

    async def _sees(self, person: Person, dice: Dice) -> None:
        client = self.clients[person][dice.randrange(len(self.nodes))]
        viewer = (await client.ask(observing.EVERYTHING))["viewer"]
        real, due = observing.view_of(viewer, self.names), self._due(person)
        if real != due:
            raise Wrong(f"{person} sees otherwise: {'; '.join(differences(due, real))}")

    def _due(self, person: Person) -> View:
        return view(self.world, person, observing.NEWEST)

    async def _hears(self, device: Device, socket: Socket) -> None:
        """Wait until a device is up to date."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    if device.expects() is None:
                        due = known(self._due(device.person), self.world)
                        if known(device.state(), self.world) == due:
                            return
                    await device.hear(await self._event(socket))
        except TimeoutError:
            who, missing = device.person, device.expects()
            if missing:
                raise Wrong(f"{who} was not told {missing}") from None
            due, real = (known(each, self.world) for each in (self._due(who), device.state()))
            found = differences(due, real)
            raise Wrong(f"{who} knows otherwise by events: {'; '.join(found)}") from None

    async def _event(self, socket: Socket) -> Any:
        """Return the next event; rings every node's bell meanwhile, as a bus would."""
        receiving = asyncio.ensure_future(socket.next())
        try:
            while True:
                done, _ = await asyncio.wait([receiving], timeout=BELL)
                if done:
                    return receiving.result()
                self.ring()
        finally:
            if not receiving.done():
                receiving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await receiving

    def ring(self) -> None:
        for node in self.nodes:
            node.program.services.node.tailer.ring()

    async def _resumed(self, device: Device, dice: Dice) -> None:
        """Let a device that was away go on where it was, perhaps cut off in the middle."""
        device.client = self.clients[device.person][dice.randrange(len(self.nodes))]
        if dice.often(0.3) and device.expects() is not None:
            async with self._listening(device) as socket, asyncio.timeout(PATIENCE):
                await device.hear(await self._event(socket))
        async with self._listening(device) as socket:
            await self._hears(device, socket)

    @contextlib.asynccontextmanager
    async def _listening(self, device: Device) -> AsyncIterator[Socket]:
        async with device.client.socket() as socket:
            await socket.subscribe("events", EVENTS, after=device.cursor)
            yield socket

    async def _walked(self, person: Person, dice: Dice) -> None:
        """Page through the history of a chat both ways, and look at its threads."""
        client = self.clients[person][dice.randrange(len(self.nodes))]
        chat = dice.chat(self.world, person)
        stay = chat.stay(person)
        if stay is None:
            if (await client.ask(observing.ONE_CHAT, id=self.ids[chat]))["chat"] is not None:
                raise Wrong(f"{person} finds {chat}, in which they are not")
            return
        due = [of_message(each, stay) for each in chat.messages if each.seq >= stay.first]
        for way, real in zip(
            ("forwards", "backwards"), await observing.walk(client, self.ids[chat]), strict=True
        ):
            if real != due:
                found = differences(_by_seq(due), _by_seq(real))
                raise Wrong(f"{person} walks {chat} {way}: {'; '.join(found)}")
        await self._threads(person, stay, chat, client)

    async def _threads(self, person: Person, stay: Stay, chat: Chat, client: Client) -> None:
        roots = [m for m in chat.messages if m.seq >= stay.first and not m.root][-30:]
        ids = [self._value("", root) for root in roots]
        real = await observing.threads(client, ids)
        due = {m.seq: found for m in roots if (found := of_thread(m, stay))}
        if real != due:
            raise Wrong(f"{person} sees other threads: {'; '.join(differences(due, real))}")


@contextlib.asynccontextmanager
async def started(nodes: Sequence[Running]) -> AsyncIterator[Run]:
    """Sign up people, put three of the four into a group, and let everybody listen."""
    number = next(_numbers)
    people = [Person(f"{name}_{number}") for name in NAMES]
    clients = {person: [node.person() for node in nodes] for person in people}
    for person, own in clients.items():
        await own[0].register(person.handle)
        for client in own[1:]:
            client.token, client.user_id = own[0].token, own[0].user_id
    run = Run(nodes, World(people), clients)
    first, others = people[0], people[1:3]
    group = run.world.found(Chat(run.world.name(), "GROUP", first, "All"), others)
    payload = await clients[first][0].done(
        "createChat",
        "chat { id }",
        kind="GROUP",
        title="All",
        memberIds=[clients[each][0].user_id for each in others],
    )
    run._bind(group, payload)
    async with contextlib.AsyncExitStack() as stack:
        for index, person in enumerate(people):
            device = Device(run.world, person, clients[person][index % len(nodes)], run.names)
            stale = Device(run.world, person, clients[person][0], run.names)
            await device.fetch()
            await stale.fetch()
            run.live.append((device, await stack.enter_async_context(run._listening(device))))
            run.stale.append(stale)
        yield run
    for client in itertools.chain(*clients.values()):
        await client.close()


async def first_wrong(nodes: Sequence[Running], doings: Sequence[Doing]) -> Problem | None:
    """Return what goes wrong in a run, None if nothing does."""
    async with started(nodes) as run:
        number = 0
        try:
            for number, doing in enumerate(doings, 1):  # noqa: B007 - how far it got
                await run.do(doing)
            await run.end()
        except Exception as error:  # noqa: BLE001 - whatever it is, the steps are what counts
            what = str(error) if isinstance(error, Wrong) else repr(error)
            return Problem(what, doings[:number], run.steps)
    return None


@dataclass(frozen=True)
class Problem:
    """What went wrong, and what had been done."""

    what: str
    doings: Sequence[Doing]
    steps: Sequence[str]


def differences(due: Any, real: Any, path: str = "") -> list[str]:
    """Return where two views differ, ten places at most."""
    found: list[str] = []
    if isinstance(due, dict) and isinstance(real, dict):
        for key in [*due, *(key for key in real if key not in due)]:
            inside = f"{path}.{key}" if path else str(key)
            found += differences(due.get(key), real.get(key), inside)
    elif isinstance(due, list) and isinstance(real, list) and len(due) == len(real):
        for index, (one, other) in enumerate(zip(due, real, strict=True)):
            found += differences(one, other, f"{path}[{index}]")
    elif due != real:
        found.append(f"{path} is {_short(due)} in the model and {_short(real)} in the product")
    return found[:10]


def _by_seq(messages: list[View]) -> dict[str, View]:
    return {str(message["seq"]): message for message in messages}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}…"
