"""Whose address a connection stands for: its peer's, or the one that a trusted proxy names.

Anybody can send `X-Forwarded-For`. What counts is what the last proxy of ours has written, so the
list is read from its end: the first address that is no proxy of ours is the client's.
"""

import ipaddress
from collections.abc import Sequence

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 20  # more proxies in a row than anybody has


class Addresses:
    """Knows our proxies."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def resolve(self, scope: Scope) -> None:
        """Put the client's address into a connection's scope, in place of its proxy's.

        And whether the client speaks https, which a proxy tells by `X-Forwarded-Proto`.
        """
        peer = scope.get("client")
        if peer is None or not self._ours(_address(peer[0])):
            return
        if (b"x-forwarded-proto", b"https") in scope["headers"]:
            scope["scheme"] = "https" if scope["type"] == "http" else "wss"
        named = self._named(scope)
        if named is not None:
            scope["client"] = (named, 0)

    def _named(self, scope: Scope) -> str | None:
        """Return the address that our proxies name; None leaves it at the proxy's own."""
        listed = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        forwarded = [value for name, value in scope["headers"] if name == b"forwarded"]
        # A proxy that writes one of them lets the other through, as whoever asks has written it.
        if listed and forwarded:
            return None
        hops = b",".join(listed or forwarded).decode("latin-1").split(",")
        client = None
        for hop in reversed(hops[-MAX_HOPS:]):
            address = _address(hop if listed else _for(hop))
            if address is None:
                break  # what a proxy of ours did not understand, or was not told
            client = str(address)
            if not self._ours(address):
                break
        return client

    def _ours(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, with or without a port; None for what is not one."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that listens for both kinds shows an IPv4 address as `::ffff:192.0.2.1`.
    return getattr(address, "ipv4_mapped", None) or address


def _for(hop: str) -> str:
    """Return the `for` of an element of `Forwarded` (RFC 7239 §4); empty without one."""
    pairs = (pair.partition("=") for pair in hop.split(";"))
    return next((value for name, _, value in pairs if name.strip().lower() == "for"), "")
