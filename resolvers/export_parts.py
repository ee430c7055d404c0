"""What an export is made of: a file for each noun, which whoever adds a noun adds here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models import own_data, personal
from models.database import Database
from models.personal import Holding

PAGE = 500  # rows: some 500 KB of long messages

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of JSON Lines.

    `rows` yields them in pages, each read in a transaction of its own; `count` says how many there
    are, for the progress. `about` is a sentence for the person, `owners` are the columns by which
    the rows are theirs, and `withheld` which columns are left out.
    """

    name: str
    about: str
    owners: frozenset[str]
    withheld: frozenset[str]
    count: Callable[[Database, UUID], Awaitable[int]]
    rows: Callable[[Database, UUID], AsyncIterator[Rows]]


def part(name: str, about: str, held: Holding) -> Part:
    """Return the part that shows a person's rows of one table."""

    async def count(db: Database, user_id: UUID) -> int:
        async with db.reading() as connection:
            return await personal.count(connection, held, user_id)

    async def rows(db: Database, user_id: UUID) -> AsyncIterator[Rows]:
        after: tuple[Any, ...] | None = None
        while True:
            async with db.reading() as connection:
                page = await personal.page(connection, held, user_id, after=after, limit=PAGE)
            if page.rows:
                yield page.rows
            if page.next_after is None:
                return
            after = page.next_after

    return Part(name, about, frozenset({str(held.owner)}), held.withheld, count, rows)


PARTS: list[Part] = [
    part("account", "Your account as it is stored, with your profile.", own_data.ACCOUNT),
    part("settings", "Who may reach and find you, if you changed that.", own_data.SETTINGS),
    part("verified_email", "Since when your address is proven.", own_data.VERIFIED_EMAIL),
    part(
        "sessions",
        "Where you are signed in, or were in the last 30 days.",
        own_data.SESSIONS,
    ),
    part(
        "external_identities",
        "Who vouches for you, if you sign in elsewhere.",
        own_data.EXTERNAL_IDENTITIES,
    ),
    part("memberships", "The chats you are in, and how far you have read.", own_data.MEMBERSHIPS),
    part("past_memberships", "The chats you have left.", own_data.PAST_MEMBERSHIPS),
    part(
        "messages",
        "What you have written, in no particular order: chat_id and seq give it one. A deleted "
        "message has no text.",
        own_data.MESSAGES,
    ),
    part("reactions", "Your reactions, by the message's chat_id and seq.", own_data.REACTIONS),
    part(
        "hidden_messages",
        "Messages that you hid from yourself, by chat_id and message_seq.",
        own_data.HIDDEN_MESSAGES,
    ),
    part("blocks", "Whom you block.", own_data.BLOCKS),
    part("acts", "What you did that bears on security, and from where.", own_data.ACTS),
    part(
        "acts_of_others",
        "What others did to your account, and log-ins that failed.",
        own_data.ACTS_OF_OTHERS,
    ),
    part("passkeys", "Your passkeys, by the names you gave them.", own_data.PASSKEYS),
    part("authenticator_app", "Since when an app of yours gives codes.", own_data.TOTP),
    part("bots", "Your bots, and what they may do.", own_data.BOTS),
    part("reports", "What you have reported to the administrators.", own_data.REPORTS),
    part("suspension", "Why you may not sign in, if you may not.", own_data.SUSPENSION),
    part("exports", "When you asked for your data.", own_data.EXPORTS),
    part("deletion", "When your account is to be deleted, if it is.", own_data.DELETION),
]
