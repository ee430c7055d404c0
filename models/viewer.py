"""Who is asking."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.users import UserKind


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in account of a request or a socket, by which session, and until when.

    `scopes` is what a bot's token allows; None stands for accounts that need none.
    """

    user_id: UUID
    session_id: UUID
    expires_at: datetime
    kind: UserKind = UserKind.PERSON
    is_admin: bool = False
    scopes: frozenset[str] | None = None
