"""The command line."""

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from server import cli_accounts
from server.commands import CommandFailed, loaded_settings, moment, run
from server.settings import Settings, SettingsError

app = typer.Typer(
    name="hubbub",
    help="A self-hosted chat backend behind one GraphQL schema. Settings come from HUBBUB_… "
    "variables and an optional .env file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_accounts.admin_app, name="admin")
log_app = typer.Typer(help="Look after the event log.", no_args_is_help=True)
app.add_typer(log_app, name="log")
app.add_typer(cli_accounts.keys_app, name="keys")
search_app = typer.Typer(help="Look after the search for messages.", no_args_is_help=True)
app.add_typer(search_app, name="search")


def main() -> None:
    """Run the program; what goes wrong in a foreseeable way is a sentence, not a traceback."""
    try:
        app()
    except (CommandFailed, SettingsError) as error:
        print(f"hubbub: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def serve() -> None:
    """Start everything: the API and the background worker."""
    from server.run import serve as run_server

    run(run_server(loaded_settings(), with_worker=True))


@app.command()
def api() -> None:
    """Start the API alone; run a worker beside it."""
    from server.run import serve as run_server

    run(run_server(loaded_settings(), with_worker=False))


@app.command()
def worker() -> None:
    """Start the background worker alone."""
    from server.run import work

    run(work(loaded_settings()))


@app.command()
def migrate(
    down_to: Annotated[
        str | None, typer.Option(help="Go back to this revision; `base` drops every table.")
    ] = None,
) -> None:
    """Bring the database up to date."""
    from models.database import Database
    from server import migrations

    async def move(settings: Settings) -> None:
        db = Database(settings.database_url)
        try:
            before = await migrations.current(db)
            if down_to is None:
                await migrations.migrate(db)
            else:
                await migrations.revert(db, down_to)
            after = await migrations.current(db)
        finally:
            await db.close()
        if before == after:
            print(f"The database is at {after or 'base'} already.")
        else:
            print(f"Migrated the database from {before or 'nothing'} to {after or 'base'}.")

    run(move(loaded_settings()))


@app.command()
def check() -> None:
    """Say what is missing for people to use this server; exits with 1 if something is."""
    import shutil
    import textwrap

    from server import environment
    from server.checklist import UNSEEN, Finding, Mark, findings, in_words

    colours = {Mark.GOOD: "green", Mark.LOOK: "yellow", Mark.BAD: "red"}
    width = min(shutil.get_terminal_size().columns, 100)
    found: list[Finding] = []

    async def look() -> None:
        found.extend(await findings(environment.read()))

    def put(text: str, first: str, rest: int) -> None:
        lines = textwrap.wrap(text, width - rest, break_long_words=False, break_on_hyphens=False)
        typer.echo(first + ("\n" + " " * rest).join(lines))  # without colours if not on a terminal

    run(look())
    column = max(len(finding.subject) for finding in found)
    print()
    for finding in found:
        mark = typer.style(finding.mark.value, fg=colours[finding.mark])
        indent = column + 6
        put(finding.found, f"  {mark} {finding.subject:{column}}  ", indent)
        if finding.advice:
            put(finding.advice, f"{' ' * (indent - 2)}→ ", indent)
    print(f"\n  {in_words(found)} What cannot be seen from here:\n")
    for each in UNSEEN:
        put(each, "  · ", 4)
    print()
    if any(finding.mark is Mark.BAD for finding in found):
        sys.exit(1)


@app.command()
def nodes() -> None:
    """List the nodes that run, and how many sockets and people each holds."""
    from realtime.registry import RegistryUnavailable
    from server.app import open_services

    async def show(settings: Settings) -> None:
        async with open_services(settings) as services:
            try:
                running = await services.node.registry.running_nodes()
            except RegistryUnavailable as error:
                raise CommandFailed(f"{error}\nIs HUBBUB_BUS_URL right, and is Redis up?") from None
        if not running:
            print("No node is running.")
            return
        width = max(len(lease.node_id) for lease in running)
        print(f"{'node':{width}}  sockets  people  running since")
        for lease in running:
            since = moment(lease.started_at)
            print(f"{lease.node_id:{width}}  {lease.sockets:7}  {lease.people:6}  {since}")

    run(show(loaded_settings()))


@app.command()
def demo(
    messages: Annotated[int, typer.Option(min=100, max=1_000_000, help="How many.")] = 4000,
) -> None:
    """Fill an empty server with people, chats and messages, and print log-ins to try."""
    from server.app import open_services
    from server.demo import NotEmpty, fill

    async def tell(settings: Settings) -> None:
        async with open_services(settings) as services:
            try:
                await fill(services, message_count=messages)
            except NotEmpty as error:
                raise CommandFailed(str(error)) from None

    run(tell(loaded_settings()))


@log_app.command("reset")
def log_reset() -> None:
    """Empty the event log and make it another one, after a backup was restored."""
    from models import restored
    from server.app import open_services

    async def reset(settings: Settings) -> None:
        async with open_services(settings) as services, services.db.writing() as connection:
            await restored.begin_log_anew(connection)
        print("The event log begins anew: clients will fetch afresh.")

    run(reset(loaded_settings()))


@search_app.command("reindex")
def search_reindex() -> None:
    """Have every message found by the languages of the settings; the server may run."""
    from resolvers.indexing import reindex
    from server.app import open_services

    async def make(settings: Settings) -> None:
        async with open_services(settings) as services:
            count = await reindex(services, told)
        print(f"{count} messages are found by {', '.join(settings.search_languages)}.")

    def told(count: int) -> None:
        if count % 100_000 == 0:
            print(f"{count} messages so far", file=sys.stderr)

    run(make(loaded_settings()))


app.command()(cli_accounts.audit)


@app.command()
def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Fail unless the published files hold the schema.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Bring the published files up to date.")
    ] = False,
    admin: Annotated[
        bool, typer.Option("--admin", help="Print the schema that administrators have.")
    ] = False,
) -> None:
    """Print the GraphQL schema, as clients and code generators take it."""
    from schema.engine import build_schema, printed, published

    texts = {
        path: printed(build_schema(administrators=administrators))
        for administrators, path in published().items()
    }
    if check:
        for path, text in texts.items():
            _check_published(path, text)
    elif write:
        for path, text in texts.items():
            path.write_text(text)
    else:
        print(texts[published()[admin]], end="")


def _check_published(path: Path, text: str) -> None:
    before = path.read_text() if path.exists() else ""
    if before != text:
        difference = difflib.unified_diff(
            before.splitlines(), text.splitlines(), "published", "the code's", lineterm=""
        )
        raise CommandFailed(
            "\n".join(difference)
            + f"\n{path.name} is not the code's schema: run `hubbub schema --write`."
        )
