"""Slows down who guesses passwords, and not whose password it is.

Every try is counted before the password is looked at, so that many at once gain nothing, and
forgotten when it was right. What is counted:

- tries at one account from one address. They slow down that address alone: five at once, ten in a
  quarter of an hour, twenty in an hour;
- tries at one account from all networks in which it has no session: a guess from many addresses is
  slowed down as one. Where its owner is signed in or was lately, this does not count, so nobody can
  lock them out from elsewhere. In a network that is new to them, during an attack, a password is
  not enough in time: a passkey, or a link by e-mail, is no guess and goes past this;
- tries at one account from each network in which it has a session. An IPv6 /48 has as many clients
  as there are ports, and may be one person's; without this, nothing would count all of them;
- tries from one address, at whatever accounts (`Rate.LOG_IN_FROM_ADDRESS`). A right password does
  not clear it: it may be the attacker's own.

An account that does not exist is counted like one that does, and looked up with the same work.
"""

from uuid import UUID

from models import sessions
from models.client import Client
from resolvers.notices import KNOWN_FOR
from resolvers.rates import Rate
from resolvers.services import Services, utc_now


async def count_guess(services: Services, handle: str, user_id: UUID, client: Client) -> None:
    """Count a try at somebody's password; raises `RateLimited` where it comes too soon.

    `user_id` is any, where nobody has the handle.
    """
    await services.rates.spend(Rate.GUESS_FROM_ADDRESS, _pair(handle, client))
    async with services.db.reading() as connection:
        known = await sessions.seen_in(
            connection, user_id, client.coarse_address, since=utc_now() - KNOWN_FOR
        )
    if known:
        near = f"{handle} near {client.coarse_address}"
        await services.rates.spend(Rate.GUESS_BY_NEIGHBOURS, near)
    else:
        await services.rates.spend(Rate.GUESS_BY_STRANGERS, handle)


async def forgive(services: Services, handle: str, client: Client) -> None:
    """Forget the tries of who has given the right password at last."""
    await services.rates.forgive(Rate.GUESS_FROM_ADDRESS, _pair(handle, client))


def _pair(handle: str, client: Client) -> str:
    return f"{handle} from {client.single_address}"
