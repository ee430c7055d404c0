"""A page of the documentation as its tests read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.house.checkout import ROOT

DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind the fence, and the lines in it."""

    language: str
    attributes: dict[str, str]
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @classmethod
    def of(cls, name: str) -> Page:
        """Return a page by its name in `docs/`."""
        return cls(DOCS / name)

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text()

    @cached_property
    def prose(self) -> str:
        """The file without its fenced blocks."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @cached_property
    def anchors(self) -> set[str]:
        """What a link may name after `#`: the headings, as GitHub writes them."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def blocks(self) -> Iterator[Block]:
        """Yield the fenced blocks."""
        for info, text in re.findall(r"^```(.*?)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL):
            language, *rest = info.split()
            attributes = dict(item.partition("=")[::2] for item in rest)
            yield Block(language, attributes, text)

    def files(self) -> dict[str, str]:
        """Return the blocks that are whole files, by the file's name."""
        return {
            block.attributes["file"]: block.text
            for block in self.blocks()
            if "file" in block.attributes
        }

    def section(self, heading: str) -> str:
        """Return what stands under a heading, up to the next one."""
        found = re.search(
            rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", self.prose, re.MULTILINE | re.DOTALL
        )
        assert found, f"{self.path.name} has no heading “{heading}”"
        return found[1]

    def tables(self, heading: str) -> list[str]:
        """Return the tables under a heading, as they are written."""
        parts = self.section(heading).split("\n\n")
        return [part.strip() for part in parts if part.lstrip().startswith("|")]

    def table(self, heading: str) -> list[list[str]]:
        """Return the rows of the first table under a heading."""
        return rows(self.tables(heading)[0])


def rows(table: str) -> list[list[str]]:
    """Return a table's rows without the first; backquotes around a whole cell are taken off."""
    cells = [line.strip().strip("|").split("|") for line in table.splitlines()]
    return [[_plain(cell) for cell in row] for row in cells[2:]]


def _plain(cell: str) -> str:
    cell = cell.strip()
    quoted = re.fullmatch(r"`([^`]*)`", cell)
    return quoted[1] if quoted else cell
