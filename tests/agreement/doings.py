"""What people may try: each doing chooses by its own dice, and says what it does to the model.

A new one is a function with `@doing` in one of the modules `doings_….py`. It returns a `Try`, or
None where there is nothing to try; the effect raises `Refused` with the code that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.agreement.model import Chat, Link, Message, Person, Request, World

Made = Chat | Link | Request | None


@dataclass(frozen=True)
class Doing:
    """One step of a run: with other steps left out it still means something."""

    what: str
    seed: int

    def __str__(self) -> str:
        return f"{self.what}:{self.seed}"


@dataclass(frozen=True)
class Try:
    """Somebody's mutation with its input, where people and things of the model stand for ids.

    The effect returns what was made, whose id the payload has.
    """

    who: Person
    mutation: str
    input: dict[str, Any]
    effect: Callable[[], Made]

    def __str__(self) -> str:
        return f"{self.who}: {self.mutation} {self.input}"


# In place of a mutation: the messages' time is over, and a worker comes by.
TIME_PASSES = "time passes"

Choose = Callable[[World, Person, "Dice"], Try | None]
DOINGS: dict[str, tuple[int, Choose]] = {}


def doing(weight: int = 2) -> Callable[[Choose], Choose]:
    """Enter something that people try, so many times as often as others."""

    def enter(choose: Choose) -> Choose:
        DOINGS[choose.__name__] = weight, choose
        return choose

    return enter


class Dice(Random):
    """Chooses among what there is: mostly what makes sense, sometimes what does not."""

    def often(self, likely: float = 0.85) -> bool:
        return self.random() < likely

    def somebody(self, world: World) -> Person:
        return self.choice(world.people)

    def chat(self, world: World, person: Person) -> Chat:
        """Return a chat, mostly one that somebody is in."""
        own = [chat for chat in world.chats if chat.stay(person)]
        return self.choice(own if own and self.often() else world.chats)

    def keeper(self, world: World, person: Person) -> tuple[Person, Chat]:
        """Return somebody with a chat, mostly one in which they keep order."""
        found = [(s.person, c) for c in world.chats for s in c.present() if c.keeps(s)]
        if found and self.often(0.75):
            return self.choice(found)
        return person, self.chat(world, person)

    def member(self, world: World, chat: Chat, person: Person) -> Person:
        """Return somebody for a person to do something to, mostly another one of the chat."""
        others = [stay.person for stay in chat.present() if stay.person is not person]
        return self.choice(others) if others and self.often(0.9) else self.somebody(world)

    def message(self, world: World, person: Person, chat: Chat | None = None) -> Message | None:
        """Return a message, mostly one that is new and there for somebody."""
        own = [c for c in world.chats if c.messages and c.stay(person)]
        if chat is None and own:
            chat = self.choice(own)
        stay = chat.stay(person) if chat else None
        if chat is None or stay is None or not self.often(0.9):
            some = world.messages()
        else:
            some = [m for m in chat.messages[-12:] if m.seq >= stay.first and not m.deleted]
        return self.choice(some) if some else None


def all_doings() -> dict[str, tuple[int, Choose]]:
    """Return all of them by name, with their weights."""
    from tests.agreement import (  # noqa: F401 - they enter themselves
        doings_chats,
        doings_expiry,
        doings_members,
        doings_messages,
        doings_own,
        doings_ways_in,
    )

    return DOINGS


LIKELY = 8  # times as often as else


def doings(seed: int, count: int, likely: Sequence[str] = ()) -> list[Doing]:
    """Return the steps that a seed stands for; what is `likely` is tried more often."""
    dice, known = Random(seed), all_doings()
    names = list(known)
    weights = [known[name][0] * (LIKELY if name in likely else 1) for name in names]
    chosen = dice.choices(names, weights, k=count)
    return [Doing(name, dice.randrange(1_000_000)) for name in chosen]
