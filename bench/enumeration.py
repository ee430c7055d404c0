"""Who asks for somebody who does not exist: whether the time of the answer tells.

At a real `hubbub api` on SQLite, with passwords hashed as in production, somebody known and
somebody unknown are asked for in turn, over one connection: logging in with a wrong password,
asking for a new one, and registering with an address. The work is the same by construction, and
tests count it; this shows what is left of a difference beside the noise of the machine.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench import processes
from bench.results import Table
from models import users, verified_emails
from models.database import Database
from tests.parts.hubbub import COMMAND, ServerProcess

HANDLE, ADDRESS, PASSWORD = "known", "known@example.org", "a password for benchmarks"
TIMEOUT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Case:
    """A mutation, and its input for somebody known and for somebody unknown, by number."""

    name: str
    mutation: str
    known: Callable[[int], dict[str, str]]
    unknown: Callable[[int], dict[str, str]]


def _log_in(handle: str) -> dict[str, str]:
    return {"handle": handle, "password": "a wrong password"}


def _register(handle: str, email: str) -> dict[str, str]:
    return {"handle": handle, "password": PASSWORD, "displayName": "Somebody", "email": email}


CASES = [
    Case("log-in by handle", "logIn", lambda _: _log_in(HANDLE), lambda n: _log_in(f"nobody_{n}")),
    Case(
        "log-in by address",
        "logIn",
        lambda _: _log_in(ADDRESS),
        lambda n: _log_in(f"nobody{n}@example.org"),
    ),
    Case(
        "new password by handle",
        "requestPasswordReset",
        lambda _: {"handle": HANDLE},
        lambda n: {"handle": f"nobody_{n}"},
    ),
    Case(
        "new password by address",
        "requestPasswordReset",
        lambda _: {"handle": ADDRESS},
        lambda n: {"handle": f"nobody{n}@example.org"},
    ),
    Case(
        "registering with an address",
        "register",
        lambda n: _register(f"known_{n}", ADDRESS),
        lambda n: _register(f"unknown_{n}", f"free{n}@example.org"),
    ),
]


def main(arguments: Sequence[str]) -> None:
    """Measure every case and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.enumeration", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="of each case (100)")
    rounds = parser.parse_args(arguments).rounds
    processes.prepare()
    table = Table(["ms", "known", "unknown", "difference", "middle half", "known was slower"])
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), COMMAND, ("api",), {})
        try:
            server.wait_ready()
            asyncio.run(_settle_in(server, Path(folder)))
            with httpx.Client(base_url=server.url, trust_env=False, timeout=TIMEOUT) as http:
                for case in CASES:
                    table.add(*_measured(http, case, rounds))
                    print(f"{case.name}: done", flush=True)
        finally:
            server.kill()
    print(f"\nMedians of {rounds} requests each, one known and one unknown in turn.\n\n{table}")


async def _settle_in(server: ServerProcess, folder: Path) -> None:
    """Register the one person that there is, with an address that is proven."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=TIMEOUT) as http:
        answer = await http.post("/graphql", json=_body("register", _register(HANDLE, ADDRESS)))
        answer.raise_for_status()
    db = Database(f"sqlite:///{folder / 'data' / 'hubbub.db'}")
    try:
        async with db.writing() as connection:
            user = await users.by_handle(connection, HANDLE)
            if user is None:
                raise RuntimeError(f"nobody was registered: {answer.text}")
            await verified_emails.prove(
                connection, user.id, address=ADDRESS, key=ADDRESS, now=datetime.now(UTC)
            )
    finally:
        await db.close()


def _measured(http: httpx.Client, case: Case, rounds: int) -> list[str]:
    """Return a case's line. Who comes first changes each time."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(-2, rounds):  # the first two warm up
        for known in (True, False) if number % 2 else (False, True):
            given = (case.known if known else case.unknown)(number + 2)
            began = time.perf_counter()
            answer = http.post("/graphql", json=_body(case.mutation, given))
            elapsed = (time.perf_counter() - began) * 1000
            answer.raise_for_status()
            if "errors" in answer.json():
                raise RuntimeError(answer.text)
            if number >= 0:
                taken[known].append(elapsed)
    low, _, high = statistics.quantiles(taken[True] + taken[False], n=4)
    medians = {known: statistics.median(values) for known, values in taken.items()}
    slower = sum(a > b for a, b in zip(taken[True], taken[False], strict=True))
    return [
        case.name,
        f"{medians[True]:.2f}",
        f"{medians[False]:.2f}",
        f"{medians[True] - medians[False]:+.2f}",
        f"{low:.2f}–{high:.2f}",
        f"{100 * slower / rounds:.0f} %",
    ]


def _body(mutation: str, given: dict[str, str]) -> dict[str, Any]:
    type_ = f"{mutation[0].upper()}{mutation[1:]}Input"
    query = f"mutation($input: {type_}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}"
    return {"query": query, "variables": {"input": given}}


if __name__ == "__main__":
    processes.run(main)
