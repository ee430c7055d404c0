"""Whose address a request stands for: nobody but a proxy of ours is believed."""

import ipaddress

import pytest

from server.addresses import MAX_HOPS, Addresses

OURS = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32")]
LISTED, FORWARDED = b"x-forwarded-for", b"forwarded"


def resolved(peer, *headers):
    scope = {"type": "http", "client": peer and (peer, 50000), "headers": list(headers)}
    Addresses(OURS).resolve(scope)
    return scope["client"] and scope["client"][0]


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        (None, [(LISTED, b"192.0.2.1")], None),
        ("unix:", [(LISTED, b"192.0.2.1")], "unix:"),
        # A stranger is not believed, whatever they say.
        ("192.0.2.1", [(LISTED, b"198.51.100.7")], "192.0.2.1"),
        ("192.0.2.1", [(FORWARDED, b"for=198.51.100.7")], "192.0.2.1"),
        # A proxy is, as far as it wrote itself.
        ("10.0.0.1", [(LISTED, b"198.51.100.7")], "198.51.100.7"),
        ("::ffff:10.0.0.1", [(LISTED, b"198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"1.1.1.1, 198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"1.1.1.1, 198.51.100.7, 10.0.0.2")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"1.1.1.1"), (LISTED, b"198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"127.0.0.1, 198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"10.0.0.9, 10.0.0.2")], "10.0.0.9"),
        ("10.0.0.1", [(LISTED, b"198.51.100.7:4711")], "198.51.100.7"),
        ("10.0.0.1", [(LISTED, b"[2001:db9::1]:4711")], "2001:db9::1"),
        ("10.0.0.1", [(LISTED, b"2001:db9::1")], "2001:db9::1"),
        ("10.0.0.1", [(LISTED, b"::ffff:198.51.100.7")], "198.51.100.7"),
        ("2001:db8::5", [(FORWARDED, b'for="[2001:db9::1]:80";proto=https')], "2001:db9::1"),
        ("10.0.0.1", [(FORWARDED, b"for=1.1.1.1, For=198.51.100.7;by=x")], "198.51.100.7"),
        # Where it wrote something else, its own address stands.
        ("10.0.0.1", [(LISTED, b"")], "10.0.0.1"),
        ("10.0.0.1", [(LISTED, b"198.51.100.7, unknown")], "10.0.0.1"),
        ("10.0.0.1", [(LISTED, b"198.51.100.7, ")], "10.0.0.1"),
        ("10.0.0.1", [(LISTED, b"\xff\x00, 1.2.3.4.5")], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, b"proto=https")], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, b"for=_hidden")], "10.0.0.1"),
        # One of the two is the client's own writing, and nothing says which.
        ("10.0.0.1", [(LISTED, b"1.1.1.1"), (FORWARDED, b"for=198.51.100.7")], "10.0.0.1"),
    ],
)
def test_the_address_is_what_the_last_of_our_proxies_has_written(peer, headers, address):
    assert resolved(peer, *headers) == address


def test_a_long_list_is_looked_at_from_its_end_only():
    hops = b"192.0.2.1," * 100_000 + b"10.0.0.2," * MAX_HOPS + b"10.0.0.3"
    assert resolved("10.0.0.1", (LISTED, hops)) == "10.0.0.2"


@pytest.mark.parametrize(
    ("peer", "type_", "scheme"),
    [
        ("10.0.0.1", "http", "https"),
        ("10.0.0.1", "websocket", "wss"),
        ("192.0.2.1", "http", "as was"),
    ],
)
def test_a_proxy_of_ours_tells_whether_its_client_speaks_https(peer, type_, scheme):
    headers = [(b"x-forwarded-proto", b"https")]
    scope = {"type": type_, "client": (peer, 50000), "headers": headers, "scheme": "as was"}
    Addresses(OURS).resolve(scope)
    assert scope["scheme"] == scheme
