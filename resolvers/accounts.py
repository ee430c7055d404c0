"""Signing up and in."""

import structlog

from accounts.handles import is_handle
from accounts.passwords import TooManyWaiting
from models import audit, users
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import (
    AccountSuspended,
    BadCredentials,
    Forbidden,
    InvalidInput,
    Overloaded,
    TooLong,
)
from models.users import User
from resolvers import log_in_challenges, names, sign_up
from resolvers.guessing import count_guess, forgive
from resolvers.log_in_challenges import Challenge
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import SignedIn, device, open_session, signed_in
from resolvers.text import checked, line

log = structlog.get_logger(__name__)

MIN_PASSWORD = 8  # NIST SP 800-63B §3.1.1.2: length is what counts; no composition rules
MAX_PASSWORD = 256
MAX_EMAIL = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets


async def register(
    services: Services,
    *,
    handle: str,
    password: str,
    display_name: str,
    email: str | None = None,
    device_name: str | None = None,
    invitation: str | None = None,
    client: Client = NOWHERE,
) -> SignedIn:
    """Create a person and sign them in; raises `HandleTaken`, `InvalidInput` or `Overloaded`.

    Also `SignUpClosed` and `InvitationRequired`, where not everybody may.
    """
    require_passwords(services)
    await services.rates.spend_from(Rate.REGISTER_FROM_ADDRESS, client)
    name = device(device_name)
    user, password_hash = await _new_person(services, handle, password, display_name, email)
    now = user.created_at
    async with services.db.writing() as connection:
        used = await sign_up.admit(
            services, connection, invitation=invitation, email=user.email, now=now
        )
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
            details={"invitation": str(used)} if used else None,
        )
    services.node.announce_log()
    return signed_in(services, opened)


def require_passwords(services: Services) -> None:
    """Raise `Forbidden` where another issuer vouches for everybody."""
    if not services.rules.passwords:
        raise Forbidden("This server takes no passwords: sign in at its issuer of tokens.")


async def create_administrator(
    services: Services, *, handle: str, password: str, display_name: str, email: str | None
) -> User:
    """Create an administrator without a session; for the command line. Raises as `register`."""
    user, password_hash = await _new_person(
        services, handle, password, display_name, email, is_admin=True
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
) -> SignedIn | Challenge:
    """Open a session, or return what is asked for beside the password.

    A wrong password and an unknown handle answer, and cost, the same.
    """
    require_passwords(services)
    await services.rates.spend_from(Rate.LOG_IN_FROM_ADDRESS, client)
    name = device(device_name)
    user = await check_password(services, handle, password, client=client)
    now = utc_now()
    async with services.db.writing() as connection:
        challenge = await log_in_challenges.issue(
            services, connection, user, device_name=name, client=client, now=now
        )
        if challenge is not None:
            return challenge
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
            details={"with": ["password"]},
        )
    services.node.announce_log()
    return signed_in(services, opened)


async def check_password(services: Services, handle: str, password: str, *, client: Client) -> User:
    """Return the person whose handle and password these are; raises `BadCredentials`.

    Who is unknown, has no password, or gave a wrong one is answered alike, after the same work.
    Who gave the right one and is suspended is told so: `AccountSuspended`. Raises `RateLimited`
    where it was tried too often: see `resolvers/guessing.py`.
    """
    handle = handle.strip().lower()
    async with services.db.reading() as connection:
        # What could not be registered is nobody's, and is not sent to the database.
        known = await users.credentials(connection, handle if is_handle(handle) else "")
    user_id = known[0] if known is not None else new_key()
    await count_guess(services, handle, user_id, client)
    usable = password[:MAX_PASSWORD]
    try:
        matches = await services.credentials.passwords.verify(
            known[1] if known and usable == password else None, usable
        )
    except TooManyWaiting as error:
        raise Overloaded from error
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [user_id])).get(user_id)
    if matches and user is not None and user.may_sign_in:
        await forgive(services, handle, client)
        return user
    # Only to who knows the password: nobody else learns from it that there is an account.
    suspended = matches and user is not None and user.deleted_at is None
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
    raise AccountSuspended if suspended else BadCredentials


async def _new_person(
    services: Services,
    handle: str,
    password: str,
    display_name: str,
    email: str | None,
    *,
    is_admin: bool = False,
) -> tuple[User, str]:
    """Return a person who keeps the rules, not stored yet, and their password's hash."""
    user = User(
        id=new_key(),
        handle=names.new_handle(handle, is_admin=is_admin),
        display_name=names.display_name(display_name, is_admin=is_admin),
        email=checked_email(email),
        is_admin=is_admin,
        created_at=utc_now(),
    )
    return user, await _hash(services, _new_password(password))


async def _hash(services: Services, password: str) -> str:
    try:
        return await services.credentials.passwords.hash(password)
    except TooManyWaiting as error:
        raise Overloaded from error


def _new_password(password: str) -> str:
    if len(password) > MAX_PASSWORD:
        raise TooLong("The password", actual=len(password), maximum=MAX_PASSWORD, path=["password"])
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(
            f"The password needs at least {MIN_PASSWORD} characters.", path=["password"]
        )
    return checked(password, what="The password", maximum=MAX_PASSWORD, path=["password"])


def checked_email(email: str | None) -> str | None:
    """Return an e-mail address that can be stored; raises `InvalidInput`."""
    if email is None:
        return None
    email = line(email, what="The e-mail address", maximum=MAX_EMAIL, path=["email"])
    name, at, domain = email.rpartition("@")
    if not (name and at and domain) or " " in email or not email.isprintable():
        raise InvalidInput("That is not an e-mail address.", path=["email"])
    return email
