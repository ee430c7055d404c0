"""How fast each root field may be asked for: a table, with a default for each root type.

This is against asking for more than anybody needs. What an attacker would try, a password or a
code, is guarded besides by a `Rate` in the use-case, where it is known what was tried.
"""

from collections.abc import Hashable

from models.errors import RateLimited
from models.viewer import Viewer
from resolvers.rates import Pace
from schema.context import Context

_DEFAULTS = {"Query": Pace.READING, "Mutation": Pace.CHANGING, "Subscription": Pace.SUBSCRIBING}

PACES: dict[str, Pace] = {
    "Mutation.sendMessage": Pace.SENDING,
    "Mutation.setTyping": Pace.HINTING,
    "Mutation.markRead": Pace.HINTING,
    "Mutation.markDelivered": Pace.HINTING,
    "Mutation.saveDraft": Pace.HINTING,
    "Mutation.markThreadRead": Pace.HINTING,
    "Mutation.scheduleMessage": Pace.SENDING,
    "Mutation.sendScheduledMessageNow": Pace.SENDING,
    "Mutation.createChat": Pace.INVITING,
    "Mutation.addMembers": Pace.INVITING,
    "Mutation.joinChat": Pace.INVITING,
    "Mutation.register": Pace.ENTERING,
    "Mutation.logIn": Pace.ENTERING,
    "Mutation.refreshSession": Pace.ENTERING,
    "Mutation.completeLogIn": Pace.ENTERING,
    "Mutation.beginPasskeyLogIn": Pace.ENTERING,
    "Mutation.finishPasskeyLogIn": Pace.ENTERING,
    "Mutation.joinAsGuest": Pace.ENTERING,
    "Mutation.verifyEmail": Pace.ENTERING,
    "Mutation.restoreEmail": Pace.ENTERING,
    "Mutation.requestPasswordReset": Pace.ENTERING,
    "Mutation.resetPassword": Pace.ENTERING,
}


def pace_of(field: str) -> Pace:
    """Return the pace of a root field, such as `Mutation.sendMessage`."""
    return PACES.get(field) or _DEFAULTS[field.partition(".")[0]]


def too_fast(context: Context, pace: Pace) -> RateLimited | None:
    """Count one more step of who asks, and return why it may not be made, if so.

    Who is not signed in is known by their address; without one, as all the others without one.
    """
    asking = context.asking
    # An integer is hashed ten times as fast as the UUID that it is of.
    key: Hashable = (
        asking.user_id.int if isinstance(asking, Viewer) else context.client.single_address
    )
    waiting = context.services.rates.pace(pace, key)
    if not waiting:
        return None
    context.must_wait(waiting)
    return RateLimited(retry_after=waiting)
