"""Those who change things: every kind of event, in transactions of every speed and end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from models.chats import Chat
from models.events import EventKind
from models.members import Member, Role
from models.messages import Message
from tests.simulation.clock import dice, pause
from tests.simulation.database import BEGINNING, ChatState, ConnectionLost
from tests.simulation.transaction import Transaction
from tests.simulation.world import World


class RolledBack(Exception):
    """The transaction changed nothing."""


class Writer:
    """Does one thing after the other, each as whoever may do it."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._db = world.db
        self._chances = world.chances
        self._name = name

    async def begin(self) -> None:
        """Create the first chat."""
        while not self._db.chats:
            await self._try(self.create_chat)

    async def run(self) -> None:
        """Do as many things as the run's chances say."""
        self._world.act_as(self._name)
        doings: list[Callable[[], Awaitable[None]]] = [
            *[self.send] * 6,
            *[self.send_to_several] * 2,
            *[self.edit] * 3,
            self.delete,
            self.react,
            *[self.mark] * 3,
            *[self.add] * 4,
            *[self.leave] * 3,
            self.change_role,
            self.create_chat,
            self.change_chat,
            *[self.sign_in] * 2,
            self.write_elsewhere,
        ]
        for _ in range(self._chances.doings):
            await pause(self._chances.writing_pace)
            await self._try(dice.get().choice(doings))

    async def _try(self, doing: Callable[[], Awaitable[None]]) -> None:
        try:
            await doing()
        except RolledBack:
            self._world.note(self._name, "rolled back")
        except ConnectionLost:
            self._world.note(self._name, "lost the connection")

    # --- what can be done ---------------------------------------------------------------------

    async def create_chat(self) -> None:
        people = [user_id for user_id in self._db.users if dice.get().random() < 0.7]
        if not people:
            return
        chat_id = self._db.new_key()
        self._world.names[chat_id] = f"chat{len(self._db.life.chats) + 1}"
        chat = Chat(chat_id, "group", "0", None, people[0], BEGINNING, 0, 0, BEGINNING, len(people))
        state = ChatState(chat)
        async with self._changing() as (transaction, _):
            transaction.write()
            seq = transaction.record(state, EventKind.CHAT_CREATED, people[0])
            state.stays = [self._stay(chat_id, user_id, seq) for user_id in people]
            transaction.then(lambda: self._db.chats.update({chat_id: state}))

    async def send(self, chat_id: UUID | None = None) -> None:
        """One message; into a given chat by whoever is in it."""
        async with self._changing(chat_id or self._some_chat()) as (transaction, states):
            self._send(transaction, states[0])

    async def send_to_several(self) -> None:
        """Messages that share a commit."""
        wanted = {self._some_chat() for _ in range(dice.get().randint(2, 4))}
        async with self._changing(*wanted) as (transaction, states):
            for state in states:
                self._send(transaction, state)

    async def edit(self) -> None:
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            message = self._some_message(state)
            self._change(
                transaction,
                state,
                EventKind.MESSAGE_EDITED,
                replace(message, text=str(int(message.text) + 1), edited_at=BEGINNING),
            )

    async def delete(self) -> None:
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            message = self._some_message(state)
            self._change(
                transaction,
                state,
                EventKind.MESSAGE_DELETED,
                replace(message, text=str(int(message.text) + 1), deleted_at=BEGINNING),
            )

    async def react(self) -> None:
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            message = self._some_message(state)
            transaction.record(
                state, EventKind.REACTIONS_CHANGED, message.sender_id, message=message
            )

    async def mark(self) -> None:
        """Say how far somebody is, in reading or only in receiving."""
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            stay = self._some_member(state)
            seq = dice.get().randint(1, 10)
            transaction.mark(state, stay, seq, dice.get().choice((seq, 0)))

    async def add(self) -> None:
        """Let somebody in who is not, new or for another time."""
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            absent = [user_id for user_id in self._db.users if state.present(user_id) is None]
            if not absent:
                raise RolledBack
            user_id = dice.get().choice(absent)
            seq = transaction.record(state, EventKind.MEMBER_JOINED, user_id, subject_id=user_id)
            stay = self._stay(state.chat.id, user_id, seq)
            transaction.then(lambda: state.stays.append(stay))

    async def leave(self) -> None:
        """Let somebody go, by themselves or not."""
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            stay = self._some_member(state)
            seq = transaction.record(
                state, EventKind.MEMBER_LEFT, stay.user_id, subject_id=stay.user_id
            )
            self._replace_stay(transaction, state, stay, replace(stay, left_seq=seq))

    async def change_role(self) -> None:
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            stay = self._some_member(state)
            role = dice.get().choice(list(Role))
            transaction.record(
                state, EventKind.MEMBER_ROLE_CHANGED, stay.user_id, subject_id=stay.user_id
            )
            self._replace_stay(transaction, state, stay, replace(stay, role=role.value))

    async def change_chat(self) -> None:
        async with self._changing(self._some_chat()) as (transaction, (state, *_)):
            transaction.record(state, EventKind.CHAT_CHANGED, self._some_member(state).user_id)
            chat = replace(state.chat, title=str(int(state.chat.title or 0) + 1))
            transaction.then(lambda: setattr(state, "chat", chat))

    async def sign_in(self) -> None:
        """Let something happen that concerns one person alone."""
        kind = dice.get().choice((EventKind.SESSION_STARTED, EventKind.SESSION_ENDED))
        async with self._changing() as (transaction, _):
            user_id = dice.get().choice(list(self._db.users))
            transaction.record_to(user_id, kind, self._db.new_key())

    async def write_elsewhere(self) -> None:
        """Take a transaction's id for something that is no event."""
        async with self._changing() as (transaction, _):
            transaction.write()

    # --- how ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _changing(
        self, *chat_ids: UUID | None
    ) -> AsyncIterator[tuple[Transaction, list[ChatState]]]:
        """Yield a transaction with chats locked; it ends as the dice say, and rings the bell."""
        wanted = [chat_id for chat_id in chat_ids if chat_id is not None]
        transaction = Transaction(self._db)
        try:
            await transaction.begin()
            if dice.get().random() < 0.3:
                transaction.write()  # something slow, long before a chat is locked
                await pause(self._chances.transaction_pace)
            states = await transaction.lock(wanted)
            if chat_ids and not states:
                raise RolledBack
            await pause(self._chances.transaction_pace)
            transaction.check()
            yield transaction, states
            await pause(self._chances.transaction_pace)
            if not self._world.calm.is_set() and dice.get().random() < self._chances.abort:
                raise RolledBack
            rows = transaction.commit()
        finally:
            transaction.roll_back()
        for row in rows:
            self._world.note(
                self._name,
                "committed",
                f"{self._world.title(row.place)} {row.event.kind}",
                self._world.name(row.event.subject_id) if row.event.subject_id else "",
                f"id {row.event.id} xid {row.xid}",
            )
        await pause(self._chances.transaction_pace)
        if self._world.calm.is_set() or dice.get().random() >= self._chances.answer_lost:
            self._world.announce(dice.get().choice(self._world.nodes))

    def _send(self, transaction: Transaction, state: ChatState) -> None:
        sender = self._some_member(state)
        message = Message(
            chat_id=state.chat.id,
            seq=len(state.messages) + 1,
            sender_id=sender.user_id,
            text="1",
            reply_to_seq=None,
            client_message_id=self._db.new_key(),
            created_at=BEGINNING,
            edited_at=None,
            deleted_at=None,
        )
        self._change(transaction, state, EventKind.MESSAGE_SENT, message)

    def _change(
        self, transaction: Transaction, state: ChatState, kind: EventKind, message: Message
    ) -> None:
        transaction.record(state, kind, message.sender_id, message=message)
        transaction.then(lambda: state.messages.update({message.seq: message}))

    def _replace_stay(
        self, transaction: Transaction, state: ChatState, old: Member, new: Member
    ) -> None:
        def change() -> None:
            state.stays[state.stays.index(old)] = new

        transaction.then(change)

    def _some_chat(self) -> UUID | None:
        """Return a chat, None when there is none; the first ones are the busiest."""
        ids = list(self._db.chats)
        return ids[min(dice.get().randrange(len(ids)) for _ in range(2))] if ids else None

    def _some_message(self, state: ChatState) -> Message:
        there = [message for message in state.messages.values() if message.deleted_at is None]
        if not there:
            raise RolledBack
        return dice.get().choice(there)

    def _some_member(self, state: ChatState) -> Member:
        there = [stay for stay in state.stays if stay.left_seq is None]
        if not there:
            raise RolledBack
        return dice.get().choice(there)

    def _stay(self, chat_id: UUID, user_id: UUID, seq: int) -> Member:
        return Member(
            id=self._db.new_key(),
            chat_id=chat_id,
            user_id=user_id,
            role=Role.MEMBER.value,
            joined_at=BEGINNING,
            joined_seq=seq,
            first_message_seq=1,
            left_seq=None,
            delivered_seq=0,
            read_seq=0,
        )
