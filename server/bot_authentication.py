"""From a bot's token to a viewer."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from accounts import bot_tokens
from models import bots
from models.database import Database
from models.errors import Unauthenticated
from models.users import UserKind
from models.viewer import Viewer
from resolvers.bots import NEVER
from resolvers.services import utc_now

# As with sessions: see server/authentication.py.
RECHECK_AFTER = 5.0  # seconds
REMEMBERED = 10_000  # tokens
# A token's last use is written down this often at most: it tells which ones nobody needs any more.
NOTED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Checked:
    at: float
    hash: bytes
    viewer: Viewer

    def still(self, at: float, now: datetime) -> bool:
        """Whether the database need not be asked again yet."""
        return at - self.at < RECHECK_AFTER and now < self.viewer.expires_at


class BotAuthenticator:
    """Checks bots' tokens, each against the database now and then."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()
        self._hashes: dict[UUID, bytes] = {}
        self._forgotten = 0  # tokens and sessions, so far

    async def authenticate(self, token: str) -> Viewer:
        """Return the bot that a token signs in; raises `Unauthenticated`."""
        try:
            hash_ = bot_tokens.hashed(token)
        except bot_tokens.NotABotToken as error:
            raise Unauthenticated("The bot's token is not complete, or mistyped.") from error
        known = self._checked.get(hash_)
        if known is not None and known.still(monotonic(), utc_now()):
            return known.viewer
        return await self._check(hash_)

    def forget(self, session_id: UUID) -> None:
        """Ask the database about a token the next time."""
        self._forgotten += 1
        if (hash_ := self._hashes.pop(session_id, None)) is not None:
            self._checked.pop(hash_, None)

    async def _check(self, hash_: bytes) -> Viewer:
        while True:
            asked_at, now, forgotten = monotonic(), utc_now(), self._forgotten
            async with self._db.reading() as connection:
                found = await bots.by_hash(connection, hash_)
            if forgotten == self._forgotten:
                break
            # A token ended while this was read: it may be this one, and seen as it was before.
        if found is None or not found[0].live(now) or not found[1].may_sign_in:
            raise Unauthenticated("The bot's token is not, or no longer, good.")
        token, user = found
        viewer = Viewer(
            user.id,
            token.id,
            token.expires_at or NEVER,
            kind=UserKind.BOT,
            scopes=bots.split(token.scopes),
        )
        # Before anything else is waited for: should the token end meanwhile, this is forgotten.
        self._remember(_Checked(asked_at, hash_, viewer))
        if token.last_used_at is None or now - token.last_used_at > NOTED_EVERY:
            await self._note(token.id, now)
        return viewer

    async def _note(self, token_id: UUID, now: datetime) -> None:
        async with self._db.writing() as connection:
            await bots.used(connection, token_id, now)

    def _remember(self, checked: _Checked) -> None:
        self._checked[checked.hash] = checked
        self._checked.move_to_end(checked.hash)
        self._hashes[checked.viewer.session_id] = checked.hash
        if len(self._checked) > REMEMBERED:
            _, oldest = self._checked.popitem(last=False)
            self._hashes.pop(oldest.viewer.session_id, None)
