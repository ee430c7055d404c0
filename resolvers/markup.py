"""The Markdown that messages are written in, as HTML that is safe to show, and the links in it.

What people write is stored as it was written. HTML is made of it whenever somebody asks: a mended
sanitiser mends old messages too. It passes two guards that know nothing of each other: a parser
that knows no raw HTML and refuses a link unless it leads to the web or to a mail address, and a
sanitiser that lets nothing through but what is named below.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape

import nh3
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MAX_NESTING = 12  # levels of quotes, lists and emphasis; what is deeper is shown as it was written
# Characters that may be markup. Parsing takes time with each of them, and no text for people has as
# many; one that has is shown as it was written.
MAX_MARKS = 1_500
QUICK_LENGTH = 200  # characters: 0.3 ms at most
CACHED_LENGTH = 1_000  # characters; with the number of entries below, some 10 MB at worst
CACHED = 2_000

_RULES = [
    "backticks",
    "blockquote",
    "emphasis",
    "escape",
    "fence",
    "link",
    "autolink",
    "linkify",
    "list",
    "newline",
    "strikethrough",
    "balance_pairs",
    "fragments_join",
]
# Without a scheme only these are links: `main.py`, `setup.sh` and `README.md` are no sites.
_TOP_LEVELS = ["com", "net", "org", "info", "dev", "app", "edu", "gov", "рф"]
_MARK = re.compile(r"[\\`*_~\[\]<>@:./]|^[ \t]*(?:[-+]|\d{1,9}[.)])[ \t]", re.MULTILINE)
# One line that no rule changes: most messages.
_PLAIN = re.compile(r"[^\W\d_](?:[^\W_]|[ ,!?;'()%…–—’«»„“”]|[.:](?= |$)|-(?=[^\W_]))*(?<! )")
_MAY_LINK = re.compile(r"://|\.(?:" + "|".join(_TOP_LEVELS) + r")\b|www\.", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://[^\s/?#]|mailto:[^\s?])", re.IGNORECASE)
_LANGUAGE = re.compile(r"language-[\w+#.-]{1,32}", re.ASCII)
# Handles are as `accounts/handles.py` lets them be: not in an e-mail address or a path, and not the
# beginning of a longer word.
MENTION = re.compile(r"(?<![\w@/.+%=-])@([A-Za-z][A-Za-z0-9_]{2,31})(?![\w@])")


def html(text: str, mentioned: Mapping[str, str] | None = None) -> str:
    """Return a message's text as HTML that shows what it says and can do nothing else.

    `mentioned` gives, for each handle that is mentioned, what the page is to know the person by,
    and for `@all` nothing: "". Other words with an @ stay words.
    """
    if not text:
        return ""
    if _PLAIN.fullmatch(text):
        return _in_paragraph(text)
    pairs = tuple(sorted(mentioned.items())) if mentioned else ()
    if len(text) <= CACHED_LENGTH:
        return _cached(text, pairs)
    return _rendered(text, pairs)


def quick(text: str, mentioned: Mapping[str, str] | None = None) -> str | None:
    """Return the HTML of a text that takes no time worth speaking of; None for any other."""
    if not text:
        return ""
    if _PLAIN.fullmatch(text):
        return _in_paragraph(text)
    return html(text, mentioned) if len(text) <= QUICK_LENGTH else None


def links(text: str) -> list[str]:
    """Return the addresses on the web that a text links to, each once, in their order."""
    if not _MAY_LINK.search(text) or _is_too_much(text):
        return []
    found: dict[str, None] = {}
    for block in _PARSER.parse(text):
        for token in block.children or ():
            href = str(token.attrGet("href") or "") if token.type == "link_open" else ""
            if href.lower().startswith("http"):
                found[href] = None
    return list(found)


def _rendered(text: str, mentioned: tuple[tuple[str, str], ...]) -> str:
    if _is_too_much(text):
        return _in_paragraph(text.strip()).replace("\n", "<br>\n")
    made = _PARSER.render(text, {"mentioned": dict(mentioned)})
    return _CLEANER.clean(made).strip()


_cached = lru_cache(maxsize=CACHED)(_rendered)


def _in_paragraph(text: str) -> str:
    return f"<p>{escape(text, quote=False)}</p>"


def _is_too_much(text: str) -> bool:
    return len(text) > MAX_MARKS and sum(1 for _ in _MARK.finditer(text)) > MAX_MARKS


def _mark_mentions(state: StateCore) -> None:
    """Turn `@handle` into what tells whom it means, unless it stands in code or in a link."""
    mentioned: dict[str, str] = state.env.get("mentioned") or {}
    if not mentioned:
        return
    for block in state.tokens:
        if block.children:
            block.children = _with_mentions(block.children, mentioned)


def _with_mentions(children: list[Token], mentioned: Mapping[str, str]) -> list[Token]:
    result: list[Token] = []
    in_link = False
    for token in children:
        if token.type in ("link_open", "link_close"):
            in_link = token.type == "link_open"
        if token.type == "text" and not in_link and "@" in token.content:
            result += _pieces(token, mentioned)
        else:
            result.append(token)
    return result


def _pieces(token: Token, mentioned: Mapping[str, str]) -> list[Token]:
    pieces: list[Token] = []
    done = 0
    for found in MENTION.finditer(token.content):
        handle = found[1].lower()
        if handle not in mentioned:
            continue
        attributes: dict[str, str | int | float] = {"class": "mention"}
        if mentioned[handle]:
            attributes["data-user-id"] = mentioned[handle]
        pieces += [
            _piece(token, "text", 0, content=token.content[done : found.start()]),
            _piece(token, "mention_open", 1, tag="span", attrs=attributes),
            _piece(token, "text", 0, content=found[0]),
            _piece(token, "mention_close", -1, tag="span"),
        ]
        done = found.end()
    return [*pieces, _piece(token, "text", 0, content=token.content[done:])]


def _piece(
    token: Token,
    type_: str,
    nesting: int,
    *,
    tag: str = "",
    content: str = "",
    attrs: dict[str, str | int | float] | None = None,
) -> Token:
    return Token(
        type=type_,
        tag=tag,
        nesting=nesting,  # type: ignore[arg-type]
        content=content,
        attrs=attrs or {},
        level=token.level,
    )


def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"linkify": True, "breaks": True, "maxNesting": MAX_NESTING})
    parser.enable(_RULES)
    parser.core.ruler.push("mentions", _mark_mentions)
    parser.linkify = LinkifyIt().tlds(_TOP_LEVELS, keep_old=False)
    # What leads elsewhere stays as it was written.
    parser.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    return parser


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if _LANGUAGE.fullmatch(value) else None
    return value


ELEMENTS = {
    "a",
    "blockquote",
    "br",
    "code",
    "em",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "ul",
}
_PARSER = _parser()
_CLEANER = nh3.Cleaner(
    tags=ELEMENTS,
    clean_content_tags={"script", "style"},
    attributes={
        "*": set(),
        "a": {"href"},
        "code": {"class"},
        "ol": {"start"},
        "span": {"data-user-id"},
    },
    attribute_filter=_attribute,
    tag_attribute_values={"span": {"class": {"mention"}}},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)
