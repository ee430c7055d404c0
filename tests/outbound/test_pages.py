"""What is read of a page's head, and what is left out of it."""

import pytest

from outbound.errors import Unusable
from outbound.pages import MAX_DESCRIPTION, MAX_TITLE, described
from outbound.web import Page


def page(html: str | bytes, charset: str | None = "utf-8", url: str = "https://example.org/a/b"):
    body = html.encode() if isinstance(html, str) else html
    return Page(url, "text/html", charset, body)


def meta(**said: str) -> str:
    return "".join(
        f'<meta property="{name.replace("__", ":")}" content="{content}">'
        for name, content in said.items()
    )


def test_a_page_says_what_it_is():
    found = described(
        page(
            "<title>Plain</title>"
            + meta(
                og__title="A &amp; B",
                og__description="Of <b>letters</b>",
                og__site_name="Example",
                og__image="/image.png",
            )
        )
    )
    assert (found.title, found.description) == ("A & B", "Of <b>letters</b>")
    assert (found.site_name, found.image_url) == ("Example", "https://example.org/image.png")


def test_without_open_graph_the_plain_title_and_description_are_taken():
    found = described(page('<title>\n Plain\t title </title><meta name="description" content="D">'))
    assert (found.title, found.description, found.site_name) == ("Plain title", "D", None)


@pytest.mark.parametrize(
    "html", ["", "<p>Hello", "<title> </title>", "<title>\u200e\u202e</title>"]
)
def test_a_page_without_a_title_is_of_no_use(html):
    with pytest.raises(Unusable):
        described(page(html))


def test_what_would_change_the_text_around_it_is_left_out():
    found = described(page("<title>ab\u202egnp.\u2066c\x07d\ue000e</title>"))
    assert found.title == "abgnp.cde"


def test_long_texts_are_cut():
    found = described(page(meta(og__title="t" * 3000, og__description="d " * 1500)))
    assert len(found.title) == MAX_TITLE
    assert len(found.description or "") <= MAX_DESCRIPTION
    assert found.title.endswith("…")


@pytest.mark.parametrize(
    "image",
    [
        "http://example.org/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://127.0.0.1/a.png",
        "https://2130706433/a.png",
        "https://[::1]/a.png",
        "https://router/a.png",
        "https://user:password@example.org/a.png",
        "https://example.org:8443/a.png",
        "https://[",
    ],
)
def test_a_picture_that_no_client_should_load_is_left_out(image):
    assert described(page("<title>T</title>" + meta(og__image=image))).image_url is None


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("<title>Привет</title>".encode("windows-1251"), "windows-1251"),
        ('<meta charset="koi8-r"><title>Привет</title>'.encode("koi8-r"), None),
        ("\ufeff<title>Привет</title>".encode(), "windows-1251"),
        ("<title>Привет</title>".encode(), "rot13"),
        ("<title>Привет</title>".encode(), "idna"),
    ],
)
def test_a_page_is_read_in_its_encoding(body, charset):
    assert described(page(body, charset)).title == "Привет"


@pytest.mark.parametrize(
    "filling",
    ["<div>", "<meta ", '<meta name="a', "<title", "<meta content='", "<!--", "<a b=", "&lt"],
)
@pytest.mark.timeout(10)
def test_a_page_of_half_a_megabyte_of_anything_takes_no_time(filling):
    html = "<title>T</title>" + filling * (500_000 // len(filling))
    assert described(page(html)).title == "T"


@pytest.mark.parametrize(
    "rest", ["<![if", "<![unknown[", "<!x", "<!DOCTYPE [<!", "<?", "</", "<!--"]
)
def test_what_stands_behind_a_tag_does_not_matter(rest):
    html = f'<meta property="og:title" content="T">{rest}<title>{rest}'
    assert described(page(html)).title == "T"


def test_a_value_may_hold_what_looks_like_the_end_of_a_tag():
    html = '<meta property="og:title" content="a > b"><title>T</title>'
    assert described(page(html)).title == "a > b"
