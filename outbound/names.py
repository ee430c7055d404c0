"""Names to addresses, asked of DNS alone.

Neither /etc/hosts nor a domain's search list is looked at: what stands there are the names of the
network inside. And nothing blocks: a name server that does not answer holds up nobody else.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from outbound.addresses import Address
from outbound.errors import NoSuchHost

LOOK_UP_TIMEOUT = 5.0  # seconds
MAX_ADDRESSES = 6  # that are tried of one name


class Names(Protocol):
    """What finds addresses."""

    async def addresses(self, name: str) -> list[Address]:
        """Return the addresses of a name, IPv4 first; raises `NoSuchHost`."""


class Dns:
    """The name servers of /etc/resolv.conf, or of whoever makes it."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver

    async def addresses(self, name: str) -> list[Address]:
        """See `Names.addresses`."""
        if name == "localhost" or name.endswith(".localhost"):
            # RFC 6761 §6.3: never asked of anybody.
            return [IPv4Address("127.0.0.1"), IPv6Address("::1")]
        try:
            found = await self._asked().resolve_name(
                dns.name.from_text(name), lifetime=LOOK_UP_TIMEOUT
            )
        except (dns.exception.DNSException, OSError) as error:
            raise NoSuchHost("no address is known for this name") from error
        addresses = [ip_address(text) for text in found.addresses()]
        if not addresses:
            raise NoSuchHost("no address is known for this name")
        return sorted(addresses, key=lambda each: each.version)[:MAX_ADDRESSES]

    def _asked(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:  # read when first needed: a machine may have none
            try:
                self._resolver = dns.asyncresolver.Resolver()
            except dns.resolver.NoResolverConfiguration as error:
                raise NoSuchHost("this machine knows no name server") from error
        return self._resolver
