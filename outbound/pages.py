"""What a page says of itself in its head: title, description, the site's name, a picture.

Open Graph (ogp.me) before Twitter's cards before plain HTML. What comes out is plain text on one
line, without anything that could change how the text around it is shown; it is still a stranger's.

No tree is made of the page: 500 KB of `<div>` in each other kept a fast parser busy for half a
minute. The tags that count are found first, and each is parsed by itself, in a piece of bounded
length; so a page takes time in proportion to its length, whatever is in it.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from outbound.errors import BadTarget, Unusable
from outbound.targets import target
from outbound.web import Page

MAX_TITLE = 200  # characters
MAX_DESCRIPTION = 500
MAX_SITE_NAME = 80
TYPES = ("text/html", "application/xhtml+xml")

# Of the encodings that pages are written in (WHATWG Encoding §4.2), those that are ASCII below 128
# or tell themselves apart. Python knows others, some of which take their time.
_ENCODINGS = frozenset(
    {
        "big5",
        "euc-jp",
        "euc-kr",
        "gb18030",
        "gb2312",
        "gbk",
        "iso-2022-jp",
        "koi8-r",
        "koi8-u",
        "shift_jis",
        "us-ascii",
        "utf-8",
        *(f"iso-8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)),
        *(f"windows-{number}" for number in (874, *range(1250, 1259))),
    }
)
# Where a page may name its encoding (HTML Standard §13.2.3.2).
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,20})", re.IGNORECASE)
_DECLARED_WITHIN = 1024  # bytes

_TITLES = ("og:title", "twitter:title")
_DESCRIPTIONS = ("og:description", "twitter:description", "description")
_SITE_NAMES = ("og:site_name", "application-name")
_IMAGES = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src")
_TAG = re.compile(r"<(?:meta|title)\b", re.IGNORECASE)
_MAX_TAGS = 500  # that are looked at
_MAX_TAG = 4096  # characters of one


@dataclass(frozen=True, slots=True)
class Description:
    """What a page says of itself."""

    title: str
    description: str | None
    site_name: str | None
    image_url: str | None


def described(page: Page) -> Description:
    """Return what a page says of itself; raises `Unusable` for one without a title."""
    head = _Head()
    text = _text(page)
    for number, tag in enumerate(_TAG.finditer(text)):
        if number >= _MAX_TAGS:
            break
        head.read(text[tag.start() : tag.start() + _MAX_TAG])
    said = head.said
    title = _first(said, _TITLES, MAX_TITLE) or one_line(head.title, MAX_TITLE)
    if title is None:
        raise Unusable("has no title")
    return Description(
        title=title,
        description=_first(said, _DESCRIPTIONS, MAX_DESCRIPTION),
        site_name=_first(said, _SITE_NAMES, MAX_SITE_NAME),
        image_url=_image(page.url, said),
    )


class _Head(HTMLParser):
    """Collects what tags say, the first of each name."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.title = ""
        self._done = False
        self._in_title = False

    def read(self, piece: str) -> None:
        """Read the tag that a piece begins with."""
        self.reset()
        self._done = self._in_title = False
        with suppress(AssertionError):  # of a declaration that is none, somewhere behind the tag
            self.feed(piece)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._done:
            return
        self._done = True
        self._in_title = tag == "title" and not self.title
        given = dict(attrs)
        name, content = given.get("property") or given.get("name"), given.get("content")
        if tag == "meta" and name and content:
            self.said.setdefault(name.strip().lower(), content)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    def handle_endtag(self, _: str) -> None:
        self._in_title = False


def _text(page: Page) -> str:
    encoding = page.charset
    if page.body.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8"
    elif encoding not in _ENCODINGS:
        declared = _DECLARED.search(page.body[:_DECLARED_WITHIN])
        encoding = declared[1].decode("ascii", "replace").lower() if declared else None
    if encoding not in _ENCODINGS:
        encoding = "utf-8"
    return page.body.decode(encoding, "replace")


def _first(said: dict[str, str], names: tuple[str, ...], maximum: int) -> str | None:
    for name in names:
        if (found := one_line(said.get(name, ""), maximum)) is not None:
            return found
    return None


def one_line(text: str, maximum: int) -> str | None:
    """Return a text as one line of plain characters, cut if it is too long; None if none is left.

    Left out are controls, marks of direction, private and unassigned characters, and halves of
    surrogate pairs; all space is one space.
    """
    # A page may have much of it: no more is looked at than could be shown.
    words = text[: 20 * maximum].split()
    kept = " ".join("".join(_shown(character) for character in word) for word in words)
    kept = " ".join(kept.split())
    if len(kept) > maximum:
        kept = kept[: maximum - 1].rstrip() + "…"
    return kept or None


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z":
        return " "
    # Joiners belong to ordinary words of some languages, and to emoji.
    joins = character in "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
    return character if category[0] != "C" or joins else ""


def _image(base: str, said: dict[str, str]) -> str | None:
    """Return a picture's URL. Clients may load it, so it is one that we would ask ourselves."""
    for name in _IMAGES:
        if written := said.get(name, "").strip():
            try:
                found = target(urljoin(base, written))
            except (BadTarget, ValueError):
                continue
            if found.scheme == "https" and found.address is None and "." in found.host:
                return str(found.url)
    return None
