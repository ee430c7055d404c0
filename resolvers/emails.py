"""E-mail addresses: saying one's own, proving it, changing it, and taking it back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from accounts import tickets as secrets_for_once
from accounts.addresses import MAX_ADDRESS, Address, BadAddress
from accounts.addresses import read as read_address
from models import audit, tickets, users, verified_emails
from models.audit import Act
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Conflict, InvalidInput, InvalidTicket, TooLong
from models.tickets import Purpose, Ticket
from models.users import User
from models.viewer import Viewer
from notify.letters import Reader
from resolvers import mails
from resolvers.notices import doing_of, reader_of
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended

VERIFICATION_LASTS = timedelta(days=3)
RESTORE_LASTS = timedelta(days=7)
MAX_LOGIN = 254  # characters; an address is the longest thing to log in with

# Whom mail is written to that nobody gets.
NOBODY = Reader(address="nobody@example.org", handle="nobody")


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody says who they are with: a handle, or an address (`is_address`).

    The text is empty where it can be neither; that is nobody's, and is looked for all the same.
    """

    text: str
    is_address: bool

    @classmethod
    def read(cls, login: str) -> Self:
        """Return what a text stands for. Mails write handles with an @ before them."""
        text = login.strip().lower().removeprefix("@")
        if len(text) > MAX_LOGIN or not text.isprintable():
            return cls("", is_address="@" in text)
        if "@" not in text:
            return cls(text, is_address=False)
        try:
            return cls(read_address(text).key, is_address=True)
        except BadAddress:
            return cls("", is_address=True)


def address(text: str, *, path: str) -> Address:
    """Return the address that somebody says is theirs; raises `InvalidInput` or `TooLong`."""
    if len(text) > MAX_ADDRESS:
        raise TooLong("The e-mail address", actual=len(text), maximum=MAX_ADDRESS, path=[path])
    try:
        return read_address(text)
    except BadAddress as error:
        raise InvalidInput("That is not an e-mail address.", path=[path]) from error


async def owner_of(connection: Connection, ticket: Ticket | None) -> User:
    """Return whom a ticket was issued to; raises `InvalidTicket` for none, and who is gone."""
    user_id = ticket.user_id if ticket is not None else None
    user = (await users.by_ids(connection, [user_id])).get(user_id) if user_id else None
    if user is None or not user.may_sign_in:
        raise InvalidTicket
    return user


async def redeem(
    connection: Connection, token: str, purpose: Purpose, now: datetime
) -> tuple[User, Ticket]:
    """Take the ticket that a mailed code stands for, and whose it is; raises `InvalidTicket`.

    The account is locked first, as by everything that changes how somebody signs in: two of those
    wait for each other, and never both.
    """
    hash_ = secrets_for_once.hashed(token)
    ticket = await tickets.peek(connection, hash_, purpose, now)
    if ticket is not None and ticket.user_id is not None:
        await users.lock(connection, ticket.user_id)
        ticket = await tickets.take(connection, hash_, purpose, now)
    if ticket is None:
        raise InvalidTicket
    return await owner_of(connection, ticket), ticket


async def may_be_written_to(services: Services, to: Address) -> None:
    """Count one more mail that anybody could have sent to an address; raises `RateLimited`."""
    await services.rates.spend(Rate.MAIL_TO_ADDRESS, secrets_for_once.hashed(to.key).hex())


async def ask_for_proof(
    services: Services,
    connection: Connection,
    user: User,
    to: Address,
    *,
    session_id: UUID,
    now: datetime,
) -> None:
    """Mail a code to an address that a person says is theirs, in the caller's transaction.

    `session_id` is the session in which they say so, with which the code is void when it is ended.
    If it belongs to somebody else's account its owner is told of that instead, and nobody gets a
    code. The work is the same, and so is what the person is answered.
    """
    owner = await verified_emails.by_key(connection, to.key)
    taken = owner is not None and owner.user.id != user.id
    token, hash_ = secrets_for_once.new()
    await tickets.revoke(connection, user.id, Purpose.EMAIL_VERIFICATION)
    await tickets.issue(
        connection,
        hash=hash_,
        purpose=Purpose.EMAIL_VERIFICATION,
        user_id=user.id,
        data={"email": to.text, "session": str(session_id)},
        now=now,
        expires_at=now + VERIFICATION_LASTS,
    )
    reader = Reader(address=to.ascii, handle=user.handle)
    letters = services.post.letters
    message = (
        letters.address_in_use(reader, owner=owner.user.handle)
        if owner is not None and taken
        else letters.verify_email(reader, token=token, lasts=VERIFICATION_LASTS)
    )
    await mails.queue(services, connection, message, now=now)


