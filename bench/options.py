"""Options that every benchmark has."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def count(text: str) -> int:
    """Read a number of things, at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def parser(
    module: str, description: str | None, *, rounds: int, seconds: float | None
) -> argparse.ArgumentParser:
    """Return a parser that knows how many rounds, how long, where, and what to keep.

    Without `seconds` a turn takes as long as it takes.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--rounds", type=count, default=rounds, help=f"turns of each contestant ({rounds})"
    )
    if seconds is not None:
        made.add_argument(
            "--seconds", type=float, default=seconds, help=f"that a turn takes ({seconds:g})"
        )
    made.add_argument(
        "--directory", type=Path, help="where to make a temporary folder for data, on a real disk"
    )
    made.add_argument("--record", action="store_true", help="put the figures into bench/RESULTS.md")
    return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options given, with the arguments themselves as `arguments`."""
    given = made.parse_args(arguments)
    if getattr(given, "seconds", 1) <= 0:
        made.error("--seconds must be more than 0")
    given.arguments = list(arguments)
    return given
