"""Say what the demo has made, and how to go on."""

import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.table import Table

from models import chat_lists, chats, members, messages, users
from models.chat_lists import Wanted
from models.chats import ChatKind
from models.database import Connection
from models.messages import MessageKind
from resolvers.services import utc_now
from server.demo.people import SHOWN

MOST_TITLES = 2  # of a person's groups, the latest activity first


async def print_report(console: Console, connection: Connection, *, password: str) -> None:
    """Print who can log in, with what is waiting for them, and what to do next."""
    people, groups, directs, sent = (
        await connection.execute(
            sa.select(
                _count(users.users),
                _count(chats.chats, chats.chats.c.kind == ChatKind.GROUP.value),
                _count(chats.chats, chats.chats.c.kind == ChatKind.DIRECT.value),
                _count(messages.messages, messages.messages.c.kind != MessageKind.SYSTEM.value),
            )
        )
    ).one()
    console.print(
        f"\n[bold]{people} people are talking[/]: {groups} groups, {directs} direct chats, "
        f"{sent:,} messages.\n"
    )
    console.print(await _log_ins(connection))
    console.print(
        f"The password is [bold green]{password}[/] for all of them. It is no secret, so keep\n"
        "this server to yourself.\n\n"
        "[bold]Next[/]  Start the server, unless it runs already:  [bold]hubbub serve[/]\n"
        "      Open http://localhost:8000/graphiql/ and log in as one of them.\n"
    )


async def _log_ins(connection: Connection) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Log in as", style="bold green", no_wrap=True)
    table.add_column("Name", no_wrap=True)
    table.add_column("Chats", justify="right")
    table.add_column("Unread", justify="right")
    table.add_column("Among them")
    for handle in SHOWN:
        user = await users.by_handle(connection, handle)
        if user is None:
            continue
        groups = await chat_lists.page(
            connection,
            user.id,
            Wanted(kind=ChatKind.GROUP),
            now=utc_now(),
            after=None,
            limit=MOST_TITLES,
        )
        table.add_row(
            handle,
            user.display_name,
            str(len(await members.of_user(connection, user.id))),
            str(await members.unread_total(connection, user.id)),
            ", ".join(group.chat.title or "" for group in groups),
        )
    return table


def _count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(table).where(*conditions).scalar_subquery()