async def request_verification(
    services: Services, viewer: Viewer, client: Client = NOWHERE
) -> None:
    """Mail the viewer another code for their address; the ones before are no longer good.

    Raises `Conflict` when there is nothing to verify, and `RateLimited`.
    """
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [viewer.user_id]))[viewer.user_id]
        proven = await verified_emails.of(connection, viewer.user_id)
    if user.email is None:
        raise Conflict("There is no e-mail address to verify.")
    if proven is not None:
        raise Conflict("The e-mail address is verified already.")
    to = address(user.email, path="email")
    await may_be_written_to(services, to)
    now = utc_now()
    async with services.db.writing() as connection:
        await ask_for_proof(services, connection, user, to, session_id=viewer.session_id, now=now)
        await _record(connection, Act.EMAIL_VERIFICATION_REQUESTED, viewer, client, now)


async def request_change(
    services: Services, viewer: Viewer, *, new_email: str, client: Client = NOWHERE
) -> None:
    """Mail a code to another address; with it, `verify` makes the address the viewer's.

    Raises `InvalidInput`, `Conflict` when it is the viewer's already, and `RateLimited`.
    """
    to = address(new_email, path="newEmail")
    async with services.db.reading() as connection:
        user = (await users.by_ids(connection, [viewer.user_id]))[viewer.user_id]
        proven = await verified_emails.of(connection, viewer.user_id)
    if to.key == proven:
        raise Conflict("This is your e-mail address already.", path=["newEmail"])
    await may_be_written_to(services, to)
    now = utc_now()
    async with services.db.writing() as connection:
        await ask_for_proof(services, connection, user, to, session_id=viewer.session_id, now=now)
        await _record(connection, Act.EMAIL_CHANGE_REQUESTED, viewer, client, now)


async def verify(services: Services, *, token: str, client: Client = NOWHERE) -> str:
    """Make the address to which a code was mailed its account's; returns the address.

    If it comes in place of another one, that one is told, with a way back. Raises `InvalidTicket`,
    `Conflict` when somebody else was quicker to prove the same address, and `RateLimited`.
    """
    await services.rates.spend_from(Rate.MAILED_CODE_FROM_ADDRESS, client)
    now = utc_now()
    async with services.db.writing() as connection:
        user, ticket = await redeem(connection, token, Purpose.EMAIL_VERIFICATION, now)
        new = read_address(ticket.data["email"])
        before = await verified_emails.of(connection, user.id)
        await verified_emails.prove(connection, user.id, address=new.text, key=new.key, now=now)
        changed = before is not None and before != new.key
        if changed:
            await _offer_way_back(services, connection, user, new, client, now)
        await audit.record(
            connection,
            Act.EMAIL_CHANGED if changed else Act.EMAIL_VERIFIED,
            now=now,
            actor_id=user.id,
            client=client,
        )
    return new.text


async def _offer_way_back(
    services: Services,
    connection: Connection,
    user: User,
    new: Address,
    client: Client,
    now: datetime,
) -> None:
    """Tell a person's address, as it was, of the one that came in its place."""
    token, hash_ = secrets_for_once.new()
    # What was mailed to the address before must not open the account any more.
    await tickets.revoke(connection, user.id, Purpose.PASSWORD_RESET)
    await tickets.issue(
        connection,
        hash=hash_,
        purpose=Purpose.EMAIL_RESTORE,
        user_id=user.id,
        data={"email": user.email},
        now=now,
        expires_at=now + RESTORE_LASTS,
    )
    message = services.post.letters.email_changed(
        reader_of(user),
        new_address=new.text,
        token=token,
        lasts=RESTORE_LASTS,
        doing=doing_of(client, now),
    )
    await mails.queue(services, connection, message, now=now)


async def restore(services: Services, *, token: str, client: Client = NOWHERE) -> str:
    """Give an account its former address back, and end all its sessions; returns the address.

    What was mailed to the address in between is good for nothing any more. Codes from before stay
    good, so that whoever made the change cannot cut off its owner's way back with their own.
    Raises `InvalidTicket`, `Conflict` when somebody else has proven the address, and `RateLimited`.
    """
    await services.rates.spend_from(Rate.MAILED_CODE_FROM_ADDRESS, client)
    now = utc_now()
    async with services.db.writing() as connection:
        user, ticket = await redeem(connection, token, Purpose.EMAIL_RESTORE, now)
        former = read_address(ticket.data["email"])
        await verified_emails.prove(
            connection, user.id, address=former.text, key=former.key, now=now
        )
        await tickets.revoke_all(connection, user.id, but=[Purpose.EMAIL_RESTORE])
        await tickets.revoke(connection, user.id, Purpose.EMAIL_RESTORE, since=ticket.created_at)
        ended = await end_all(connection, user.id)
        await audit.record(
            connection,
            Act.EMAIL_RESTORED,
            now=now,
            actor_id=user.id,
            client=client,
            details={"sessions_ended": len(ended)},
        )
        message = services.post.letters.email_restored(reader_of(user), doing_of(client, now))
        await mails.queue(services, connection, message, now=now)
    await tell_ended(services, ended)
    return former.text


async def _record(
    connection: Connection, act: Act, viewer: Viewer, client: Client, now: datetime
) -> None:
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
    )
