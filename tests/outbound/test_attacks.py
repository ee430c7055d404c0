"""What a villain's server can do to us: nothing, and each rule is what keeps it from it.

Every attack is run twice: as we are, and with the rule against it taken away. The second time it
has to succeed, or it would prove nothing.
"""

import asyncio
import gzip
import re
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import httpx
import pytest

from outbound import addresses, bodies, targets, web
from outbound.addresses import Addresses
from outbound.errors import (
    AddressRefused,
    BadStatus,
    BadTarget,
    OutboundError,
    TooLarge,
    TooManyRedirects,
    Unreachable,
    Unusable,
    WrongType,
)
from outbound.network import CheckedNetwork
from outbound.web import Patience
from tests.outbound.villain import INSIDE, OUTSIDE, Internet, answer, internet, page, redirect

MIB = 1024 * 1024


@dataclass
class Attack:
    """What a villain does, what has to come of it, and which rule that is owed to."""

    do: Callable[[Internet], Awaitable[object]]
    refusal: type[OutboundError]
    without: Callable[[pytest.MonkeyPatch, Internet], None]


def no_checks_of_addresses(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(Addresses, "check", lambda _, address: addresses.unmapped(address))


def no_checks_of_hosts(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(targets, "_NUMBER", re.compile("(?!)"))
    no_checks_of_addresses(patch, net)
    net.dns.names["2130706433"] = net.dns.names["0x7f000001"] = [[INSIDE]]


def checks_before_the_look_up_that_counts(patch: pytest.MonkeyPatch, net: Internet) -> None:
    found = CheckedNetwork._found

    async def looked_up_twice(network):
        for each in await found(network):
            network._addresses.check(each)
        return await found(network)

    patch.setattr(CheckedNetwork, "_found", looked_up_twice)
    patch.setattr(CheckedNetwork, "_checked", lambda _, address: address)


def no_deadline(patch: pytest.MonkeyPatch, net: Internet) -> None:
    net.web._patience = replace(net.web._patience, whole=30.0)


def no_limit_of_bodies(patch: pytest.MonkeyPatch, net: Internet) -> None:
    async def everything(chunks, encoding, *, maximum):
        whole = b"".join([chunk async for chunk in chunks])
        return zlib.decompress(whole, bodies._GZIP) if encoding == "gzip" else whole

    patch.setattr(bodies, "body", everything)


def no_limit_of_lengths(patch: pytest.MonkeyPatch, net: Internet) -> None:
    no_limit_of_bodies(patch, net)
    patch.setattr(web, "_header", _without_length(web._header))


def _without_length(header):
    return lambda response, name: "" if name == b"content-length" else header(response, name)


def no_limit_after_unpacking(patch: pytest.MonkeyPatch, net: Internet) -> None:
    no_limit_of_bodies(patch, net)


def any_type(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(web, "_media", lambda _: ("text/html", None))


def any_encoding(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(bodies, "body", lambda chunks, _, maximum: bodies._plain(chunks, maximum))


def many_redirects(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(web, "MAX_REDIRECTS", 20)


def any_scheme(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setitem(targets.PORTS, "gopher", 80)
    patch.setattr(targets.Target, "moved", lambda self, *_: replace(self, url=net_url(net)))


def net_url(net: Internet) -> httpx.URL:
    return httpx.URL(net.url("/page"))


def user_names(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(httpx, "URL", _without_user(httpx.URL))
    no_checks_of_addresses(patch, net)


def _without_user(read):
    return lambda text: read(text.replace("villain.test@", ""))


def long_headers(patch: pytest.MonkeyPatch, net: Internet) -> None:
    patch.setattr(
        "httpcore._async.http11.AsyncHTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE", 10 * MIB
    )


async def redirects_inside(net: Internet) -> object:
    net.villain.answers["/"] = redirect(net.inside_url())
    return await net.got(net.url())


async def redirects_inside_by_name(net: Internet) -> object:
    net.dns.names["inside.test"] = [[INSIDE]]
    net.villain.answers["/"] = redirect(net.inside_url("inside.test"))
    return await net.got(net.url())


async def redirects_to_localhost(net: Internet) -> object:
    net.villain.answers["/"] = redirect(net.inside_url("localhost"))
    return await net.got(net.url())


async def links_inside(net: Internet) -> object:
    return await net.got(net.inside_url())


async def links_to_a_mapped_address(net: Internet) -> object:
    return await net.got(net.inside_url("[::ffff:127.0.0.1]"))


async def links_to_one_number(net: Internet) -> object:
    return await net.got(net.inside_url("2130706433"))


async def links_to_a_hexadecimal_number(net: Internet) -> object:
    return await net.got(net.inside_url("0x7f000001"))


async def changes_the_name_s_address(net: Internet) -> object:
    net.dns.names["changing.test"] = [[OUTSIDE], [INSIDE]]
    net.villain.answers["/secret"] = answer("404 Not Found")
    return await net.got(net.inside_url("changing.test"))


async def mixes_addresses(net: Internet) -> object:
    net.dns.names["mixed.test"] = [[INSIDE, OUTSIDE]]
    while True:
        with suppress(BadStatus):  # outside, as it happens: addresses come in any order
            return await net.got(net.inside_url("mixed.test"))


async def names_a_user(net: Internet) -> object:
    return await net.got(net.inside_url(f"villain.test@{INSIDE}"))


async def never_ends(net: Internet) -> object:
    async def endless(_, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        for _ in range(3 * 64):
            writer.write(b"x" * 16384)
            await writer.drain()

    net.villain.answers["/"] = endless
    return await net.got(net.url(), maximum=MIB)


async def announces_too_much(net: Internet) -> object:
    net.villain.answers["/"] = page(b"x" * 2000)
    return await net.got(net.url(), maximum=1000)


async def drips(net: Internet) -> object:
    async def slowly(_, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 30\r\n\r\n")
        for _ in range(30):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)  # the attack itself

    net.villain.answers["/"] = slowly
    return await net.got(net.url())


async def drips_headers(net: Internet) -> object:
    async def slowly(_, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for n in range(30):
            writer.write(f"X-{n}: y\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.1)  # the attack itself
        writer.write(b"Content-Type: text/html\r\nContent-Length: 0\r\n\r\n")

    net.villain.answers["/"] = slowly
    return await net.got(net.url()) or b"done"


async def packs_a_bomb(net: Internet) -> object:
    net.villain.answers["/"] = page(gzip.compress(bytes(50 * MIB)), Content_Encoding="gzip")
    return await net.got(net.url(), maximum=MIB)


async def packs_with_what_we_do_not_unpack(net: Internet) -> object:
    net.villain.answers["/"] = page(b"\x00bomb", Content_Encoding="br")
    return await net.got(net.url())


async def packs_twice(net: Internet) -> object:
    net.villain.answers["/"] = page(b"bomb", Content_Encoding="gzip, gzip")
    return await net.got(net.url())


async def sends_a_film(net: Internet) -> object:
    net.villain.answers["/"] = page(b"film", Content_Type="video/mp4")
    return await net.got(net.url())


async def sends_no_type(net: Internet) -> object:
    net.villain.answers["/"] = answer("200 OK", b"what is it")
    return await net.got(net.url())


async def sends_a_huge_header(net: Internet) -> object:
    net.villain.answers["/"] = page(b"page", X_Huge="x" * MIB)
    return await net.got(net.url())


async def redirects_for_ever(net: Internet) -> object:
    for n in range(12):
        net.villain.answers[f"/{n}"] = redirect(f"/{n + 1}")
    net.villain.answers["/12"] = page()
    return await net.got(net.url("/0"))


def redirects_to(scheme: str) -> Callable[[Internet], Awaitable[object]]:
    async def attack(net: Internet) -> object:
        net.villain.answers["/"] = redirect(scheme)
        net.villain.answers["/page"] = page()
        return await net.got(net.url())

    return attack


ATTACKS = {
    "links inside": Attack(links_inside, AddressRefused, no_checks_of_addresses),
    "::ffff:": Attack(links_to_a_mapped_address, AddressRefused, no_checks_of_addresses),
    "one number": Attack(links_to_one_number, BadTarget, no_checks_of_hosts),
    "hexadecimal": Attack(links_to_a_hexadecimal_number, BadTarget, no_checks_of_hosts),
    "redirect inside": Attack(redirects_inside, AddressRefused, no_checks_of_addresses),
    "redirect by name": Attack(redirects_inside_by_name, AddressRefused, no_checks_of_addresses),
    "redirect to localhost": Attack(redirects_to_localhost, AddressRefused, no_checks_of_addresses),
    "mixed addresses": Attack(mixes_addresses, AddressRefused, no_checks_of_addresses),
    "user name": Attack(names_a_user, BadTarget, user_names),
    "endless body": Attack(never_ends, TooLarge, no_limit_of_bodies),
    "long body": Attack(announces_too_much, TooLarge, no_limit_of_lengths),
    "slow body": Attack(drips, Unreachable, no_deadline),
    "slow headers": Attack(drips_headers, Unreachable, no_deadline),
    "zip bomb": Attack(packs_a_bomb, TooLarge, no_limit_after_unpacking),
    "brotli": Attack(packs_with_what_we_do_not_unpack, WrongType, any_encoding),
    "packed twice": Attack(packs_twice, WrongType, any_encoding),
    "wrong type": Attack(sends_a_film, WrongType, any_type),
    "no type": Attack(sends_no_type, WrongType, any_type),
    "huge header": Attack(sends_a_huge_header, Unreachable, long_headers),
    "redirect loop": Attack(redirects_for_ever, TooManyRedirects, many_redirects),
    "redirect to a file": Attack(redirects_to("file:/etc/passwd"), BadTarget, any_scheme),
    "redirect to gopher": Attack(redirects_to("gopher://villain.test/"), BadTarget, any_scheme),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_comes_to_nothing(net, name):
    with pytest.raises(ATTACKS[name].refusal):
        await ATTACKS[name].do(net)
    assert net.inside.asked == []


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_succeeds_without_the_rule_against_it(net, name, monkeypatch):
    ATTACKS[name].without(monkeypatch, net)
    assert await ATTACKS[name].do(net)


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(net):
    with pytest.raises(BadStatus):  # the villain's own answer
        await changes_the_name_s_address(net)
    assert (net.villain.asked, net.inside.asked) == (["/secret"], [])


async def test_a_name_that_changes_its_address_would_get_in_if_it_were_looked_up_twice(
    net, monkeypatch
):
    checks_before_the_look_up_that_counts(monkeypatch, net)
    assert await changes_the_name_s_address(net) == b"<title>The keys</title>"


async def test_a_bomb_is_not_unpacked_beyond_the_limit(net, monkeypatch):
    sizes: list[int] = []

    class Counting:
        def __init__(self, *arguments):
            self._real = real(*arguments)

        eof = False

        def decompress(self, chunk, limit):
            found = self._real.decompress(chunk, limit)
            sizes.append(len(found))
            return found

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(TooLarge):
        await packs_a_bomb(net)
    assert sum(sizes) <= MIB + 1


async def test_a_packed_body_that_breaks_off_or_is_none_is_of_no_use(net):
    net.villain.answers["/short"] = page(gzip.compress(b"x" * 999)[:-9], Content_Encoding="gzip")
    net.villain.answers["/none"] = page(b"not packed at all", Content_Encoding="gzip")
    for path in ("/short", "/none"):
        with pytest.raises(Unusable):
            await net.got(net.url(path))


async def test_what_is_not_http_is_nobody(net):
    net.villain.answers["/"] = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
    with pytest.raises(Unreachable):
        await net.got(net.url())


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_patience():
    async with internet(patience=Patience(connect=0.2, read=0.2, whole=0.2)) as net:
        silent = asyncio.Event()

        async def say_nothing(_, __) -> None:
            await silent.wait()

        net.villain.answers["/"] = say_nothing
        with pytest.raises(Unreachable):
            await net.got(net.url())
