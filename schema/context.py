"""What a resolver function of the schema finds in `info.context`."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any, Final, Literal

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from models.client import NOWHERE, Client
from models.database import Database
from models.errors import Refusal, Unauthenticated
from models.viewer import Viewer
from realtime.cursor import Cursor
from resolvers.services import Services
from schema.jar import Jar

BatchFunction = Callable[..., Awaitable[list[Any]]]


class _NoViewer(Enum):
    NO_VIEWER = auto()


# In place of who asks, for what is rendered once for several people: see `schema/sharing.py`.
NO_VIEWER: Final = _NoViewer.NO_VIEWER
Asking = Viewer | Refusal | Literal[_NoViewer.NO_VIEWER] | None


class Context:
    """One operation's context: who asks, and what answering takes."""

    def __init__(self, services: Services, asking: Asking, client: Client = NOWHERE) -> None:
        """Prepare for who asks: somebody, nobody, or somebody whose token was not accepted.

        The last is refused by the first field that needs a viewer and not before: the operation
        may be the one that renews the session.
        """
        self.services = services
        self.asking = asking
        self.client = client
        # Taken before anything else is read, if the operation asks for it: see `Engine`.
        self.present: Cursor | None = None
        # Where a subscription goes on instead of after its argument, if the transport knows.
        self.resume_after: str | None = None
        # Where tokens go that the transport keeps for its client; None where there is no such.
        self.jar: Jar | None = None
        # In how many seconds to come back, where something was refused for coming too often.
        self.retry_after = 0
        # One per batch field and set of arguments, for one operation.
        self.loaders: dict[tuple[BatchFunction, str], DataLoader[Any, Any]] = {}

    @property
    def db(self) -> Database:
        """The database, for batch reads."""
        return self.services.db

    @property
    def viewer(self) -> Viewer | None:
        """The viewer, None when nobody is signed in; raises why a token was not accepted."""
        if isinstance(self.asking, Refusal):
            raise self.asking
        if self.asking is NO_VIEWER:
            raise RuntimeError("a field that is shared has asked who is looking")
        return self.asking

    def must_wait(self, seconds: int) -> None:
        """Note that something was asked for too often."""
        self.retry_after = max(self.retry_after, seconds)

    @property
    def kept_refresh_token(self) -> str:
        """The refresh token that the transport keeps; raises a refusal if there is none."""
        return (self.jar or Jar(takes_tokens=False)).refresh_token

    def session_over(self) -> None:
        """The session of this operation has ended: what the transport keeps of it is worthless."""
        if self.jar is not None:
            self.jar.ended = True

    @property
    def signed_in(self) -> Viewer:
        """The viewer; raises `Unauthenticated` when there is none."""
        viewer = self.viewer
        if viewer is None:
            raise Unauthenticated
        return viewer


Info = StrawberryInfo[Context, None]
