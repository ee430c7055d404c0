"""Commands that look after accounts: administrators, the audit log, signing keys."""

import os
import sys
from typing import Annotated

import typer

from server.commands import CommandFailed, loaded_settings, moment, run
from server.settings import Settings

admin_app = typer.Typer(help="Manage administrators.", no_args_is_help=True)
keys_app = typer.Typer(help="Look after the keys that sign access tokens.", no_args_is_help=True)


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

    run(create(loaded_settings()))


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

    run(show(loaded_settings()))


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

    run(invite(loaded_settings()))


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

    run(read(loaded_settings()))


@keys_app.command("list")
def keys_list() -> None:
    """List the keys that sign access tokens, and what each is good for."""
    from server.app import open_services

    async def show(settings: Settings) -> None:
        async with open_services(settings) as services:
            listed = await services.credentials.signing_keys.listed()
        print(f"{'key':16}  {'made':23}  state")
        for key, state in listed:
            print(f"{key.id:16}  {moment(key.created_at):23}  {state}")

    run(show(loaded_settings()))


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
            print(f"Key {key.id} signs from {moment(key.signs_from)} on.")

    run(rotate(loaded_settings()))
