"""What a webhook keeps to itself: where it goes, and the secrets that it is signed with."""

import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from accounts.sealing import Sealer

PREFIX = "hbs_"  # found by scanners of public repositories
# For so long what is sent is signed with the secret before as well.
OLD_GOOD_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The URL and the secret, and the one before with the second until which it is good."""

    url: str
    secret: str
    previous: str | None = None
    previous_until: int = 0

    @classmethod
    def new(cls, url: str) -> "Secrets":
        """Return those of a webhook that is new."""
        return cls(url, _fresh())

    def rotated(self, now: datetime) -> "Secrets":
        """Return them with another secret; the present one is good for a while."""
        until = int((now + OLD_GOOD_FOR).timestamp())
        return replace(self, secret=_fresh(), previous=self.secret, previous_until=until)

    def signing(self, now: datetime) -> list[str]:
        """Return the secrets to sign with."""
        old = self.previous if now.timestamp() < self.previous_until else None
        return [self.secret] if old is None else [self.secret, old]

    def sealed(self, sealer: Sealer, webhook_id: UUID) -> bytes:
        """Return them as they are stored."""
        return sealer.seal(orjson.dumps(asdict(self)), context=webhook_id.bytes)

    @classmethod
    def opened(cls, sealer: Sealer, webhook_id: UUID, sealed: bytes) -> "Secrets":
        """Return what was sealed; raises `SealBroken`."""
        return cls(**orjson.loads(sealer.open(sealed, context=webhook_id.bytes)))


def _fresh() -> str:
    return PREFIX + secrets.token_urlsafe(32)
