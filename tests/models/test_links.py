"""Which link of a text a preview is shown of."""

import pytest

from models.links import MAX_LINK, first_link


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://example.org", "https://example.org"),
        ("See https://example.org/a?b=c#d, and more.", "https://example.org/a?b=c#d"),
        ("(https://example.org/a)", "https://example.org/a"),
        ("https://example.org/a_(b)", "https://example.org/a_(b)"),
        ("[text](https://example.org/a)", "https://example.org/a"),
        ("**https://example.org**", "https://example.org"),
        ("HTTP://EXAMPLE.ORG/", "HTTP://EXAMPLE.ORG/"),
        ("`code` https://example.org `more`", "https://example.org"),
        ("an unclosed ` and https://example.org", "https://example.org"),
        ("<https://hidden.example> https://example.org", "https://example.org"),
        ("https://one.example https://two.example", "https://one.example"),
        ("https://müller.example/ü", "https://müller.example/ü"),
    ],
)
def test_the_first_link_is_found_without_what_surrounds_it(text, link):
    assert first_link(text) == link


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "example.org",
        "ftp://example.org",
        "javascript://example.org",
        "xhttps://example.org",
        "<https://example.org>",
        "`https://example.org`",
        "``a ` https://example.org ``",
        "```\nhttps://example.org\n```",
        "https://",
        "https://...",
        f"https://example.org/{'a' * MAX_LINK}",
    ],
)
def test_what_is_no_link_or_written_as_none_is_not_found(text):
    assert first_link(text) is None


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "filling", ["`", "` ``", "(", ")", "https://", "https://a ", "<https://a", "https://a)))"]
)
def test_a_long_text_of_anything_takes_no_time(filling):
    text = "://" + filling * (10_000 // len(filling))
    for _ in range(100):
        found = first_link(text)
    assert found is None or found.lower().startswith("http")
