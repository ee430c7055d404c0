"""The audit log as a table for people, the newest act last."""

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.audit import Entry
from models.users import User

# Ours begin with the time, so those made together begin alike.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def show(console: Console, entries: Sequence[Entry], people: Mapping[UUID, User]) -> None:
    """Print acts, with the people whom they name."""
    if not entries:
        console.print("Nothing is in the audit log.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("who", overflow="fold")
    table.add_column("did what", no_wrap=True)
    table.add_column("to whom", overflow="fold")
    table.add_column("from where")
    table.add_column("details", overflow="fold")
    for entry in entries:
        table.add_row(
            entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            _name(entry.actor_id, people, nobody="–"),
            entry.act.replace("_", " "),
            _name(entry.subject_id, people, nobody=""),
            # What a client calls itself is its own to choose: it colours nothing here.
            escape(entry.address or ""),
            escape(_details(entry)),
        )
    console.print(table)


def _details(entry: Entry) -> str:
    told = {name: str(value) for name, value in entry.details.items() if value is not None}
    return ", ".join(f"{name} {_UUID.sub(_short, value)}" for name, value in told.items())


def _short(id_: re.Match[str]) -> str:
    """Return the end of an id, which is enough to see where it comes up again; see `_UUID`."""
    return "…" + id_[0][-8:]


def _name(user_id: UUID | None, people: Mapping[UUID, User], *, nobody: str) -> str:
    if user_id is None:
        return nobody
    user = people.get(user_id)
    return user.handle if user else f"account {user_id}"
