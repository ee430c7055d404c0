"""Addresses: what is one, how it is kept, and which two are the same."""

import pytest

from accounts.addresses import MAX_ADDRESS, BadAddress, read


@pytest.mark.parametrize(
    ("given", "text", "ascii_", "key"),
    [
        ("ana@example.org", "ana@example.org", "ana@example.org", "ana@example.org"),
        (" ana@example.org\n", "ana@example.org", "ana@example.org", "ana@example.org"),
        (
            "Ana.Ruiz@Example.ORG",
            "Ana.Ruiz@example.org",
            *["Ana.Ruiz@example.org"],
            *["ana.ruiz@example.org"],
        ),
        ("ana+chat@mail.corp.local", *["ana+chat@mail.corp.local"] * 3),
        ("ana@bücher.example", "ana@bücher.example", *["ana@xn--bcher-kva.example"] * 2),
        ("ana@xn--bcher-kva.example", "ana@bücher.example", *["ana@xn--bcher-kva.example"] * 2),
        ("ana@BÜCHER.example", "ana@bücher.example", *["ana@xn--bcher-kva.example"] * 2),
        ("ana@例え.jp", "ana@例え.jp", *["ana@xn--r8jz45g.jp"] * 2),
        ("a" * 64 + "@example.org", *["a" * 64 + "@example.org"] * 3),
    ],
)
def test_an_address_is_shown_sent_to_and_found_by(given, text, ascii_, key):
    address = read(given)
    assert (address.text, address.ascii, address.key) == (text, ascii_, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@example.org",
        "ana@",
        "ana@localhost",
        "ana@example..org",
        "ana@.example.org",
        "ana@example.org.",
        "ana@-example.org",
        "a" * 65 + "@example.org",
        "ana@" + "a" * 64 + ".org",
        "ana@" + ".".join(["a" * 60] * 5),
        "ana@example.org, ben@example.org",
        "ana@example.org ben@example.org",
        "Ana <ana@example.org>",
        "<ana@example.org>",
        '"ana ruiz"@example.org',
        "ana@[127.0.0.1]",
        "ana@example.org\r\nBcc: ben@example.org",
        "ana\r\nBcc: ben@example.org",
        "ana\n@example.org",
        "ana\x00@example.org",
        "ana@exam\x00ple.org",
        "ana@exam\N{ZERO WIDTH SPACE}ple.org",
        "ana@example.org\N{LINE SEPARATOR}x",
        "\N{CYRILLIC SMALL LETTER A}na@example.org",
        "ana@exa mple.org",
        "ana@example.org?subject=x",
        "ana@example.org>",
        "a\ud800@example.org",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadAddress):
        read(text)


def test_an_address_is_never_longer_than_it_may_be():
    domain = ".".join(["b" * 61] * 3)
    longest = "a" * (MAX_ADDRESS - len(domain) - 1 - 4) + "@" + domain + ".org"
    assert len(read(longest).ascii) == MAX_ADDRESS
    with pytest.raises(BadAddress):
        read("a" + longest)
