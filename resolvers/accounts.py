"""Signing up and in."""

import re

import structlog

from accounts.addresses import Address
from models import audit, users, verified_emails
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import BadCredentials, InvalidInput
from models.users import User
from resolvers import emails, passwords
from resolvers.emails import Login
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import SignedIn, device, open_session, signed_in
from resolvers.text import line

log = structlog.get_logger(__name__)

HANDLE = re.compile(r"[a-z][a-z0-9_]{2,31}")
MAX_NAME = 64


async def register(
    services: Services,
    *,
    handle: str,
    password: str,
    display_name: str,
    email: str | None = None,
    device_name: str | None = None,
    client: Client = NOWHERE,
) -> SignedIn:
    """Create a person and sign them in; raises `HandleTaken`, `InvalidInput` or `Overloaded`.

    An address is theirs when they have proven it, for which they are mailed a code.
    """
    await services.rates.spend_from(Rate.REGISTER_FROM_ADDRESS, client)
    name = device(device_name)
    address = emails.address(email, path="email") if email is not None else None
    if address is not None:
        await emails.may_be_written_to(services, address)
    user, password_hash = await _new_person(services, handle, password, display_name, address)
    now = user.created_at
    async with services.db.writing() as connection:
        await users.create(connection, user, password_hash)
        opened = await open_session(
            services, connection, user, device_name=name, client=client, now=now
        )
        await audit.record(
            connection,
            Act.REGISTERED,
            now=now,
            actor_id=user.id,
            session_id=opened.session.id,
            client=client,
        )
        if address is not None:
            await emails.ask_for_proof(services, connection, user, address, now=now)
    services.node.announce_log()
    return signed_in(services, opened)


async def create_administrator(
    services: Services, *, handle: str, password: str, display_name: str, email: str | None
) -> User:
    """Create an administrator without a session; for the command line. Raises as `register`."""
    address = emails.address(email, path="email") if email is not None else None
    user, password_hash = await _new_person(
        services, handle, password, display_name, address, is_admin=True
    )
    async with services.db.writing() as connection:
        await users.create(connection, user, password_hash)
        await audit.record(
            connection,
            Act.ADMINISTRATOR_CREATED,
            now=user.created_at,
            actor_id=None,
            subject_id=user.id,
        )
    return user


async def log_in(
    services: Services,
    *,
    handle: str,
    password: str,
    device_name: str | None = None,
    client: Client = NOWHERE,
) -> SignedIn:
    """Open a session; a wrong password and an unknown handle answer, and cost, the same."""
    await services.rates.spend_from(Rate.LOG_IN_FROM_ADDRESS, client)
    name = device(device_name)
    user = await check_password(services, handle, password, client=client)
    now = utc_now()
    async with services.db.writing() as connection:
        opened = await open_session(
            services, connection, user, device_name=name, client=client, now=now
        )
        await audit.record(
            connection,
            Act.LOGGED_IN,
            now=now,
            actor_id=user.id,
            session_id=opened.session.id,
            client=client,
        )
    services.node.announce_log()
    return signed_in(services, opened)


async def check_password(services: Services, handle: str, password: str, *, client: Client) -> User:
    """Return the person whose handle, or verified address, and password these are.

    Who is unknown, has no password, or gave a wrong one is answered alike, after the same work.
    Raises `BadCredentials`, or `Overloaded`.
    """
    login = Login.read(handle)
    async with services.db.reading() as connection:
        known = (
            await verified_emails.credentials(connection, login.text)
            if login.is_address
            else await users.credentials(connection, login.text)
        )
    matches = await passwords.matches(services, known[1] if known else None, password)
    async with services.db.reading() as connection:
        user_id = known[0] if known is not None else new_key()
        user = (await users.by_ids(connection, [user_id])).get(user_id)
    if matches and user is not None and user.may_sign_in:
        return user
    log.info("log_in_refused")
    async with services.db.writing() as connection:
        await audit.record(
            connection,
            Act.LOG_IN_FAILED,
            now=utc_now(),
            actor_id=None,
            client=client,
            subject_id=user.id if user is not None else None,
        )
    raise BadCredentials


async def _new_person(
    services: Services,
    handle: str,
    password: str,
    display_name: str,
    address: Address | None,
    *,
    is_admin: bool = False,
) -> tuple[User, str]:
    """Return a person who keeps the rules, not stored yet, and their password's hash."""
    user = User(
        id=new_key(),
        handle=_new_handle(handle),
        display_name=line(
            display_name, what="The display name", maximum=MAX_NAME, path=["displayName"]
        ),
        email=address.text if address is not None else None,
        is_admin=is_admin,
        created_at=utc_now(),
    )
    usable = passwords.chosen(services, password, passwords.known_of(user), path="password")
    return user, await passwords.hashed(services, usable)


def _new_handle(handle: str) -> str:
    handle = handle.strip().lower()
    if not HANDLE.fullmatch(handle):
        raise InvalidInput(
            "A handle has 3 to 32 characters: a letter, then letters, digits or underscores "
            "(a to z only).",
            path=["handle"],
        )
    return handle
