"""What a resolver function of the schema finds in `info.context`."""

from collections.abc import Awaitable, Callable
from typing import Any

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from models.database import Database
from models.errors import Unauthenticated
from models.viewer import Viewer
from resolvers.services import Services

BatchFunction = Callable[..., Awaitable[list[Any]]]


class Context:
    """One operation's context: who asks, and what answering takes."""

    def __init__(self, services: Services, viewer: Viewer | None) -> None:
        self.services = services
        self.viewer = viewer
        # One per batch field and set of arguments, for one operation.
        self.loaders: dict[tuple[BatchFunction, str], DataLoader[Any, Any]] = {}

    @property
    def db(self) -> Database:
        """The database, for batch reads."""
        return self.services.db

    @property
    def signed_in(self) -> Viewer:
        """The viewer; raises `Unauthenticated` when there is none."""
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer


Info = StrawberryInfo[Context, None]
