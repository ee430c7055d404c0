"""The report of a run: Markdown to read, and a timeline as SVG to look at."""

from __future__ import annotations

import os
from html import escape

from tests.faults.goals import unknown_share
from tests.faults.history import Kind, State
from tests.faults.run import Run

WIDTH, LANE, CHART, MARGIN = 1200, 26, 140, 130
COLOURS = {
    "nodes": "#c0392b",
    "stores": "#8e44ad",
    "network": "#d68910",
}


def write(run: Run) -> None:
    """Put `report.md` and `timeline.svg` into the run's directory."""
    (run.directory / "report.md").write_text(markdown(run))
    (run.directory / "timeline.svg").write_text(timeline(run))


def markdown(run: Run) -> str:
    options, verdict = run.options, run.verdict
    assert verdict is not None
    planted = f", with `{options.fault}` planted" if options.fault else ""
    lines = [
        f"# Faults: seed {options.seed}, {'passed' if verdict.ok else 'FAILED'}",
        "",
        (
            f"{options.nodes} nodes, {options.clients} clients, {options.seconds:g} s of nemeses"
            f"{planted}; {_load(run)}."
        ),
        "",
        "![timeline](timeline.svg)",
        "",
        "| operation | ok | refused | not known | not known, % |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind in Kind:
        ok, fail, info = (
            verdict.counts.get(f"{kind} {state}", 0) for state in (State.OK, State.FAIL, State.INFO)
        )
        share = 100 * info / max(1, ok + fail + info)
        lines.append(f"| {kind} | {ok:,} | {fail:,} | {info:,} | {share:.1f} |")
    lines += ["", f"Of all that clients did, {unknown_share(run.history.counts):.1%} is not known."]
    lines += ["", "| nemesis | times | longest, s |", "|---|--:|--:|"]
    for name, count in sorted(run.strikes.items()):
        lasted = [(e.ended or e.began) - e.began for e in run.episodes if e.name == name]
        lines.append(f"| {name} | {count} | {max(lasted, default=0):.1f} |")
    if goals := run.goals:
        lines += ["", "| goal | reached | came to |", "|---|---|---|"]
        lines += [
            f"| {each.what} | {'yes' if each.reached else 'NO'} | {each.came_to} |"
            for each in goals
        ]
    lines += ["", "## Findings", ""]
    if verdict.ok:
        lines.append("None.")
    lines += [f"- **{total} × {kind}**" for kind, total in verdict.totals.items()]
    lines += ["", *(f"- {finding}" for finding in verdict.findings)] if verdict.findings else []
    lines += ["", "## What happened when", ""]
    lines += [
        f"- {e.began:.1f}–{e.ended or e.began:.1f} s {e.name} {e.note}".rstrip()
        for e in run.episodes
    ]
    lines += ["", f"Healed at {run.healed_at:.1f} s.", ""]
    return "\n".join(lines)


def _load(run: Run) -> str:
    mean = sum(run.loads) / max(1, len(run.loads))
    return f"{os.cpu_count()} cores, a mean load of {mean:.1f}"


def timeline(run: Run) -> str:
    """Return an SVG: nemeses as bars, below them sends and receives a second, findings as lines."""
    end = max([1.0, *(moment for moment, _, _ in run.timeline)])
    scale = (WIDTH - MARGIN - 20) / end
    rows = sorted({(e.lane, e.name) for e in run.episodes})
    height = LANE * len(rows) + CHART + 70
    size = f'width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect {size} fill="white"/>',
    ]

    def x(moment: float) -> float:
        return round(MARGIN + moment * scale, 1)

    for number, (lane, name) in enumerate(rows):
        y = 10 + LANE * number
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 14}" text-anchor="end">{name}</text>')
        for e in run.episodes:
            if e.name == name:
                width = max(2.0, ((e.ended or end) - e.began) * scale)
                parts.append(
                    f'<rect x="{x(e.began)}" y="{y}" width="{width:.1f}" height="{LANE - 8}" '
                    f'fill="{COLOURS[lane]}" opacity="0.8"><title>{escape(e.note)}</title></rect>'
                )
    bottom = 10 + LANE * len(rows) + CHART
    for column, colour, label in ((1, "#1f77b4", "sends"), (2, "#2ca02c", "receives")):
        rates = [
            (later[0], (later[column] - earlier[column]) / max(0.1, later[0] - earlier[0]))
            for earlier, later in zip(run.timeline, run.timeline[1:], strict=False)
        ]
        most = max([1.0, *(rate for _, rate in rates)])
        points = " ".join(
            f"{x(moment)},{bottom - rate / most * (CHART - 20):.1f}" for moment, rate in rates
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{MARGIN - 6}" y="{bottom - CHART + 20 + 16 * column}" text-anchor="end" '
            f'fill="{colour}">{label}, to {most:,.0f}/s</text>'
        )
    found = run.verdict.findings if run.verdict else []
    parts += [
        f'<line x1="{x(each.at)}" x2="{x(each.at)}" y1="5" y2="{bottom}" stroke="black" '
        f'stroke-dasharray="3 3"><title>{escape(str(each))}</title></line>'
        for each in found
        if each.at is not None
    ]
    parts += [
        f'<text x="{x(tick)}" y="{bottom + 16}" text-anchor="middle">{tick} s</text>'
        for tick in range(0, int(end) + 1, max(1, int(end / 12)))
    ]
    return "\n".join([*parts, "</svg>\n"])
