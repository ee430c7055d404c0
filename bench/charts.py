"""Charts of figures as SVG, for RESULTS.md: bars that are compared, and lines that grow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

WIDTH = 820
LEFT, RIGHT, TOP = 190, 90, 62
BAR, GAP = 26, 14
HEIGHT = 300  # of the field that lines are drawn in
OURS, OTHERS, MARK, INK, FAINT = "#0b6bcb", "#9aa7b4", "#c4320a", "#1d2733", "#dfe4ea"
# Letters stay legible on top of lines.
HALO = 'paint-order="stroke" stroke="white" stroke-width="4" stroke-linejoin="round"'
LINES = ("#0b6bcb", "#c4320a", "#2e7d32")


class Chart(Protocol):
    """Something that can be drawn."""

    @property
    def title(self) -> str: ...

    def svg(self) -> str:
        """Return it as a file's text."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line at a value, with what it says."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, the first one ours; a thin line shows the lowest and the highest round.

    A bar of more than `most` is cut there, so that one giant does not flatten all others.
    """

    title: str
    unit: str
    rows: Sequence[tuple[str, float, float, float]]  # name, median, lowest, highest
    mark: Mark | None = None
    most: float = math.inf

    def svg(self) -> str:
        highest = max(row[3] for row in self.rows)
        end = min(self.most, max(highest, self.mark.value if self.mark else 0)) * 1.04
        scale = (WIDTH - LEFT - RIGHT) / end
        bottom = TOP + len(self.rows) * (BAR + GAP)
        parts = _ground(self.title, self.unit, bottom + 34)
        for tick in ticks(end):
            x = LEFT + tick * scale
            parts.append(_line(x, TOP - 6, x, bottom, FAINT))
            parts.append(_text(x, bottom + 18, f"{tick:g}", anchor="middle", size=12))
        figures = []  # over everything else
        for number, (name, value, low, high) in enumerate(self.rows):
            y = TOP + number * (BAR + GAP) + GAP / 2
            width = min(value, end) * scale
            colour, weight = (OURS, "bold") if number == 0 else (OTHERS, "normal")
            parts.append(_text(LEFT - 10, y + BAR * 0.7, name, anchor="end", weight=weight))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
            )
            reach = LEFT + min(high, end) * scale
            if high <= end:
                middle = y + BAR / 2
                parts.append(_line(LEFT + low * scale, middle, reach, middle, INK))
            if value > end:
                x = LEFT + width - 30
                parts.append(_line(x, y + BAR + 3, x + 10, y - 3, "white", width=6))
            figures.append(_text(reach + 8, y + BAR * 0.7, figure(value), weight=weight))
        if self.mark is not None:
            x = LEFT + self.mark.value * scale
            parts.append(_line(x, TOP - 6, x, bottom, MARK, 'stroke-dasharray="5 4"', width=2))
            parts.append(_text(x, TOP - 12, self.mark.label, anchor="middle", fill=MARK, size=12))
        return _whole([*parts, *figures])


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over a logarithmic scale of counts, a point for each that was measured."""

    title: str
    unit: str
    across: str  # what the counts count
    rows: Sequence[tuple[str, Sequence[tuple[float, float]]]]  # name, and its points

    def svg(self) -> str:
        counts = sorted({x for _, points in self.rows for x, _ in points})
        values = [y for _, points in self.rows for _, y in points]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        first, last = math.log10(counts[0]), math.log10(counts[-1])
        bottom = TOP + HEIGHT

        def place(x: float, y: float) -> tuple[float, float]:
            along = (math.log10(x) - first) / max(last - first, 1e-9)
            up = (math.log10(y) - low) / max(high - low, 1)
            return round(130 + along * (WIDTH - 130 - 220), 1), round(bottom - up * HEIGHT, 1)

        parts = _ground(self.title, self.unit, bottom + 54)
        for power in range(low, high + 1):
            y = place(counts[0], 10**power)[1]
            parts.append(_line(90, y, WIDTH - 220, y, FAINT))
            parts.append(_text(80, y + 4, figure(10**power, whole=True), anchor="end", size=12))
        for count in counts:
            x, _ = place(count, 10**low)
            parts.append(_line(x, TOP, x, bottom, FAINT))
            parts.append(_text(x, bottom + 18, f"{count:,.0f}", anchor="middle", size=12))
        middle = (90 + WIDTH - 220) / 2
        parts.append(_text(middle, bottom + 42, self.across, anchor="middle", size=12))
        top = max(self.rows, key=lambda row: row[1][0][1])
        for row, colour in zip(self.rows, LINES, strict=False):
            name, points = row
            off = -9 if row is top else 20  # away from the line beside it
            placed = [place(x, y) for x, y in points]
            path = " ".join(f"{x},{y}" for x, y in placed)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
            )
            for (x, y), (_, value) in zip(placed, points, strict=True):
                parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>')
                parts.append(
                    _text(x, y + off, figure(value), anchor="middle", fill=colour, size=12)
                )
            end_x, end_y = placed[-1]
            parts.append(_text(end_x + 26, end_y + 4, name, fill=colour, weight="bold"))
        return _whole(parts)


def ticks(end: float) -> list[float]:
    """Return round values from 0 up to `end`, four to ten of them."""
    step = 10 ** math.floor(math.log10(end))
    for part in (1, 0.5, 0.2):
        if end / (step * part) >= 4:
            step *= part
            break
    return [round(step * number, 6) for number in range(int(end / step) + 1)]


def figure(value: float, *, whole: bool = False) -> str:
    """Return a value with the digits that a reader of a chart wants."""
    if whole or value >= 100:
        return f"{value:,g}" if value < 1 else f"{value:,.0f}"
    return f"{value:.1f}"


def _ground(title: str, unit: str, height: float) -> list[str]:
    size = f'width="{WIDTH}" height="{height:.0f}"'
    look = 'font-family="system-ui, sans-serif" font-size="14" role="img"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>',
        f"<title>{escape(title)}</title>",
        f'<rect {size} fill="white"/>',
        _text(16, 24, title, weight="bold", size=16),
        _text(WIDTH - 16, 24, unit, anchor="end", size=12),
    ]


def _whole(parts: Sequence[str]) -> str:
    return "\n".join([*parts, "</svg>\n"])


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "", width: float = 1
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}" {more}/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    fill: str = INK,
    weight: str = "normal",
    size: int = 14,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}" font-size="{size}" {HALO}>{escape(text)}</text>'
    )
