"""What people write, as HTML in a real browser: nothing of it runs, and nothing is fetched."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

import pytest
from markdown_it import MarkdownIt
from playwright.async_api import Browser, Error, Route

from resolvers import markup
from schema.connections import MAX_PAGE
from tests.parts.people import Person
from tests.security.vectors import VECTORS

HISTORY = """query($id: ID!, $after: String) { chat(id: $id) { messages(first: 200, after: $after) {
  nodes { text html replyTo { html } edits { html } } pageInfo { hasNextPage endCursor }
} } }"""

# Shows a piece of HTML as a client does, does to it what people and browsers do, and tells whether
# it ran and what is there. Without a policy on content, so that only the HTML itself is safe.
SHOW = """async (piece) => {
  const elements = [], attributes = [], schemes = [];
  let ran = false;
  window.pwn = () => { ran = true; };
  for (const name of ['alert', 'confirm', 'prompt', 'msgbox']) window[name] = window.pwn;
  const settled = () => new Promise(done => setTimeout(done, 0));
  const stage = document.createElement('div');
  document.body.replaceChildren(stage);
  stage.innerHTML = piece;
  const again = stage.innerHTML;
  stage.innerHTML = again;  // what a browser has written may be read as something else
  for (const element of stage.querySelectorAll('*')) {
    elements.push(element.localName);
    for (const attribute of element.attributes) {
      attributes.push(element.localName + ' ' + attribute.name);
      if (attribute.name.startsWith('on')) {
        element.dispatchEvent(new Event(attribute.name.slice(2)));
      }
    }
    if (element.hasAttribute('href') || element.hasAttribute('xlink:href')) {
      const scheme = element.protocol ?? 'unknown';
      schemes.push(scheme);
      if (!['http:', 'https:', 'mailto:'].includes(scheme)) {
        element.removeAttribute('target');
        element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
      }
    }
  }
  await Promise.all([...stage.querySelectorAll('img')].map(i => i.decode().catch(() => null)));
  await settled();
  await settled();
  return { ran, elements, attributes, schemes };
}"""


@dataclass
class Seen:
    """What became of pieces of HTML in a browser, and what it asked for meanwhile."""

    ran: list[str] = field(default_factory=list)
    elements: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    schemes: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


PATIENCE = 5.0  # seconds for a piece of HTML
ATTRIBUTES = {
    *("a href", "a rel", "a target", "code class", "ol start"),
    *("span class", "span data-user-id"),  # of mentions
}


async def stored(person: Person) -> list[str]:
    """Send every vector, and return the HTML that the server makes of each."""
    chat_id = await person.group("Team")
    for vector in VECTORS:
        message = await person.send(chat_id, vector)
        assert message["text"] == vector
    return await shown(person, chat_id)


async def shown(person: Person, chat_id: str) -> list[str]:
    pieces: list[str] = []
    after = None
    while True:
        page = (await person.ask(HISTORY, id=chat_id, after=after))["chat"]["messages"]
        pieces += [node["html"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return pieces


async def looked_at(browser: Browser, pieces: list[str]) -> Seen:
    """Show pieces in a browser; one that leads it elsewhere, or keeps it busy, has run as well."""
    seen = Seen()
    context = await browser.new_context()

    async def refuse(route: Route) -> None:
        seen.requests.append(route.request.url)
        await route.abort()

    await context.route("**/*", refuse)
    page = await context.new_page()
    for piece in pieces:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await page.evaluate(SHOW, piece)
        except (Error, TimeoutError):
            seen.ran.append(piece)
            await page.close()
            page = await context.new_page()
            continue
        if found["ran"]:
            seen.ran.append(piece)
        seen.elements |= set(found["elements"])
        seen.attributes |= set(found["attributes"])
        seen.schemes |= set(found["schemes"])
    await context.close()
    return seen


@pytest.mark.timeout(180)
async def test_nothing_that_people_write_runs_or_is_fetched(sqlite_server, browser):
    assert len(VECTORS) == len(set(VECTORS)) >= 150
    assert len(VECTORS) > MAX_PAGE  # more than one page
    ana = await sqlite_server.registered("ana")
    pieces = await stored(ana)
    assert len(pieces) == len(VECTORS)
    assert set(re.findall('data-user-id="(.*?)"', " ".join(pieces))) <= {ana.user_id}
    seen = await looked_at(browser, pieces)
    assert seen.ran == []
    assert seen.requests == []
    assert seen.elements <= markup.ELEMENTS
    assert seen.attributes <= ATTRIBUTES
    assert seen.schemes == {"http:", "https:", "mailto:"}


class _Nothing:
    """A sanitiser that lets everything through."""

    def clean(self, html: str) -> str:
        return html


@pytest.mark.timeout(300)
async def test_the_browser_sees_it_when_the_guards_are_down(sqlite_server, browser, monkeypatch):
    careless = MarkdownIt("commonmark", {"html": True, "linkify": True})
    careless.validateLink = lambda url: True  # type: ignore[method-assign]
    monkeypatch.setattr(markup, "_PARSER", careless)
    monkeypatch.setattr(markup, "_CLEANER", _Nothing())
    markup._cached.cache_clear()
    pieces = await stored(await sqlite_server.registered("ana"))
    markup._cached.cache_clear()
    # Enough of them to know that it sees what there is to see: each that runs takes its time.
    pieces = pieces[::8]
    seen = await looked_at(browser, pieces)
    assert len(seen.ran) >= 5, seen.ran
    assert "javascript:" in seen.schemes


async def test_the_browser_sees_what_is_fetched(browser):
    pixel = "http://evil.example/pixel.png"
    assert (await looked_at(browser, [f'<img src="{pixel}">'])).requests == [pixel]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("guard", ["_PARSER", "_CLEANER"])
async def test_either_guard_alone_keeps_everything_out(browser, monkeypatch, guard):
    careless = MarkdownIt("commonmark", {"html": True, "linkify": True})
    careless.validateLink = lambda url: True  # type: ignore[method-assign]
    monkeypatch.setattr(markup, guard, careless if guard == "_PARSER" else _Nothing())
    pieces = [markup._rendered(vector, ()) for vector in VECTORS]
    seen = await looked_at(browser, pieces)
    assert seen.ran == []
    assert seen.requests == []
