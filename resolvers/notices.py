"""Notices: mail about what befell an account, in the transaction in which it did.

Only who has proven an address gets any. Below whatever has something to tell, `sessions.py` too.
"""

from datetime import datetime, timedelta
from uuid import UUID

from accounts.addresses import read as read_address
from models import sessions, verified_emails
from models.client import Client
from models.database import Connection
from models.users import User
from notify.letters import Doing, Notice, Reader
from resolvers import mails
from resolvers.services import Services

KNOWN_FOR = timedelta(days=30)  # as long as ended sessions are kept


def reader_of(user: User) -> Reader:
    """Return a person who has proven their address as a reader of mail."""
    return Reader(address=read_address(user.email or "").ascii, handle=user.handle)


def doing_of(client: Client, now: datetime) -> Doing:
    """Return what a mail says of when and from where something was done."""
    return Doing(at=now, address=client.coarse_address)


async def tell(
    services: Services,
    connection: Connection,
    user_id: UUID,
    notice: Notice,
    *,
    client: Client,
    now: datetime,
) -> None:
    """Mail a notice, in the transaction of what it tells of."""
    owner = await verified_emails.by_user(connection, user_id)
    if owner is None:
        return
    message = services.post.letters.notice(
        reader_of(owner.user),
        notice,
        doing_of(client, now),
        has_password=owner.has_password and services.rules.passwords,
    )
    await mails.queue(services, connection, message, now=now)


async def tell_of_deletion(
    services: Services,
    connection: Connection,
    user_id: UUID,
    *,
    due_at: datetime,
    client: Client,
    now: datetime,
) -> None:
    """Mail that an account is to be deleted, and when."""
    owner = await verified_emails.by_user(connection, user_id)
    if owner is None:
        return
    message = services.post.letters.deletion_requested(
        reader_of(owner.user), due_at=due_at, doing=doing_of(client, now)
    )
    await mails.queue(services, connection, message, now=now)


async def tell_of_sign_in(
    services: Services, connection: Connection, user_id: UUID, *, client: Client, now: datetime
) -> None:
    """Mail that somebody signs in, if it is from a network that is new to the account.

    Before the session is stored. Whoever has proven an address had a session before, so nobody is
    told of their first. Who comes from nowhere that is known is not told of either.
    """
    network = client.coarse_address
    if network is None:
        return
    if not await sessions.seen_in(connection, user_id, network, since=now - KNOWN_FOR):
        await tell(services, connection, user_id, Notice.NEW_SIGN_IN, client=client, now=now)
