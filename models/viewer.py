"""Who is asking."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person of a request or a socket, by which session, and until when."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime
