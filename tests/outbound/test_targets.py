"""URLs that are read, and those that are refused before anybody is asked."""

import pytest

from outbound.errors import BadTarget
from outbound.targets import MAX_URL, target


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://example.org", "example.org", b"/"),
        ("http://EXAMPLE.org./a?b=c#d", "example.org", b"/a?b=c"),
        ("https://example.org:443/", "example.org", b"/"),
        ("http://example.org:443/", "example.org:443", b"/"),
        ("https://müller.example/ü", "xn--mller-kva.example", b"/%C3%BC"),
        ("https://[2606:4700::1]/", "[2606:4700::1]", b"/"),
        ("https://93.184.215.14/", "93.184.215.14", b"/"),
    ],
)
def test_an_ordinary_url_leads_to_its_host(url, authority, path):
    found = target(url)
    assert (found.authority, found.path) == (authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/",
        "file:/etc/passwd",
        "gopher://example.org/",
        "ftp://example.org/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@example.org/",
        "https://user:password@example.org/",
        "https://example.org\\@elsewhere.test/",
        "https://example.org:22/",
        "https://example.org:8000/",
        "https://example.org:99999/",
        "https://exa%6dple.org/",
        "https://exa mple.org/",
        "https://example..org/",
        "https://exam\nple.org/",
        "https://example.org/\x00",
        "https://2130706433/",  # 127.0.0.1 in one number
        "https://017700000001/",  # in octal
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://1.2.3.4.5/",
        "https://\N{FULLWIDTH DIGIT ONE}27.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://[not]/",
        f"https://example.org/{'a' * MAX_URL}",
        f"https://{'a' * 64}.org/",
    ],
)
def test_what_is_odd_is_refused(url):
    with pytest.raises(BadTarget):
        target(url)


def test_another_port_is_asked_where_the_operator_names_it():
    assert target("https://example.org:8443/", [8443]).authority == "example.org:8443"
