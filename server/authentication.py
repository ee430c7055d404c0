"""From an authorization header to a viewer."""

from collections import OrderedDict
from time import monotonic
from uuid import UUID

from accounts.tokens import AccessTokens, ExpiredToken, InvalidToken
from models import sessions
from models.database import Database
from models.errors import Unauthenticated
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers.services import utc_now

# A revoked session is forgotten at once on its own node, and on the others when the bus says so;
# should the bus be down, it lives on for this long at most.
RECHECK_AFTER = 5.0  # seconds
REMEMBERED = 10_000  # sessions


class SessionAuthenticator:
    """Checks access tokens, and that their sessions still live.

    The socket endpoint's `Authenticator`, and what HTTP uses.
    """

    def __init__(self, db: Database, access_tokens: AccessTokens) -> None:
        self._db = db
        self._access_tokens = access_tokens
        self._checked: OrderedDict[UUID, tuple[float, User]] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Viewer | None:
        """Return who a header's value speaks for, None without one.

        Raises `Unauthenticated`, and `Overloaded`.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Write the authorization as: Bearer <access token>.")
        try:
            claims = self._access_tokens.read(token.strip())
        except ExpiredToken as error:
            raise Unauthenticated("The access token has expired: refresh the session.") from error
        except InvalidToken as error:
            raise Unauthenticated("The access token is not valid.") from error
        user = self._checked_lately(claims.session_id) or await self._check(claims.session_id)
        return Viewer(
            user.id,
            claims.session_id,
            claims.expires_at,
            kind=UserKind(user.kind),
            is_admin=user.is_admin,
        )

    def forget(self, session_id: UUID) -> None:
        """Ask the database about a session the next time."""
        self._checked.pop(session_id, None)

    def _checked_lately(self, session_id: UUID) -> User | None:
        checked_at, user = self._checked.get(session_id, (0.0, None))
        return user if monotonic() - checked_at < RECHECK_AFTER else None

    async def _check(self, session_id: UUID) -> User:
        asked_at = monotonic()
        async with self._db.reading() as connection:
            found = await sessions.with_user(connection, session_id)
        if found is None or not found[0].live(utc_now()) or not found[1].may_sign_in:
            raise Unauthenticated("The session has ended: log in again.")
        user = found[1]
        self._checked[session_id] = asked_at, user
        self._checked.move_to_end(session_id)
        if len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)
        return user
