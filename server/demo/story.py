"""Make up what happens in each chat: who talks about what, who comes and goes, and when."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.demo.people import BY_HANDLE, Person
from server.demo.plots import PLOTS, Plot
from server.demo.rhythm import beginnings
from server.demo.scripts import Script
from server.demo.telling import Spoken, tell

# A conversation is told this often, and the telling with the fewest known lines is kept.
TELLINGS = 4
SHORT = 16  # characters; "Thanks!" may be said as often as people like

LATEST = timedelta(minutes=3)  # before now: where the story of the liveliest chat ends
QUIETER = 1.19  # each further chat has been quiet for so many times longer


@dataclass(frozen=True, slots=True)
class Scene:
    """A conversation, with who comes in before it and who goes after it."""

    spoken: Sequence[Spoken]
    comes: Person | None = None
    goes: Person | None = None

    @property
    def length(self) -> timedelta:
        """From the first message to the last."""
        return sum((message.after for message in self.spoken), timedelta())


@dataclass(frozen=True, slots=True)
class Story:
    """All that happens in one chat; the first of `people` creates it."""

    title: str | None
    description: str | None
    people: Sequence[Person]
    admins: Sequence[Person]
    begins: datetime
    scenes: Sequence[tuple[datetime, Scene]]
    unread: Mapping[str, int]  # by handle: of the last messages, what they have not seen

    @property
    def direct(self) -> bool:
        """Whether it is a chat of two."""
        return self.title is None


class Stories:
    """Make up the stories of one world; the same seed tells the same ones at any time."""

    def __init__(self, seed: str, library: Mapping[str, Sequence[Script]]) -> None:
        self._seed = seed
        self._library = library
        self._heard: Counter[tuple[Script, str]] = Counter()  # by script and person, in any chat
        self._known: set[str] = set()  # what has been said somewhere

    def all(
        self, message_count: int, now: datetime, told: Callable[[int], None] = lambda _: None
    ) -> list[Story]:
        """Return every chat's story, `message_count` messages altogether, the latest before now.

        There is at least one for each chat, so `message_count` has to be no less than the chats.
        Calls `told` with the number of messages of each chat as soon as it is made up.
        """
        scenes = []
        for plot, share in zip(PLOTS, shares(PLOTS, message_count), strict=True):
            scenes.append(self._scenes(plot, share))
            told(share)
        # Lively chats tend to be the ones that have just been talking.
        rng = self._random("quiet")
        order = sorted(
            range(len(PLOTS)), key=lambda number: rng.expovariate(PLOTS[number].weight ** 1.5)
        )
        return [
            self._dated(plot, scenes[number], now - LATEST * QUIETER ** order.index(number), now)
            for number, plot in enumerate(PLOTS)
        ]

    def _random(self, *purpose: object) -> random.Random:
        # A stream of its own for each purpose: what one chat draws shifts nothing in another.
        return random.Random("/".join(map(str, (self._seed, *purpose))))  # noqa: S311 - no secrets

    def _scenes(self, plot: Plot, message_count: int) -> list[Scene]:
        rng = self._random("text", plot.members)
        files = [self._library[name] for name in plot.scripts.split()]
        people = plot.people
        turns = _turns(plot, message_count)
        choice = self._choice(rng, files, people)
        scenes: list[Scene] = []
        left = message_count

        def add(script: Script | None, *, comes: Person | None, goes: Person | None) -> None:
            nonlocal left
            spoken = [] if script is None else self._fresh(rng, script, people, comes or goes)
            scenes.append(Scene(spoken[:left], comes, goes))
            left -= len(scenes[-1].spoken)

        if not plot.direct and (opening := _special(files, "opening")):
            add(opening, comes=None, goes=None)
        while left or turns:
            if not turns or message_count - left < turns[0][0]:
                add(next(choice), comes=None, goes=None)
                continue
            _, kind, person = turns.pop(0)
            if kind == "welcome":
                people = [*people, person]
                add(_special(files, kind), comes=person, goes=None)
            else:
                add(_special(files, kind), comes=None, goes=person)
                people = [other for other in people if other is not person]
            choice = self._choice(rng, files, people)
        return scenes

    def _choice(
        self, rng: random.Random, files: Sequence[Sequence[Script]], people: Sequence[Person]
    ) -> Iterator[Script]:
        """Yield scripts that these people can tell: each once, then each once more, and so on.

        Of those that are left comes what is least known to them from other chats. What the chat is
        about and what anybody talks about come mixed, in their proportion.
        """
        fitting = [
            [script for script in scripts if script.kind == "talk" and _fits(script, people)]
            for scripts in files
        ]
        if not any(fitting):
            raise ValueError(f"no script fits {', '.join(person.handle for person in people)}")
        while True:
            pools = [list(scripts) for scripts in fitting]
            while any(pools):
                (pool,) = rng.choices(pools, weights=[len(scripts) for scripts in pools])
                script = min(pool, key=lambda script: self._familiarity(script, people, rng))
                pool.remove(script)
                self._heard.update((script, person.handle) for person in people)
                yield script

    def _familiarity(
        self, script: Script, people: Sequence[Person], rng: random.Random
    ) -> tuple[int, float]:
        return sum(self._heard[script, person.handle] for person in people), rng.random()

    def _fresh(
        self, rng: random.Random, script: Script, people: Sequence[Person], other: Person | None
    ) -> list[Spoken]:
        """Return the script told with the fewest lines that were said before."""
        best, fewest = list[Spoken](), len(script.lines) + 1
        for _ in range(TELLINGS):
            spoken = tell(rng, script, _cast(rng, script, people, other))
            known = sum(
                len(message.text) > SHORT and message.text in self._known for message in spoken
            )
            if known < fewest:
                best, fewest = spoken, known
            if not known:
                break
        self._known.update(message.text for message in best)
        return best

    def _dated(self, plot: Plot, scenes: Sequence[Scene], end: datetime, now: datetime) -> Story:
        rng = self._random("time", plot.members)
        age = timedelta(days=plot.age or rng.uniform(25, 60))
        start = min(now - age, end - timedelta(days=1))
        moments = beginnings(
            rng, plot.rhythm, [scene.length for scene in scenes], start=start, end=end
        )
        people = plot.people
        if plot.direct:
            rng.shuffle(people)
        return Story(
            title=plot.title,
            description=plot.description,
            people=people,
            admins=[BY_HANDLE[handle] for handle in plot.admins.split()],
            begins=min([start, *moments]) - timedelta(minutes=rng.uniform(5, 20)),
            scenes=list(zip(moments, scenes, strict=True)),
            unread={person.handle: _unread(rng) for person in BY_HANDLE.values()},
        )


def shares(plots: Sequence[Plot], message_count: int) -> list[int]:
    """Return how many messages each chat gets: at least one, the rest by weight."""
    total = sum(plot.weight for plot in plots)
    rest = message_count - len(plots)
    exact = [rest * plot.weight / total for plot in plots]
    result = [1 + int(share) for share in exact]
    # What rounding left over goes to those it took most from.
    remainders = sorted(range(len(plots)), key=lambda number: int(exact[number]) - exact[number])
    for number in remainders[: message_count - sum(result)]:
        result[number] += 1
    return result


def _unread(rng: random.Random) -> int:
    """Return how far somebody is behind: many of them not at all, a few by a holiday."""
    (least, most), *_ = rng.choices([(0, 0), (1, 6), (7, 30), (31, 150)], weights=[40, 25, 20, 15])
    return rng.randint(least, most)


def _turns(plot: Plot, message_count: int) -> list[tuple[int, str, Person]]:
    """Return who comes and goes after how many messages, the first first."""
    turns = (("welcome", plot.joins), ("farewell", plot.leaves))
    return sorted(
        (int(message_count * turn[1]), kind, BY_HANDLE[turn[0]]) for kind, turn in turns if turn
    )


def _special(files: Sequence[Sequence[Script]], kind: str) -> Script | None:
    found: Iterator[Script] = (
        script for scripts in files for script in scripts if script.kind == kind
    )
    return next(found, None)


def _fits(script: Script, people: Sequence[Person]) -> bool:
    speakers = [person for person in people if person.speaks(script.language)]
    handles = {person.handle for person in speakers}
    return handles.issuperset(script.named) and len(_free(script, speakers)) >= len(script.parts)


def _free(script: Script, people: Sequence[Person]) -> list[Person]:
    """Return who may take a part that is open to anybody: people, and none named in the script."""
    return [
        person
        for person in people
        if person.voice != "machine"
        and person.speaks(script.language)
        and person.handle not in script.named
    ]


def _cast(
    rng: random.Random, script: Script, people: Sequence[Person], other: Person | None
) -> dict[str, Person]:
    """Return somebody for each role; `other` is who comes or goes. The first named talk most."""
    free = [person for person in _free(script, people) if person is not other]
    weights = {person.handle: 1 / (2 + place) for place, person in enumerate(free)}
    drawn = sorted(free, key=lambda person: rng.expovariate(weights[person.handle]))
    cast = dict(zip(script.parts, drawn, strict=False))
    cast.update({handle: BY_HANDLE[handle] for handle in script.named})
    if other is not None:
        cast["N"] = other
    return cast
