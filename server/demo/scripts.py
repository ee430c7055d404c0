"""Scripts: conversations written down as plays, from which the demo's people speak.

A file in `talk/` holds scripts with a blank line between them. A script is lines of

    A: text                 somebody says this; A, B … stand for any of those present
    grace: text             this person says it, so the script is told only where she is
    B > A: text             an answer to the last line of A's
    A -: text               deleted soon after
    ?B: text                told now and then; once left out, the optional lines behind it are too
        more                the line before goes on in a new line; a lone `.` makes an empty one

and may begin with `@opening`, `@welcome` or `@farewell`, where N is who comes or goes. In a text,
`{dish}` is a word from a list, the same one throughout a script; `{dish2}` another of that list,
`{Dish}` starts with a capital; `{A}` is A's name, `{3-9}` a number, `{this|that}` one of the two.

    dish = soup | pie       a list of words, for the scripts of the file (those of `words.txt`: all)
    thanks ~ ta | cheers    the same, but chosen anew each time
    language = de           the file's language, English if left out
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources

_LINE = re.compile(
    r"(?P<optional>\?)?(?P<who>[A-Z]|[a-z_]+)(?: > (?P<to>[A-Z]|[a-z_]+))?(?P<gone> -)?: "
    r"(?P<text>.*)"
)
_WORDS = re.compile(r"(?P<name>[a-z_]+) (?P<how>[=~]) (?P<words>.+)")
_ROLE_IN_TEXT = re.compile(r"\{@?([A-Z])\}")
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script, its words not chosen yet."""

    who: str
    text: str
    answers: int | None  # the position of another line
    withdrawn: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Words:
    """A list to choose from: once for a whole script, or each time anew."""

    choices: Sequence[str]
    anew: bool


@dataclass(frozen=True, eq=False)
class Script:
    """A conversation to be told, with the words it may be told in; equal to itself alone."""

    source: str
    kind: str  # "talk", "opening", "welcome" or "farewell"
    language: str
    lines: Sequence[Line]
    words: Mapping[str, Words] = field(repr=False)

    @cached_property
    def roles(self) -> Sequence[str]:
        """Who is needed, in the order in which they come up."""
        found: dict[str, None] = {}
        for line in self.lines:
            found[line.who] = None
            found.update(dict.fromkeys(_ROLE_IN_TEXT.findall(line.text)))
        return list(found)

    @cached_property
    def parts(self) -> Sequence[str]:
        """The roles that anybody can take."""
        return [role for role in self.roles if len(role) == 1 and role != "N"]

    @cached_property
    def named(self) -> Sequence[str]:
        """The handles of those who have to be there."""
        return [role for role in self.roles if len(role) > 1]


def load() -> Mapping[str, Sequence[Script]]:
    """Return the scripts of each file, by the file's name."""
    folder = resources.files(__package__) / "talk"
    texts = {
        entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".txt")
    }
    common: dict[str, Words] = {}
    read("words", texts.pop("words"), common)
    return {name: read(name, texts[name], dict(common)) for name in sorted(texts)}


def read(source: str, text: str, words: dict[str, Words]) -> list[Script]:
    """Return a file's scripts, adding its words to those known; raises `ValueError`."""
    scripts: list[Script] = []
    language = "en"
    for block in re.split(r"\n\s*\n", text.strip()):
        kind, lines = "talk", list[Line]()
        for row in block.splitlines():
            if row.startswith("#"):
                continue
            if row.startswith("@"):
                kind = row[1:]
            elif row.startswith(_INDENT) and lines:
                more = row.removeprefix(_INDENT)
                lines[-1] = _longer(lines[-1], "" if more == "." else more)
            elif match := _WORDS.fullmatch(row):
                if match["name"] == "language":
                    language = match["words"]
                else:
                    choices = [choice.strip() for choice in match["words"].split(" | ")]
                    words[match["name"]] = Words(choices, anew=match["how"] == "~")
            elif match := _LINE.fullmatch(row):
                lines.append(_line(match, lines))
            else:
                raise ValueError(f"{source}: {row!r} is no line of a script")
        if lines:
            scripts.append(Script(source, kind, language, tuple(lines), words))
    return scripts


def _line(match: re.Match[str], before: Sequence[Line]) -> Line:
    answers = None
    if match["to"] is not None:
        said = [position for position, line in enumerate(before) if line.who == match["to"]]
        if not said:
            raise ValueError(f"{match[0]!r} answers somebody who has said nothing")
        answers = said[-1]
    return Line(
        who=match["who"],
        text=match["text"],
        answers=answers,
        withdrawn=match["gone"] is not None,
        optional=match["optional"] is not None,
    )


def _longer(line: Line, more: str) -> Line:
    return Line(line.who, f"{line.text}\n{more}", line.answers, line.withdrawn, line.optional)
