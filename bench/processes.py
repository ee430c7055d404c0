"""Processes under measurement: what they cost, which core they keep to, and that they end."""

import os
import resource
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]

_TICKS = os.sysconf("SC_CLK_TCK")  # 100 a second: measure for seconds, not for milliseconds
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, all of its threads together."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    # proc_pid_stat(5): the name, in parentheses, may hold anything; utime is field 14, stime 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds."""
    # proc_pid_statm(5): the second number is the resident set, in pages.
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has held, since it started or `forget_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.removesuffix("kB")) * 1024
    raise ProcessLookupError(f"process {pid} has ended")


def forget_peak(pid: int) -> None:
    """Let a process's peak begin at what it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc_pid_clear_refs(5)


class CannotRun(Exception):
    """Something is missing on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the process under measurement has, and which are for everything else."""

    measured: set[int]
    others: set[int]

    @classmethod
    def apart(cls) -> "Cores":
        """One core for what is measured; with a single core, both are that one."""
        *others, last = sorted(os.sched_getaffinity(0))
        return cls({last}, set(others) or {last})

    @classmethod
    def shared(cls) -> "Cores":
        """Every core for everybody."""
        return cls(os.sched_getaffinity(0), os.sched_getaffinity(0))


def keep_to(cores: set[int]) -> None:
    """Keep this process to these cores, with every thread that it has and will have."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def starting_on(cores: set[int]) -> Iterator[None]:
    """Let what is started inside the block keep to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def prepare(open_files: int = 1024) -> None:
    """Check that this can run here at all; let SIGTERM end it as Ctrl-C does, servers stopped."""
    if sys.platform != "linux":
        raise CannotRun("the benchmarks read /proc and pin processes to cores: use Linux")
    signal.signal(signal.SIGTERM, _interrupt)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = open_files + 200  # what an interpreter and a database hold open besides
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise CannotRun(f"{wanted} open files are needed, and `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def command(module: str, arguments: Sequence[str]) -> str:
    """Return the command line to repeat a benchmark; keeping its results is no part of it."""
    kept = [argument for argument in arguments if argument != "--record"]
    return shlex.join(["python", "-m", module, *kept])


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run a command with the arguments of this process; what can be mended is a sentence."""
    try:
        main(sys.argv[1:])
    except CannotRun as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
