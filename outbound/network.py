"""Connections to addresses that were checked.

The check is made where the connection is: between a check of a name and a look-up for the
connection the name may change its address ("DNS rebinding"), so there is one look-up, and what it
said is what is connected to. TLS and the `Host` header go by the name as ever.
"""

import time
from collections.abc import Iterable

import httpcore

from outbound.addresses import Address, Addresses
from outbound.errors import AddressRefused, Unreachable
from outbound.names import Names
from outbound.targets import Target


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects for one target, whose addresses it looks up and checks."""

    def __init__(self, target: Target, names: Names, addresses: Addresses, *, secret: bool) -> None:
        self._target = target
        self._names = names
        self._addresses = addresses
        self._secret = secret
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises `AddressRefused`, `Unreachable`.

        One address that is refused refuses them all: a name that leads inside and outside is a
        trap, or a mistake.
        """
        if (host, port) != (self._target.host, self._target.port):
            raise Unreachable("asked to connect elsewhere")
        found = [self._checked(each) for each in await self._found()]
        deadline = None if timeout is None else time.monotonic() + timeout
        for number, address in enumerate(found):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None:
                # Each gets its share of what is left, so that a dead one leaves some to the others.
                left = max(left / (len(found) - number), 0.05)
            try:
                return await self._plain.connect_tcp(str(address), port, timeout=left)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise Unreachable("nobody takes the connection")

    async def _found(self) -> list[Address]:
        if self._target.address is not None:
            return [self._target.address]
        return await self._names.addresses(self._target.host)

    def _checked(self, address: Address) -> Address:
        checked = self._addresses.check(address)
        if self._secret and self._target.scheme == "http" and not self._addresses.allows(checked):
            raise AddressRefused("only https goes there")
        return checked

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the base's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL leads to a socket of this machine's."""
        raise Unreachable("asked to connect elsewhere")

    async def sleep(self, seconds: float) -> None:
        """Wait; nothing here asks for it."""
        await self._plain.sleep(seconds)
