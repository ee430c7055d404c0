"""Where a request came from."""

import ipaddress
from dataclasses import dataclass

# A user agent tells what kind of program it is in its first words.
MAX_USER_AGENT = 200  # characters


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a request or a socket: its address, and what it calls itself."""

    address: str | None = None
    user_agent: str | None = None

    @property
    def coarse_address(self) -> str | None:
        """The network that the address is in: an IPv4 /24, or an IPv6 /48.

        Enough for its owner to tell a session at home from one abroad, and no more than that.
        """
        try:
            address = ipaddress.ip_address(self.address or "")
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        bits = 24 if address.version == 4 else 48
        return str(ipaddress.ip_network((address, bits), strict=False))

    @property
    def single_address(self) -> str | None:
        """What one client is known by: its IPv4 address, or the IPv6 /64 that is all its own."""
        try:
            address = ipaddress.ip_address(self.address or "")
        except ValueError:
            return self.address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(getattr(address, "ipv4_mapped", None) or address)


NOWHERE = Client()
