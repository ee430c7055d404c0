"""What a run looks like while it goes on."""

from __future__ import annotations

import asyncio
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tests.faults.goals import unknown_share
from tests.faults.history import Kind, State
from tests.faults.run import Run

PLAIN_EVERY = 15.0  # seconds between lines where nobody watches live
LATELY = 30  # seconds over which the present rate is taken


async def show(run: Run, console: Console) -> None:
    """Show the run until cancelled: live on a terminal, else a line now and then."""
    if not console.is_terminal:
        await _lines(run, console)
        return
    with Live(console=console, refresh_per_second=4, get_renderable=lambda: _screen(run)):
        await asyncio.Event().wait()


async def _lines(run: Run, console: Console) -> None:
    last = ""
    spoken = 0.0
    while True:
        if run.phase != last or time.monotonic() - spoken > PLAIN_EVERY:
            last, spoken = run.phase, time.monotonic()
            struck = ", ".join(f"{name} {times}" for name, times in sorted(run.strikes.items()))
            console.print(
                f"{_sentence(run)}{f'; {struck}' if struck else ''}",
                soft_wrap=True,
                highlight=False,
            )
        await asyncio.sleep(0.5)


def rate_now(run: Run) -> float:
    """Return how many sends a second were acknowledged lately."""
    lately = run.timeline[-LATELY - 1 :]
    if len(lately) < 2:
        return 0.0
    return (lately[-1][1] - lately[0][1]) / (lately[-1][0] - lately[0][0])


def projected(run: Run) -> float:
    """Return how many sends will be acknowledged if it goes on as it did so far."""
    if not run.timeline:
        return 0.0
    now, sends, _ = run.timeline[-1]
    done = (now - run.talking_since) / run.options.seconds
    return sends / min(1.0, done) if done > 0 else 0.0


def _sentence(run: Run) -> str:
    count = run.history.count
    said = (
        f"{run.history.now:6.0f} s  {run.phase}: {run.sends:,} sends, "
        f"{count(Kind.RECEIVE, State.OK):,} receives, {count(Kind.RESUME, State.OK):,} resumes, "
        f"{unknown_share(run.history.counts):.1%} not known"
    )
    if run.phase != "talking":
        return said
    active = (
        f", now {', '.join(run.schedule.active)}" if run.schedule and run.schedule.active else ""
    )
    return f"{said}; {rate_now(run):.0f} sends/s, {projected(run):,.0f} in all{active}"


def _screen(run: Run) -> Group:
    count = run.history.count
    done = Table(box=None, pad_edge=False)
    for heading in ("", "ok", "refused", "not known"):
        done.add_column(heading, justify="right" if heading else "left")
    for kind in Kind:
        states = (State.OK, State.FAIL, State.INFO)
        done.add_row(kind.value, *(f"{count(kind, state):,}" for state in states))
    struck = Table(box=None, pad_edge=False)
    struck.add_column("nemesis")
    struck.add_column("times", justify="right")
    active = run.schedule.active if run.schedule else []
    for name, times in sorted(run.strikes.items()):
        struck.add_row(Text(name, style="bold red" if name in active else ""), str(times))
    both = Table.grid(padding=(0, 6))
    both.add_row(done, struck)
    return Group(Text(_sentence(run), style="bold"), Text(), both)
