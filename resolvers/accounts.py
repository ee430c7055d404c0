"""Signing up and in."""

from dataclasses import dataclass

import structlog

from accounts.addresses import Address
from models import audit, users, verified_emails
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import AccountSuspended, BadCredentials
from models.users import User
from resolvers import emails, log_in_challenges, names, passwords, sign_up
from resolvers.emails import Login
from resolvers.guessing import count_guess, forgive
from resolvers.log_in_challenges import Challenge
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import SignedIn, device, open_session, signed_in

log = structlog.get_logger(__name__)


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

    Also `SignUpClosed` and `InvitationRequired`, where not everybody may. An address is theirs
    when they have proven it, for which they are mailed a code.
    """
    passwords.require_enabled(services)
    await services.rates.spend_from(Rate.REGISTER_FROM_ADDRESS, client)
    name = device(device_name)
    address = emails.address(email, path="email") if email is not None else None
    if address is not None:
        await emails.may_be_written_to(services, address)
    user, password_hash = await _new_person(services, handle, password, display_name, address)
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
        if address is not None:
            await emails.ask_for_proof(
                services, connection, user, address, session_id=opened.session.id, now=now
            )
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
) -> SignedIn | Challenge:
    """Open a session, or return what is asked for beside the password.

    A wrong password and an unknown handle answer, and cost, the same.
    """
    passwords.require_enabled(services)
    await services.rates.spend_from(Rate.LOG_IN_FROM_ADDRESS, client)
    name = device(device_name)
    checked = await check_password(services, handle, password, client=client)
    now = utc_now()
    async with services.db.writing() as connection:
        user = await users.lock(connection, checked.user.id)
        if await users.password_of(connection, user.id) != checked.password_hash:
            raise BadCredentials  # it was changed while it was checked, and all sessions ended
        if not user.may_sign_in:
            raise AccountSuspended if user.deleted_at is None else BadCredentials
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


@dataclass(frozen=True, slots=True)
class Checked:
    """Somebody whose password was right, with the hash that it was compared with."""

    user: User
    password_hash: str | None


async def check_password(
    services: Services, handle: str, password: str, *, client: Client
) -> Checked:
    """Return the person whose handle, or verified address, and password these are.

    Who is unknown, has no password, or gave a wrong one is answered alike, after the same work.
    Who gave the right one and is suspended is told so: `AccountSuspended`. Raises `RateLimited`
    where it was tried too often: see `resolvers/guessing.py`.
    """
    login = Login.read(handle)
    async with services.db.reading() as connection:
        known = (
            await verified_emails.credentials(connection, login.text)
            if login.is_address
            else await users.credentials(connection, login.text)
        )
    user_id = known[0] if known is not None else new_key()
    await count_guess(services, login.text, user_id, client)
    matches = await passwords.matches(services, known[1] if known else None, password)
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [user_id])).get(user_id)
    if matches and user is not None and user.may_sign_in:
        await forgive(services, login.text, client)
        return Checked(user, known[1] if known else None)
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
    address: Address | None,
    *,
    is_admin: bool = False,
) -> tuple[User, str]:
    """Return a person who keeps the rules, not stored yet, and their password's hash."""
    user = User(
        id=new_key(),
        handle=names.new_handle(handle, is_admin=is_admin),
        display_name=names.display_name(display_name, is_admin=is_admin),
        email=address.text if address is not None else None,
        is_admin=is_admin,
        created_at=utc_now(),
    )
    usable = passwords.chosen(services, password, passwords.known_of(user), path="password")
    return user, await passwords.hashed(services, usable)
