"""Links that open one thing for a few minutes, whoever holds them."""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

_TIME_BYTES = 8
_MAC_BYTES = 32


class InvalidLink(Exception):
    """The link was not made here, or its time is over."""


class SignedLinks:
    """Makes keys for links and reads them; each purpose has a secret of its own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, thing: UUID, now: datetime, lifetime: timedelta) -> str:
        """Return a key that opens a thing for a while."""
        until = int((now + lifetime).timestamp())
        body = thing.bytes + until.to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def read(self, key: str, now: datetime) -> UUID:
        """Return what a key opens; raises `InvalidLink`."""
        try:
            raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        except (binascii.Error, ValueError) as error:
            raise InvalidLink("not a key") from error
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) != 16 + _TIME_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise InvalidLink("not a key of this server")
        if now >= _moment(body[16:]):
            raise InvalidLink("its time is over")
        return UUID(bytes=body[:16])

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")


def _moment(raw: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(raw, "big"), UTC)
