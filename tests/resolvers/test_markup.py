"""What messages look like as HTML, and how long that may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import markup

RENDERED = [
    ("", ""),
    ("Hello", "<p>Hello</p>"),
    ("one\ntwo", "<p>one<br>\ntwo</p>"),
    ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
    ("**bold** and __bold__", "<p><strong>bold</strong> and <strong>bold</strong></p>"),
    ("*it* and _it_, snake_case_name", "<p><em>it</em> and <em>it</em>, snake_case_name</p>"),
    ("~~gone~~", "<p><s>gone</s></p>"),
    ("`a < b`", "<p><code>a &lt; b</code></p>"),
    (
        "```python\nprint('<b>')\n```",
        "<pre><code class=\"language-python\">print('&lt;b&gt;')\n</code></pre>",
    ),
    ('```"onclick=x\ny\n```', "<pre><code>y\n</code></pre>"),
    ("> said\n\nanswer", "<blockquote>\n<p>said</p>\n</blockquote>\n<p>answer</p>"),
    ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
    ("3. c\n4. d", '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>'),
    (r"\*as written\*", "<p>*as written*</p>"),
    ("# no heading", "<p># no heading</p>"),
    ("a | b\n--|--\n1 | 2", "<p>a | b<br>\n--|--<br>\n1 | 2</p>"),
    ("    no code", "<p>no code</p>"),
    ("<b>raw</b> &amp; &lt;", "<p>&lt;b&gt;raw&lt;/b&gt; &amp;amp; &amp;lt;</p>"),
    ("[a]: https://e.org\n\n[a]", "<p>[a]: {https://e.org}</p>\n<p>[a]</p>"),
    ("see https://e.org/a_b?c=1&d=(2).", "<p>see {https://e.org/a_b?c=1&amp;d=(2)}.</p>"),
    ("write main.py, README.md", "<p>write main.py, README.md</p>"),
    ("//evil.example.com /a ../b", "<p>//evil.example.com /a ../b</p>"),
    ("at example.com", "<p>at {http://example.com|example.com}</p>"),
    ("[words](https://e.org 'a title')", "<p>{https://e.org|words}</p>"),
    ("![picture](https://e.org/p.png)", "<p>!{https://e.org/p.png|picture}</p>"),
    ("[x](/relative) [y](#a)", "<p>[x](/relative) [y](#a)</p>"),
    ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
    ("[x](ftp://e.org/f)", "<p>[x](ftp://e.org/f)</p>"),
    ("ana@example.org", "<p>{mailto:ana@example.org|ana@example.org}</p>"),
]


def with_links(html: str) -> str:
    """Return expected HTML with what stands in braces as a link."""
    before, brace, rest = html.partition("{")
    if not brace:
        return before
    inner, _, after = rest.partition("}")
    href, _, words = inner.partition("|")
    attributes = 'target="_blank" rel="noopener noreferrer nofollow"'
    return f'{before}<a href="{href}" {attributes}>{words or href}</a>{with_links(after)}'


@pytest.mark.parametrize(("text", "html"), RENDERED)
def test_a_text_is_shown_as_the_subset_of_markdown_says(text, html):
    assert markup.html(text) == with_links(html)


ALPHABET = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00")
SENTENCES = st.text(alphabet="ab Z9.,:;!?'()%…–-’_äж@\n", max_size=40) | st.text(ALPHABET)


@given(SENTENCES)
def test_plain_texts_look_the_same_on_the_short_way(text):
    if text.strip():
        assert markup.html(text) == markup._rendered(text, ())


@given(st.text(alphabet="*_~`[]()<>!#-+.1 \n\\a:/@&\"'{}|=\t", max_size=200))
def test_what_comes_out_is_what_the_sanitiser_would_let_through_again(text):
    html = markup.html(text)
    assert markup._CLEANER.clean(html).strip() == html


N = 10_000
PATHOLOGICAL = {
    "stars": "*" * N,
    "opened emphasis": "*a " * N,
    "two kinds of emphasis": "*a **a " * N,
    "three kinds of emphasis": "*a_ ~~b" * N,
    "closed emphasis": "**a** " * N,
    "quotes in quotes": ">" * N,
    "quotes in quotes, spaced": "> " * N,
    "quotes": "> a\n" * N,
    "lists in lists": "- " * N,
    "lists in lists by lines": "".join("  " * n + "- a\n" for n in range(100)),
    "lists in quotes": "> - " * N,
    "numbered": "1. a\n" * N,
    "empty items": "+\n" * N,
    "opened brackets": "[" * N,
    "closed brackets": "[a" * (N // 4) + "](b)" * (N // 4),
    "opened links": "[a](" * N,
    "pictures": "![" * N,
    "references": "[a]:" * N,
    "backticks": "`" * N,
    "backticks of all lengths": "".join("`" * n + " " for n in range(140)),
    "opened code": "`a " * N,
    "fences": "```\n" * N,
    "tildes": "~" * N,
    "less than": "<" * N,
    "opened addresses": "<http:" * N,
    "schemes": "http://" * N,
    "sites": "a.com " * N,
    "urls": "https://ab.cd/ef " * N,
    "a long host": "a." * N,
    "a long host with an end": "a-" * (N // 2 - 10) + ".com",
    "parentheses in a url": "http://a.com/" + "(" * N,
    "mail": "a@b.com " * N,
    "at": "a@" * N,
    "numbers with dots": "1.1.1.1 " * N,
    "backslashes": "\\" * N,
    "escapes": "\\*" * N,
    "lines": "a\n" * N,
    "empty lines": "\n" * (N - 1) + "a",
    "spaces": "a" + " " * (N - 2) + "b",
    "tabs": "\t" * (N - 1) + "x",
    "marks of direction": "\u202e" * N,
    "combining": "a" + "\u0301" * N,
}


# The worst takes 50 ms: what grows with the square of the length, or worse, does not end in time.
@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_text_takes_long(name):
    text = PATHOLOGICAL[name][:N]
    html = markup.html(text)
    assert len(markup.links(text)) <= markup.MAX_MARKS
    assert 0 < len(html) < 10 * N


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("nothing", []),
        (
            "https://e.org/a then [x](http://b.example/c) and https://e.org/a",
            ["https://e.org/a", "http://b.example/c"],
        ),
        ("`https://e.org` and <https://e.org/x>", ["https://e.org/x"]),
        ("www.example.com", ["http://www.example.com"]),
        ("mailto:ana@example.org ana@example.org", []),
        ("[x](javascript:alert(1)) ftp://e.org", []),
        ("https://bücher.example/ä", ["https://xn--bcher-kva.example/%C3%A4"]),
        ("HTTPS://E.ORG/Q", ["HTTPS://E.ORG/Q"]),
    ],
)
def test_the_links_of_a_text_are_those_on_the_web(text, links):
    assert markup.links(text) == links
    assert all(f'href="{link}"' in markup.html(text) for link in links)


def test_a_mention_tells_whom_it_means():
    html = markup.html(
        "@ana, @Ben! `@ana` [@ana](https://e.org) x@ana a/@ana @anabel @all @cyd",
        {"ana": "id<1>", "ben": "id2", "all": ""},
    )
    assert '<span class="mention" data-user-id="id&lt;1&gt;">@ana</span>,' in html
    assert '<span class="mention" data-user-id="id2">@Ben</span>!' in html
    assert '<span class="mention">@all</span>' in html
    assert html.count("<span") == 3
    assert "@anabel" in html
    assert "@cyd" in html


def test_a_text_with_more_marks_than_anybody_writes_is_shown_as_it_was_written():
    text = "*a* <b>\n" * 1_000
    html = markup.html(text)
    assert html.startswith("<p>*a* &lt;b&gt;<br>\n")
    assert markup.links("https://e.org " * 1_000) == []
