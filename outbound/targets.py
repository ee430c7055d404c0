"""URLs that strangers have written, read strictly: what is odd is refused, not guessed at."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx

from outbound.errors import BadTarget

MAX_URL = 2048  # characters
PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_MAX_NAME = 253  # RFC 1035 §2.3.4
# WHATWG URL §3.5: a host whose last part is such a number is an IPv4 address, perhaps in octal.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: `host` is a name in lower case, or an address."""

    url: httpx.URL
    scheme: str
    host: str
    port: int
    address: IPv4Address | IPv6Address | None  # of a host that is one

    @property
    def path(self) -> bytes:
        """Path and query, as they are sent."""
        return self.url.raw_path

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def moved(self, location: str, ports: Collection[int]) -> "Target":
        """Return where a redirect leads; raises `BadTarget`."""
        if len(location) > MAX_URL:
            raise BadTarget("the URL is too long")
        try:
            joined = self.url.join(location)
        except (httpx.InvalidURL, ValueError) as error:
            raise BadTarget("the URL is not one") from error
        return target(str(joined), ports)


def target(text: str, ports: Collection[int] = ()) -> Target:
    """Return where a URL leads; raises `BadTarget`. `ports` may be named besides 80 and 443."""
    if len(text) > MAX_URL:
        raise BadTarget("the URL is too long")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError) as error:
        raise BadTarget("the URL is not one") from error
    if url.scheme not in PORTS:
        raise BadTarget("the URL begins with neither https:// nor http://")
    if url.userinfo:
        raise BadTarget("the URL has a user name in it")
    port = url.port or PORTS[url.scheme]
    if port not in PORTS.values() and port not in ports:
        raise BadTarget("the URL names a port that is not asked")
    name, address = _host(host)
    return Target(url.copy_with(fragment=None), url.scheme, name, port, address)


def _host(host: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    name = host.lower().removesuffix(".")
    if ":" in name:
        # A zone, as in fe80::1%eth0, chooses one of this machine's own networks.
        if "%" in name:
            raise BadTarget("the URL's address has a zone")
        return name, _address(name)
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise BadTarget("the URL has no proper host")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name, _address(name)  # in four plain numbers, or not at all
    return name, None


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise BadTarget("the URL's address is not written as four numbers, or as IPv6") from error
