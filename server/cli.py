"""The command line."""

import asyncio
import difflib
import os
import sys
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.settings import Settings, SettingsError

app = typer.Typer(
    name="hubbub",
    help="A self-hosted chat backend behind one GraphQL schema. Settings come from HUBBUB_… "
    "variables and an optional .env file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
admin_app = typer.Typer(help="Manage administrators.", no_args_is_help=True)
app.add_typer(admin_app, name="admin")
log_app = typer.Typer(help="Look after the event log.", no_args_is_help=True)
app.add_typer(log_app, name="log")
keys_app = typer.Typer(help="Look after the keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")


class CommandFailed(Exception):
    """The command cannot go on; the message says why, and what to do."""


def main() -> None:
    """Run the program; what goes wrong in a foreseeable way is a sentence, not a traceback."""
    try:
        app()
    except (CommandFailed, SettingsError) as error:
        print(f"hubbub: {error}", file=sys.stderr)
        sys.exit(2)


def _settings() -> Settings:
    from server import logs, settings

    loaded = settings.load()
    logs.configure(loaded.log_format, loaded.log_level, loaded.node_id)
    for sentence in settings.misspelt(os.environ):
        print(f"hubbub: {sentence}", file=sys.stderr)
    return loaded


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop, turning what an owner can mend into a sentence."""
    import sqlalchemy.exc
    import uvloop

    from server.app import NotMigrated
    from server.run import AddressInUse

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except (NotMigrated, AddressInUse) as error:
        raise CommandFailed(str(error)) from None
    except (sqlalchemy.exc.OperationalError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise CommandFailed(
            f"{cause}\nIs HUBBUB_DATABASE_URL right, and is the database up?"
        ) from None
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def serve() -> None:
    """Start everything: the API and the background worker."""
    from server.run import serve as run_server

    _run(run_server(_settings(), with_worker=True))


@app.command()
def api() -> None:
    """Start the API alone; run a worker beside it."""
    from server.run import serve as run_server

    _run(run_server(_settings(), with_worker=False))


@app.command()
def worker() -> None:
    """Start the background worker alone."""
    from server.run import work

    _run(work(_settings()))


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

    _run(move(_settings()))


@app.command()
def check() -> None:
    """Say what is missing for people to use this server; exits with 1 if something is."""
    import shutil
    import textwrap

    from server import settings
    from server.checklist import UNSEEN, Finding, Mark, findings, in_words

    colours = {Mark.GOOD: "green", Mark.LOOK: "yellow", Mark.BAD: "red"}
    width = min(shutil.get_terminal_size().columns, 100)
    found: list[Finding] = []

    async def look() -> None:
        found.extend(await findings(settings.read()))

    def put(text: str, first: str, rest: int) -> None:
        lines = textwrap.wrap(text, width - rest, break_long_words=False, break_on_hyphens=False)
        typer.echo(first + ("\n" + " " * rest).join(lines))  # without colours if not on a terminal

    _run(look())
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
            since = _moment(lease.started_at)
            print(f"{lease.node_id:{width}}  {lease.sockets:7}  {lease.people:6}  {since}")

    _run(show(_settings()))


@app.command()
def demo(
    messages: Annotated[int, typer.Option(min=100, max=1_000_000, help="How many.")] = 4000,
) -> None:
    """Fill an empty server with people, chats and messages, and print log-ins to try."""
    from server.app import open_services
    from server.demo import NotEmpty, fill

    async def run(settings: Settings) -> None:
        async with open_services(settings) as services:
            try:
                await fill(services, message_count=messages)
            except NotEmpty as error:
                raise CommandFailed(str(error)) from None

    _run(run(_settings()))


@admin_app.command("create")
def admin_create(
    handle: Annotated[str, typer.Argument(help="The administrator's handle.")],
    display_name: Annotated[
        str | None, typer.Option(help="The name to show; the handle if left out.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="An e-mail address.")] = None,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)
    ] = "",
) -> None:
    """Create an administrator; asks for the password."""
    from models.errors import Refusal
    from resolvers.accounts import create_administrator
    from server.app import open_services

    async def create(settings: Settings) -> None:
        async with open_services(settings) as services:
            try:
                user = await create_administrator(
                    services,
                    handle=handle,
                    password=password,
                    display_name=display_name or handle,
                    email=email,
                )
            except Refusal as refusal:
                raise CommandFailed(refusal.message) from None
        print(f"{user.handle} is an administrator.")

    _run(create(_settings()))


@admin_app.command("list")
def admin_list() -> None:
    """List who administers this server."""
    from resolvers.administration import administrators
    from server.app import open_services

    async def show(settings: Settings) -> None:
        async with open_services(settings) as services:
            found = await administrators(services)
        if not found:
            print("Nobody is an administrator: `hubbub admin create` makes one.")
            return
        width = max(len(user.handle) for user in found)
        for user in found:
            print(f"{user.handle:{width}}  {user.display_name}")

    _run(show(_settings()))


@admin_app.command("invite")
def admin_invite(
    email: Annotated[
        str | None, typer.Option(help="The address that it is for; for anybody if left out.")
    ] = None,
    uses: Annotated[int, typer.Option(help="How many may sign up with it.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=365, help="For how many days it is good.")] = 7,
) -> None:
    """Make an invitation to sign up, and print it."""
    from datetime import timedelta

    from models.errors import Refusal
    from models.sign_up import SignUpPolicy
    from resolvers import invitations, sign_up
    from resolvers.services import utc_now
    from server.app import open_services

    async def invite(settings: Settings) -> None:
        async with open_services(settings) as services:
            try:
                invitation, text = await invitations.create(
                    services,
                    None,
                    email=email,
                    uses=uses,
                    expires_at=utc_now() + timedelta(days=days),
                )
            except Refusal as refusal:
                raise CommandFailed(refusal.message) from None
            policy = await sign_up.policy(services)
        for_whom = f" for {invitation.email}" if invitation.email else ""
        until = invitation.expires_at.strftime("%Y-%m-%d %H:%M UTC")
        print(f"Good for {uses} until {until}{for_whom}, as `register(invitation:)`:\n\n{text}\n")
        if policy is not SignUpPolicy.INVITATION:
            print(f"Sign-up is {policy.value} now, so nobody is asked for it.")

    _run(invite(_settings()))


@app.command()
def audit(
    person: Annotated[
        str | None, typer.Option(help="Only what this handle did, or was done to.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many acts, the newest of all.")
    ] = 50,
) -> None:
    """Print the audit log: who did what, when and from where, the newest last."""
    from rich.console import Console

    from models import users
    from resolvers.audit import about
    from server.app import open_services
    from server.audit_table import show

    async def read(settings: Settings) -> None:
        async with open_services(settings) as services:
            async with services.db.reading() as connection:
                whose = await users.by_handle(connection, person.lower()) if person else None
            if person and whose is None:
                raise CommandFailed(f"Nobody here is called {person}.")
            entries = await about(services, whose.id if whose else None, limit=last)
            ids = {each for entry in entries for each in (entry.actor_id, entry.subject_id) if each}
            async with services.db.reading() as connection:
                people = await users.by_ids(connection, ids)
        # In a file or a pipe there is room: a line for each act, to be searched.
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 240
        show(Console(width=wide), entries, people)

    _run(read(_settings()))


@log_app.command("reset")
def log_reset() -> None:
    """Empty the event log and make it another one, after a backup was restored."""
    from models import restored
    from server.app import open_services

    async def reset(settings: Settings) -> None:
        async with open_services(settings) as services, services.db.writing() as connection:
            await restored.begin_log_anew(connection)
        print("The event log begins anew: clients will fetch afresh.")

    _run(reset(_settings()))


@keys_app.command("list")
def keys_list() -> None:
    """List the keys that sign access tokens, and what each is good for."""
    from server.app import open_services

    async def show(settings: Settings) -> None:
        async with open_services(settings) as services:
            listed = await services.credentials.signing_keys.listed()
        print(f"{'key':16}  {'made':23}  state")
        for key, state in listed:
            print(f"{key.id:16}  {_moment(key.created_at):23}  {state}")

    _run(show(_settings()))


@keys_app.command("rotate")
def keys_rotate(
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End every access token at once; clients get new ones.")
    ] = False,
) -> None:
    """Make another key sign access tokens, after a minute; nobody is signed out."""
    from resolvers.services import utc_now
    from server.app import open_services

    async def rotate(settings: Settings) -> None:
        async with open_services(settings) as services:
            key = await services.credentials.signing_keys.rotate(utc_now(), revoke=revoke)
        if revoke:
            print(f"Key {key.id} signs from now on. What others have signed is no longer good.")
        else:
            print(f"Key {key.id} signs from {_moment(key.signs_from)} on.")

    _run(rotate(_settings()))


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


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
