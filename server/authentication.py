"""From an authorization header to a viewer."""

from collections import OrderedDict
from time import monotonic
from uuid import UUID

from accounts import bot_tokens
from accounts.tokens import AccessClaims, ExpiredToken, InvalidToken, UnknownKey
from models import sessions
from models.client import NOWHERE, Client
from models.errors import Unauthenticated
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers.services import Services, utc_now
from server.bot_authentication import BotAuthenticator
from server.external_tokens import ExternalTokens

# A revoked session is forgotten at once on its own node, and on the others when the bus says so;
# should the bus be down, it lives on for this long at most.
RECHECK_AFTER = 5.0  # seconds
REMEMBERED = 10_000  # sessions


class SessionAuthenticator:
    """Checks access tokens, and that their sessions still live.

    The socket endpoint's `Authenticator`, and what HTTP uses.
    """

    def __init__(self, services: Services, external: ExternalTokens | None = None) -> None:
        self._external = external
        self._db = services.db
        self._access_tokens = services.credentials.access_tokens
        self._signing_keys = services.credentials.signing_keys
        self._last_seen = services.node.last_seen
        self._bots = BotAuthenticator(services.db)
        self._checked: OrderedDict[UUID, tuple[float, User]] = OrderedDict()
        self._forgotten = 0  # sessions, so far

    async def authenticate(
        self, authorization: str | None, client: Client = NOWHERE
    ) -> Viewer | None:
        """Return who a header's value speaks for, None without one.

        Raises `Unauthenticated`, and `Overloaded`.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Write the authorization as: Bearer <access token>.")
        token = token.strip()
        if token.startswith(bot_tokens.PREFIX):
            return await self._bots.authenticate(token)
        try:
            if self._external is not None and self._external.are_meant(token):
                claims = await self._external.read(token, client)
            else:
                claims = await self._claims(token)
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

    async def _claims(self, token: str) -> AccessClaims:
        """Return what a token says; raises `InvalidToken`."""
        try:
            return self._access_tokens.read(token)
        except UnknownKey as error:
            if not await self._signing_keys.look_for(error.key_id):
                raise
        return self._access_tokens.read(token)

    def forget(self, session_id: UUID) -> None:
        """Ask the database about a session the next time."""
        self._forgotten += 1
        self._checked.pop(session_id, None)
        self._bots.forget(session_id)

    def _checked_lately(self, session_id: UUID) -> User | None:
        checked_at, user = self._checked.get(session_id, (0.0, None))
        return user if monotonic() - checked_at < RECHECK_AFTER else None

    async def _check(self, session_id: UUID) -> User:
        while True:
            asked_at, forgotten = monotonic(), self._forgotten
            async with self._db.reading() as connection:
                found = await sessions.with_user(connection, session_id)
            if forgotten == self._forgotten:
                break
            # A session ended while this was read: it may be this one, and seen as it was before.
        if found is None or not found[0].live(utc_now()) or not found[1].may_sign_in:
            raise Unauthenticated("The session has ended: log in again.")
        self._last_seen.note(session_id)
        user = found[1]
        self._checked[session_id] = asked_at, user
        self._checked.move_to_end(session_id)
        if len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)
        return user
