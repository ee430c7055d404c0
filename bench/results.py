"""Tables of figures: shown, kept in RESULTS.md, and set beside what was kept before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.charts import Chart

RESULTS = Path(__file__).parent / "RESULTS.md"
PLOTS = RESULTS.parent / "plots"


@dataclass
class Table:
    """Rows under headings; the first column names the row, the second is the first figure."""

    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        self.rows.append([str(cell) for cell in cells])

    def __str__(self) -> str:
        """The table as Markdown, its columns aligned for reading as it is."""
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            first, *others = zip(cells, widths, strict=True)
            padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
            return f"| {' | '.join(padded)} |"

        first, *others = widths
        rule = [f":{'-' * (first - 1)}", *(f"{'-' * (width - 1)}:" for width in others)]
        return "\n".join([line(self.headings), f"| {' | '.join(rule)} |", *map(line, self.rows)])


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a benchmark found."""

    name: str
    command: str
    circumstances: Sequence[str]
    table: Table
    remarks: Sequence[str] = ()
    chart: Chart | None = None

    def markdown(self) -> str:
        """Return the section of RESULTS.md."""
        facts = [
            f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"Command: `{self.command}`",
            *self.circumstances,
        ]
        remarks = [f"\n{remark}" for remark in self.remarks]
        drawn = [f"\n![{self.chart.title}]({PLOTS.name}/{self.name}.svg)"] if self.chart else []
        return "\n".join([*(f"- {fact}" for fact in facts), "", str(self.table), *drawn, *remarks])


def conclude(report: Report, *, record: bool) -> None:
    """Print a report, beside what the same command found before, and keep it if asked."""
    kept = _kept(report)
    print(f"\n{report.markdown()}\n")
    beside = Table([report.table.headings[0], report.table.headings[1], "in RESULTS.md"])
    for name, figure, *_ in report.table.rows:
        if name in kept:
            beside.add(name, figure, kept[name])
    if beside.rows:
        print(f"{beside}\n")
    if record:
        _keep(report)
        if report.chart is not None:
            PLOTS.mkdir(exist_ok=True)
            (PLOTS / f"{report.name}.svg").write_text(report.chart.svg())
        print(f"Written to {RESULTS.parent.name}/{RESULTS.name}.")


def _section(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- begin {name} -->\n)(.*?)(<!-- end {name} -->)", re.DOTALL)


def _kept(report: Report) -> dict[str, str]:
    """Return the first figure of every row that RESULTS.md has, if its command was the same."""
    found = _section(report.name).search(RESULTS.read_text()) if RESULTS.exists() else None
    if found is None or f"`{report.command}`\n" not in found[2]:
        return {}
    rows = re.findall(r"^\| (.+?) +\| +(.+?) \|", found[2], re.MULTILINE)
    return {name.strip(): figure for name, figure in rows}


def _keep(report: Report) -> None:
    text = RESULTS.read_text()
    changed, count = _section(report.name).subn(
        lambda found: f"{found[1]}\n{report.markdown()}\n\n{found[3]}", text
    )
    if count != 1:
        raise RuntimeError(f"RESULTS.md needs one section between begin and end {report.name}")
    RESULTS.write_text(changed)
