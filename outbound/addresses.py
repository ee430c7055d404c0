"""Which addresses may be reached from here: those that everybody on the internet can reach as well.

What is refused is what lies behind a firewall together with this server: itself, its neighbours,
and the services from which a cloud's machines get their credentials.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from outbound.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Written out, although `is_global` says much of it: what that says has changed with versions of
# Python. IANA IPv4 Special-Purpose Address Registry, RFC 6890.
_REFUSED_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own (RFC 6598); a cloud keeps its metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public address that is, in one cloud, the host of each machine
        "169.254.0.0/16",  # link-local; most clouds keep their metadata at 169.254.169.254
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
)
# What is given out to be reached from everywhere (RFC 4291 §2.4). Outside are loopback,
# unspecified, link-local, unique-local, multicast, and IPv4 in forms that nothing routes.
_GIVEN_OUT = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them, which hides an IPv4 address (RFC 4380 §4)
        "2001:db8::/32",
        "2002::/16",  # 6to4, which hides one as well (RFC 3056 §2)
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 §6.1: such an interface hides one, too


class Addresses:
    """Knows what may be reached, and what the operator allows besides."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    @property
    def any_allowed(self) -> bool:
        """Whether the operator allows anything that is not public."""
        return bool(self._allowed)

    def allows(self, address: Address) -> bool:
        """Whether the operator allows an address by name of its network, whatever it is."""
        plain = unmapped(address)
        return any(
            plain.version == network.version and plain in network for network in self._allowed
        )

    def check(self, address: Address) -> Address:
        """Return the address to connect to; raises `AddressRefused` where nobody may go."""
        plain = unmapped(address)
        if self.allows(plain):
            return plain
        if not is_public(plain) or is_own(plain):
            # Not which one: a name would tell its maker the addresses inside.
            raise AddressRefused("leads to an address that is not public")
        return plain


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, if it stands for one; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:  # ::ffff:0:0/96, RFC 4291 §2.5.5.2
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether everybody on the internet can reach an address, and it is one machine's."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_IPV4)
    return (
        address in _GIVEN_OUT
        and address.scope_id is None
        and (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP
        and not any(address in network for network in _REFUSED_IPV6)
    )


def is_own(address: Address) -> bool:
    """Whether an address is this machine's: what is sent there would be sent from there."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # For a datagram, to connect is to look up the route. Nothing is sent.
        probe.connect((str(address), 9))
        return ip_address(probe.getsockname()[0]) == address
    return False


def network(text: str) -> Network:
    """Return a network; raises `ValueError`."""
    return ip_network(text)
