"""Where the memory of Hubbub's idle sockets was taken: tracemalloc, by file and by line."""

import os
import signal
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tracemalloc import Filter, Snapshot, StatisticDiff

from bench import processes, servers
from bench.databases import Cast
from bench.results import Table
from bench.servers import Server
from bench.subscribers import Subscribers, sends

SHOWN = 25  # files, and lines
WARM_UP = 20  # messages, and as many sockets that are not counted: the first of all set much up
PATIENCE = 120.0  # seconds for a snapshot: it holds every block of Python's


def show(url: str, cast: Cast, sockets: int, directory: Path, core: set[int]) -> None:
    """Print what the sockets hold, each allocation under the file and line that asked for it."""
    snapshot = directory / "snapshot"
    with servers.hubbub(
        url, directory, core, _command(directory), BENCH_SNAPSHOT=str(snapshot)
    ) as server:
        subscribers = Subscribers(server.port, sends(cast))
        tokens = [person.token for person in cast.people[1 : sockets + 1]]
        for _ in range(WARM_UP):
            subscribers.deliver()
        subscribers.subscribe(tokens[:WARM_UP])
        subscribers.until_heard()
        before = _taken(server, snapshot)
        held = processes.resident_bytes(server.pid)
        subscribers.subscribe(tokens[WARM_UP:])
        subscribers.tend()
        after = _taken(server, snapshot)
        held = processes.resident_bytes(server.pid) - held
        subscribers.tend()
        subscribers.until_heard()
        subscribers.close()
    opened = len(tokens) - WARM_UP
    for heading, key in (("file", "filename"), ("line", "lineno")):
        print(f"\n{_table(heading, after.compare_to(before, key), opened)}")
    traced = sum(each.size_diff for each in after.compare_to(before, "filename"))
    print(
        f"\n{opened} sockets: {traced / opened / 1024:.1f} KiB each that Python's allocators gave; "
        f"the process grew by {held / opened / 1024:.1f}, tracing's own notes included. libuv's "
        "memory is not traced."
    )


def _command(directory: Path) -> Path:
    """Return a program that is started like `hubbub`, and traces."""
    program = directory / "traced-hubbub"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(processes.ROOT)!r})\n"
        "from bench import traced_hubbub\ntraced_hubbub.run()\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def _taken(server: Server, target: Path) -> Snapshot:
    """Return a snapshot of a server at rest."""
    server.rest()
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while not target.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no snapshot after {PATIENCE:g} s")
        time.sleep(0.1)
    snapshot = Snapshot.load(str(target))
    target.unlink()
    return snapshot.filter_traces([Filter(inclusive=False, filename_pattern="*/tracemalloc.py")])


def _table(heading: str, differences: Sequence[StatisticDiff], sockets: int) -> Table:
    table = Table([heading, "KiB per socket", "objects per socket"])
    for each in sorted(differences, key=lambda each: -abs(each.size_diff))[:SHOWN]:
        frame = each.traceback[0]
        name = _short(frame.filename)
        table.add(
            name if heading == "file" else f"{name}:{frame.lineno}",
            f"{each.size_diff / sockets / 1024:.2f}",
            f"{each.count_diff / sockets:.1f}",
        )
    return table


def _short(filename: str) -> str:
    """Return a file's name without what comes before its package."""
    for folder in ("site-packages/", f"{processes.ROOT}/", f"{Path(os.__file__).parent}/"):
        if folder in filename:
            return filename.partition(folder)[2]
    return filename
