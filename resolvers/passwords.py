"""Passwords: which may be chosen, changing one's own, and a new one for who has forgotten it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from accounts import tickets as secrets_for_once
from accounts.password_rules import MAX_LENGTH
from accounts.passwords import TooManyWaiting
from models import audit, tickets, users, verified_emails
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import BadCredentials, Forbidden, InvalidInput, Overloaded, TooLong
from models.tickets import Purpose
from models.users import User
from models.viewer import Viewer
from notify.letters import Notice
from resolvers import mails
from resolvers.emails import NOBODY, Login, owner_of, redeem
from resolvers.notices import reader_of, tell
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, require_live, tell_ended
from resolvers.text import checked

MAX_PASSWORD = MAX_LENGTH
RESET_LASTS = timedelta(hours=1)


def require_enabled(services: Services) -> None:
    """Raise `Forbidden` where another issuer vouches for everybody."""
    if not services.rules.passwords:
        raise Forbidden("This server takes no passwords: sign in at its issuer of tokens.")


def chosen(services: Services, password: str, about: Sequence[str], *, path: str) -> str:
    """Return a password that keeps the rules; raises `TooLong` or `InvalidInput`.

    `about` is what anybody may know of the person.
    """
    if len(password) > MAX_PASSWORD:
        raise TooLong("The password", actual=len(password), maximum=MAX_PASSWORD, path=[path])
    if problem := services.credentials.password_rules.problem(password, about):
        raise InvalidInput(problem, path=[path])
    return checked(password, what="The password", maximum=MAX_PASSWORD, path=[path])


def known_of(user: User) -> list[str]:
    """Return what anybody may know of a person, as `chosen` takes it."""
    email = user.email or ""
    return [user.handle, user.display_name, email, email.partition("@")[0]]


async def hashed(services: Services, password: str) -> str:
    """Return a password's hash; raises `Overloaded`."""
    try:
        return await services.credentials.passwords.hash(password)
    except TooManyWaiting as error:
        raise Overloaded from error


async def matches(services: Services, stored: str | None, password: str) -> bool:
    """Whether a password belongs to a hash, or to none, after the same work; raises `Overloaded`.

    What is longer than a password may be belongs to none.
    """
    usable = password[:MAX_PASSWORD]
    try:
        return await services.credentials.passwords.verify(
            stored if usable == password else None, usable
        )
    except TooManyWaiting as error:
        raise Overloaded from error


async def change(
    services: Services,
    viewer: Viewer,
    *,
    current_password: str,
    new_password: str,
    client: Client = NOWHERE,
) -> None:
    """Give the viewer another password, and end all their sessions but this one.

    Raises `BadCredentials`, `InvalidInput`, `RateLimited`, `Overloaded`, `Forbidden` where there
    are no passwords, and `Unauthenticated` when the session ended meanwhile.
    """
    require_enabled(services)
    await services.rates.spend(Rate.CHANGE_PASSWORD, str(viewer.user_id))
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [viewer.user_id]))[viewer.user_id]
        stored = await users.password_of(connection, viewer.user_id)
    password = chosen(services, new_password, known_of(user), path="newPassword")
    if not await matches(services, stored, current_password):
        async with services.db.writing() as connection:
            await audit.record(
                connection,
                Act.PASSWORD_CHANGE_FAILED,
                now=utc_now(),
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
            )
        raise BadCredentials("The current password is wrong.", path=["currentPassword"])
    password_hash = await hashed(services, password)
    async with services.db.writing() as connection:
        # Hashing takes a while, in which the owner may have changed or reset what a thief knew.
        user = await users.lock(connection, viewer.user_id)
        await require_live(connection, viewer)
        if await users.password_of(connection, user.id) != stored:
            raise BadCredentials("The current password is wrong.", path=["currentPassword"])
        ended = await _store(
            services,
            connection,
            user,
            password_hash,
            Act.PASSWORD_CHANGED,
            client,
            session_id=viewer.session_id,
        )
    await tell_ended(services, ended)


