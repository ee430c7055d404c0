"""Signatures by which a receiver knows that a webhook is ours, whole, and not an old one again.

The header is `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of the time, a dot and the body, with
the webhook's secret. While a secret is being replaced there are two `v1`.
"""

import hmac
from collections.abc import Sequence

HEADER = "Hubbub-Signature"
TOLERANCE = 300  # seconds that a receiver should allow between `t` and its own clock


def signature(secrets: Sequence[str], body: bytes, at: int) -> str:
    """Return the header's value for a body that is sent at a second."""
    return ",".join([f"t={at}", *(f"v1={_mac(secret, body, at)}" for secret in secrets)])


def is_signed(header: str, secret: str, body: bytes, now: int) -> bool:
    """Whether a header was made for a body with a secret, not long before or after `now`.

    What a receiver does; here for tests, and as a model.
    """
    pairs = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit():
        return False
    at = int(times[0])
    if abs(now - at) > TOLERANCE:
        return False
    expected = _mac(secret, body, at).encode()
    # Over all of them, without an early end: how long it takes says nothing.
    right = [hmac.compare_digest(v.encode(), expected) for name, _, v in pairs if name == "v1"]
    return any(right)


def _mac(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
