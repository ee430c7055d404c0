"""Tell a script: choose its words and let each person write as they do."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from server.demo.people import Person
from server.demo.scripts import Script

_SLOT = re.compile(r"\{([^{}]+)\}")
_NUMBERS = re.compile(r"(\d+)-(\d+)")
_NAME = re.compile(r"([A-Za-z_]+)[2-9]?")
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff\ufe0f"
_AFTER_EMOJI = re.compile(rf"([{_EMOJI}])[.,。、]")
_ENDS_WITH_EMOJI = re.compile(rf"[{_EMOJI}]$")
_SENTENCE_BEGINS = re.compile(rf"([.!?…:{_EMOJI}]\s*|[{{|]|\n)$")
_SPARKLE = ["✨", "😊", "🙌", "🌞", "🍀", "😌", "🤞", "🌿", "💫", "🙃"]

KEPT = 0.65  # of the optional lines
EDITED = 0.03  # of the messages
WITHDRAWN = 0.005  # of the messages, besides those that a script withdraws
ANSWERED = 0.5  # of the lines after a question, besides those of scripts; fewer between two


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message to be sent: who, what, and how long after the one before."""

    who: Person
    text: str
    after: timedelta
    answers: int | None  # the position of another one of the same conversation
    first_text: str | None  # what was sent, if it was edited later
    changed_after: timedelta | None  # how long it stood before it was edited or deleted
    withdrawn: bool


def tell(rng: random.Random, script: Script, cast: Mapping[str, Person]) -> list[Spoken]:
    """Return a script as these people tell it: `cast` has a person for each of its roles."""
    chosen = _Words(rng, script, cast)
    told: list[Spoken] = []
    place: dict[int, int] = {}  # where a line of the script ended up
    skipping = False
    for number, line in enumerate(script.lines):
        skipping = line.optional and (skipping or rng.random() > KEPT)
        if skipping or (line.answers is not None and line.answers not in place):
            continue
        who = cast[line.who]
        text = chosen.fill(line.text)
        if script.language == "en" and "\n" not in text:
            text = _in_voice(rng, who, text, named=chosen.begins_with_name(line.text))
        previous = told[-1] if told else None
        answers = None if line.answers is None else place[line.answers]
        if answers is None and _picks_up(rng, previous, who, len(cast)):
            answers = len(told) - 1
        last = number == len(script.lines) - 1
        withdrawn = line.withdrawn or (last and rng.random() < WITHDRAWN * len(script.lines))
        first_text = None if withdrawn or rng.random() > EDITED else _mistyped(rng, text)
        place[number] = len(told)
        told.append(
            Spoken(
                who,
                text,
                _pause(rng, previous, who, text),
                answers,
                first_text,
                timedelta(seconds=rng.uniform(8, 110)) if withdrawn or first_text else None,
                withdrawn,
            )
        )
    return told


def _picks_up(rng: random.Random, previous: Spoken | None, who: Person, people: int) -> bool:
    """Whether somebody marks what they say as the answer to the question just before it."""
    if previous is None or previous.who is who or previous.withdrawn or previous.text[-1] != "?":
        return False
    return rng.random() < (ANSWERED if people > 2 else ANSWERED / 5)


class _Words:
    """The words chosen so far in one telling."""

    def __init__(self, rng: random.Random, script: Script, cast: Mapping[str, Person]) -> None:
        self._rng = rng
        self._script = script
        self._cast = cast
        self._chosen: dict[str, str] = {}
        self._taken: dict[str, set[str]] = {}  # by list

    def fill(self, text: str) -> str:
        """Return a text with every slot filled, the inner ones first."""
        begins_with_slot = text.startswith("{")
        while match := _SLOT.search(text):
            before, value = text[: match.start()], self._value(match[1])
            text = before + self._fitted(match[1], value, before) + text[match.end() :]
        text = re.sub(r"([!?])[,.]", r"\1", _AFTER_EMOJI.sub(r"\1", text))
        text = re.sub(r"!{3,}", "!!", text)
        return _capital(text) if begins_with_slot else text

    def begins_with_name(self, text: str) -> bool:
        """Whether a text starts with a word of a list, such as a place, and not with “Thanks”."""
        slot = _SLOT.match(text)
        words = self._script.words.get(slot[1]) if slot else None
        return slot is not None and "|" not in slot[1] and not (words and words.anew)

    def _fitted(self, slot: str, value: str, before: str) -> str:
        """Return a word such as “Thanks” without its capital where no sentence begins."""
        words = self._script.words.get(slot)
        inside = before and _SENTENCE_BEGINS.search(before) is None
        return value[0].lower() + value[1:] if words and words.anew and inside else value

    def _value(self, slot: str) -> str:
        if "|" in slot:
            return self._rng.choice(slot.split("|"))
        if numbers := _NUMBERS.fullmatch(slot):
            return str(self._rng.randint(int(numbers[1]), int(numbers[2])))
        if (role := slot.removeprefix("@")) in self._cast:
            person = self._cast[role]
            return f"@{person.handle}" if role != slot else person.addressed(self._script.language)
        name = _NAME.fullmatch(slot)
        if name is None or name[1].lower() not in self._script.words:
            raise ValueError(f"{self._script.source}: nothing is called {slot!r}")
        value = self._word(slot.lower(), name[1].lower())
        return _capital(value) if slot[0].isupper() else value

    def _word(self, slot: str, name: str) -> str:
        words = self._script.words[name]
        if slot in self._chosen and not words.anew:
            return self._chosen[slot]
        taken = self._taken.setdefault(name, set())
        free = [word for word in words.choices if word not in taken] or words.choices
        word = self._rng.choice(free)
        taken.add(word)
        self._chosen[slot] = self.fill(word)
        return self._chosen[slot]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if "://" not in text.split(" ", maxsplit=1)[0] else text


def _in_voice(rng: random.Random, who: Person, text: str, *, named: bool) -> str:
    bare = "`" not in text and not _ENDS_WITH_EMOJI.search(text) and "://" not in text
    if who.voice == "lower":
        first = text.split(" ", maxsplit=1)[0].strip(",.!?’'")
        if first[1:].islower() and not named:
            text = text[0].lower() + text[1:]
        return text.removesuffix(".")
    if who.voice == "bright" and bare and rng.random() < 0.2:
        return f"{text} {rng.choice(_SPARKLE)}"
    if who.voice == "loud" and bare and len(text) < 60 and rng.random() < 0.35:
        return f"{text.removesuffix('.')}!" if text[-1].isalnum() or text[-1] == "." else text
    return text


def _mistyped(rng: random.Random, text: str) -> str | None:
    """Return the text with two letters of a long word swapped; None if no word is long."""
    places = [
        match.start() + rng.randrange(1, 4)
        for match in re.finditer(r"\b[^\W\d_]{6,}\b", text)
        if "://" not in text
    ]
    if not places:
        return None
    place = rng.choice(places)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return swapped if swapped != text else None


def _pause(rng: random.Random, previous: Spoken | None, who: Person, text: str) -> timedelta:
    """Return how long somebody takes to read, think and type."""
    if previous is None:
        return timedelta()
    if previous.who is not who and rng.random() < 0.07:
        return timedelta(minutes=rng.uniform(5, 45))  # away from the keyboard
    thinking = rng.lognormvariate(2.0 if previous.who is who else 3.4, 0.8)
    return timedelta(seconds=1 + thinking + min(len(text), 400) / 12)
