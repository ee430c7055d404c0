"""What a figure was measured on: hardware, system, versions, disk, and what else was running."""

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "starlette",
    "strawberry-graphql",
    "graphql-core",
    "orjson",
    "sqlalchemy",
    "asyncpg",
    "aiosqlite",
)
IN_MEMORY = ("tmpfs", "ramfs")


def description(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Return a line each on the processor, the system and the packages."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    machine = (
        f"Machine: {_processor()}, {cores} core{'s' if cores > 1 else ''}, "
        f"{_memory_gib():.0f} GiB of memory; load average {load:.1f} before it started"
    )
    system = (
        f"System: {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
    return [
        machine,
        system,
        "Packages: " + ", ".join(f"{name} {version(name)}" for name in packages),
    ]


def disk(directory: Path) -> str:
    """Return the file system of a folder and what making a write durable costs there."""
    return (
        f"Disk: {file_system(directory)}, fdatasync of a 4 KiB append {_sync_ms(directory):.2f} ms"
    )


def file_system(directory: Path) -> str:
    """Return the kind of file system that a folder lies on."""
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, found, *_ = line.split()
        mount = Path(place.replace("\\040", " "))
        if directory.resolve().is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, found
    return kind


def _sync_ms(directory: Path) -> float:
    taken = []
    path = directory / "sync"
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(taken) * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
