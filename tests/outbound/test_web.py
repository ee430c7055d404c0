"""Fetching and posting outside, as it is meant to work; villains are in `test_attacks.py`."""

import gzip

import pytest

from outbound import addresses
from outbound.addresses import Addresses
from outbound.errors import (
    AddressRefused,
    BadStatus,
    NoSuchHost,
)
from tests.outbound.villain import INSIDE, OUTSIDE, answer, internet, page, redirect

MIB = 1024 * 1024


async def test_a_page_is_fetched_with_its_type_and_charset(net):
    net.villain.answers["/"] = page(b"<p>Hi", Content_Type='text/html; Charset="ISO-8859-1"')
    found = await net.web.get(net.url(), types=["text/html"], maximum=100)
    assert (found.body, found.content_type, found.charset) == (b"<p>Hi", "text/html", "iso-8859-1")
    (head,) = net.villain.heads
    assert f"host: villain.test:{net.villain.port}\r\n" in head.lower()
    assert "cookie" not in head.lower()


async def test_a_packed_page_is_unpacked(net):
    net.villain.answers["/"] = page(gzip.compress(b"x" * 1000), Content_Encoding="gzip")
    assert await net.got(net.url(), maximum=1000) == b"x" * 1000


async def test_redirects_are_followed_and_their_cookies_forgotten(net):
    net.villain.answers["/"] = answer("302 Found", Location="/next", Set_Cookie="a=b")
    net.villain.answers["/next"] = page(b"There")
    assert await net.got(net.url()) == b"There"
    assert "cookie" not in net.villain.heads[1].lower()


async def test_of_several_addresses_one_that_answers_is_enough():
    async with internet() as net:
        net.dns.names["several.test"] = [["127.0.0.3", OUTSIDE]]
        net.web._addresses = Addresses([addresses.network("127.0.0.2/31")])
        net.villain.answers["/"] = page(b"There")
        assert await net.got(net.url(host="several.test")) == b"There"


async def test_a_proxy_of_the_environment_is_not_asked(net, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{INSIDE}:{net.inside.port}")
    net.villain.answers["/"] = page(b"There")
    assert await net.got(net.url()) == b"There"
    assert net.inside.asked == []


async def test_a_name_that_nobody_knows_leads_nowhere(net):
    with pytest.raises(NoSuchHost):
        await net.got("http://nobody.test/")


async def test_what_is_not_a_success_is_not_read(net):
    with pytest.raises(BadStatus) as failure:
        await net.got(net.url("/nothing"))
    assert failure.value.status == 404


async def test_a_body_that_is_posted_arrives_and_the_answer_s_status_comes_back(net):
    net.villain.answers["/hook"] = answer("202 Accepted", b"thanks")
    assert await net.web.post(net.url("/hook"), b"{}", {"x-one": "two"}) == 202
    assert net.villain.bodies == [b"{}"]
    assert "x-one: two" in net.villain.heads[0].lower()


async def test_what_is_posted_is_not_carried_on_by_a_redirect(net):
    net.villain.answers["/hook"] = redirect(net.url("/elsewhere"))
    assert await net.web.post(net.url("/hook"), b"{}", {}) == 302
    assert net.villain.asked == ["/hook"]


async def test_what_is_posted_goes_by_https_unless_the_address_is_allowed(net, monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    monkeypatch.setattr(addresses, "is_own", lambda _: False)
    net.web._addresses = Addresses()
    with pytest.raises(AddressRefused):
        await net.web.post(net.url("/hook"), b"{}", {})
    assert net.villain.asked == []