async def request_reset(services: Services, *, login: str, client: Client = NOWHERE) -> None:
    """Mail a code with which a new password can be chosen, if there is whom to mail it to.

    `login` is a handle or a verified address. Whether there is such an account, or one that has a
    verified address and a password, shows neither in the answer nor in the work: raises nothing
    but `RateLimited`, which counts what was asked for, and `Forbidden` where there are no
    passwords.
    """
    require_enabled(services)
    sought = Login.read(login)
    await services.rates.spend_from(Rate.RESET_FROM_ADDRESS, client)
    await services.rates.spend(Rate.RESET_OF_ACCOUNT, secrets_for_once.hashed(sought.text).hex())
    now = utc_now()
    async with services.db.reading() as connection:
        found = (
            await verified_emails.by_key(connection, sought.text)
            if sought.is_address
            else await verified_emails.by_handle(connection, sought.text)
        )
    able = found is not None and found.has_password and found.user.may_sign_in
    user = found.user if found is not None and able else None
    # Where nobody is, everything is done for somebody who does not exist.
    token, hash_ = secrets_for_once.new()
    message = services.post.letters.reset_password(
        reader_of(user) if user is not None else NOBODY, token=token, lasts=RESET_LASTS
    )
    async with services.db.writing() as connection:
        await tickets.revoke(
            connection, user.id if user is not None else new_key(), Purpose.PASSWORD_RESET
        )
        await tickets.issue(
            connection,
            hash=hash_,
            purpose=Purpose.PASSWORD_RESET,
            user_id=user.id if user is not None else None,
            now=now,
            expires_at=now + RESET_LASTS,
        )
        await audit.record(
            connection,
            Act.PASSWORD_RESET_REQUESTED,
            now=now,
            actor_id=None,
            client=client,
            subject_id=user.id if user is not None else None,
        )
        await mails.queue(services, connection, message, now=now, decoy=user is None)


async def reset(
    services: Services, *, token: str, new_password: str, client: Client = NOWHERE
) -> None:
    """Set the password of whom a mailed code was for, and end all their sessions.

    It signs nobody in: whoever has a second factor is asked for it as always. A password that
    breaks a rule leaves the code good. Raises `InvalidTicket`, `InvalidInput`, `RateLimited`,
    `Overloaded`, or `Forbidden` where there are no passwords.
    """
    require_enabled(services)
    await services.rates.spend_from(Rate.MAILED_CODE_FROM_ADDRESS, client)
    async with services.db.reading() as connection:
        ticket = await tickets.peek(
            connection, secrets_for_once.hashed(token), Purpose.PASSWORD_RESET, utc_now()
        )
        user = await owner_of(connection, ticket)
    password = chosen(services, new_password, known_of(user), path="newPassword")
    password_hash = await hashed(services, password)
    async with services.db.writing() as connection:
        user, _ = await redeem(connection, token, Purpose.PASSWORD_RESET, utc_now())
        ended = await _store(services, connection, user, password_hash, Act.PASSWORD_RESET, client)
    await tell_ended(services, ended)


async def _store(
    services: Services,
    connection: Connection,
    user: User,
    password_hash: str,
    act: Act,
    client: Client,
    *,
    session_id: UUID | None = None,
) -> Sequence[UUID]:
    """Store a password, and tell its owner; returns the sessions that ended, all but one's own."""
    now = utc_now()
    await users.set_password(connection, user.id, password_hash)
    # What was begun with the password before must not be finished: a log-in, another address. The
    # way back stays open, should it have been somebody else who set this password.
    await tickets.revoke_all(connection, user.id, but=[Purpose.EMAIL_RESTORE])
    ended = await end_all(connection, user.id, but=session_id)
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=user.id,
        session_id=session_id,
        client=client,
        details={"sessions_ended": len(ended)},
    )
    await tell(services, connection, user.id, Notice.PASSWORD_CHANGED, client=client, now=now)
    return ended
