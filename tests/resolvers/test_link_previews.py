"""Link previews: who gets to see them and when, and that nobody waits for one."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models.followers import log_followers
from models.link_previews import link_preview_waits, link_previews
from resolvers import link_previews as use_cases
from resolvers.services import utc_now
from tests.outbound.villain import answer, page
from tests.parts.outside import outside
from tests.parts.people import until_subscribed

PREVIEW = "linkPreview { url title description siteName imageUrl }"
MESSAGE = f"""query($chat: ID!, $id: ID!) {{ chat(id: $chat) {{
    message(id: $id) {{ text {PREVIEW} }}
}} }}"""
EVENTS = f"""subscription {{ events {{
    __typename seq actor {{ handle }}
    ... on MessageSent {{ message {{ id text {PREVIEW} }} }}
    ... on MessageEdited {{ message {{ id text {PREVIEW} }} }}
    ... on LinkPreviewAdded {{ message {{ id text {PREVIEW} }} }}
}} }}"""
HTML = b"""<title>A page</title><meta property="og:description" content="About something">
<meta property="og:site_name" content="Site"><meta property="og:image" content="https://i.example/a.png">"""
SHOWN = {
    "title": "A page",
    "description": "About something",
    "siteName": "Site",
    "imageUrl": "https://i.example/a.png",
}


@pytest.fixture
async def out(migrated_database_url):
    async with outside(migrated_database_url) as opened:
        opened.other.answers["/page"] = page(HTML)
        await opened.preview()  # it begins at the present
        yield opened


@pytest.fixture
async def sqlite_out(migrated_sqlite_url):
    async with outside(migrated_sqlite_url) as opened:
        opened.other.answers["/page"] = page(HTML)
        await opened.preview()
        yield opened


async def preview_of(person, chat_id, message):
    data = await person.ask(MESSAGE, chat=chat_id, id=message["id"])
    return data["chat"]["message"]["linkPreview"]


def later(monkeypatch, by: timedelta) -> None:
    now = utc_now() + by
    monkeypatch.setattr(use_cases, "utc_now", lambda: now)


async def test_a_link_is_fetched_once_and_everybody_who_was_told_of_it_is_told_again(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    link = out.url("/page")
    async with ben.socket() as socket:
        await socket.subscribe("events", EVENTS)
        await until_subscribed(out.hubbub.url, 1)
        first = await ana.send(chat_id, f"Look: {link}")
        assert (await socket.next())["message"]["linkPreview"] is None
        assert await preview_of(ana, chat_id, first) is None
        await out.preview()
        told = await socket.next()
        assert (told["__typename"], told["actor"]) == ("LinkPreviewAdded", None)
        assert told["message"] == {
            "id": first["id"],
            "text": f"Look: {link}",
            "linkPreview": {"url": link, **SHOWN},
        }
        # From then on it is there at once, and nobody needs to be told.
        await ben.send(chat_id, f"{link} again")
        assert (await socket.next())["message"]["linkPreview"]["title"] == "A page"
        await out.preview()
        await ana.send(chat_id, "no link")
        assert (await socket.next())["message"]["text"] == "no link"
    assert out.other.asked == ["/page"]
    assert await preview_of(ben, chat_id, first) == {"url": link, **SHOWN}
    (head,) = out.other.heads
    assert "user-agent: hubbub (+http" in head.lower()


async def test_an_edit_takes_the_preview_of_the_link_that_is_there_then(out):
    out.other.answers["/two"] = page(b"<title>Two</title>")
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    message = await ana.send(chat_id, out.url("/page"))
    await out.preview()
    for text, title in (
        (out.url("/two"), "Two"),
        (f"<{out.url('/page')}>", None),
        ("none", None),
    ):
        await ana.done("editMessage", "message { id }", messageId=message["id"], text=text)
        await out.preview()
        preview = await preview_of(ana, chat_id, message)
        assert (preview and preview["title"]) == title
    await ana.done("deleteMessage", "deletedMessageId", messageId=message["id"])
    assert await preview_of(ana, chat_id, message) is None


async def test_a_message_that_is_edited_while_its_link_is_fetched_is_not_told_of(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    message = await ana.send(chat_id, out.url("/page"))
    await use_cases.follow(out.hubbub.program.services)
    async with ana.socket() as socket:
        await socket.subscribe("events", EVENTS)
        await until_subscribed(out.hubbub.url, 1)
        await ana.done("editMessage", "message { id }", messageId=message["id"], text="none")
        assert (await socket.next())["__typename"] == "MessageEdited"
        await out.preview()
        await ana.send(chat_id, "next")
        assert (await socket.next())["message"]["text"] == "next"


@pytest.mark.parametrize(
    "bad",
    [
        answer("404 Not Found"),
        answer("200 OK", b"film", Content_Type="video/mp4"),
        page(b"<p>no title"),
        page(b"x" * 600_000),
    ],
)
async def test_a_page_that_is_of_no_use_is_not_asked_for_again_for_an_hour(
    sqlite_out, bad, monkeypatch
):
    out = sqlite_out
    out.other.answers["/bad"] = bad
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    message = await ana.send(chat_id, out.url("/bad"))
    await out.preview()
    await ana.send(chat_id, out.url("/bad"))
    await out.preview()
    assert out.other.asked == ["/bad"]
    assert await preview_of(ana, chat_id, message) is None
    async with out.hubbub.program.services.db.reading() as connection:
        assert (await connection.execute(sa.select(link_preview_waits))).all() == []
    later(monkeypatch, use_cases.FAILED_FOR)
    monkeypatch.setattr(use_cases, "PATIENCE", timedelta(days=1))
    await ana.send(chat_id, out.url("/bad"))
    await out.preview()
    assert out.other.asked == ["/bad"] * 2


async def test_a_server_that_does_not_answer_is_asked_three_times(sqlite_out, monkeypatch):
    out = sqlite_out
    out.other.answers["/broken"] = b"not HTTP\r\n\r\n"
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await ana.send(chat_id, out.url("/broken"))
    for _ in range(5):
        await out.preview()
    assert out.other.asked == ["/broken"]
    monkeypatch.setattr(use_cases, "PATIENCE", timedelta(days=1))
    for hours in range(1, 5):
        later(monkeypatch, timedelta(minutes=5 * hours))
        await out.preview()
    assert out.other.asked == ["/broken"] * 3


async def test_a_page_is_fetched_anew_after_a_day_and_stays_if_that_fails(sqlite_out, monkeypatch):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    message = await ana.send(chat_id, out.url("/page"))
    await out.preview()
    later(monkeypatch, use_cases.FRESH_FOR)
    monkeypatch.setattr(use_cases, "PATIENCE", timedelta(days=2))
    out.other.answers["/page"] = answer("500 Internal Server Error")
    await ana.send(chat_id, out.url("/page"))
    await out.preview()
    assert out.other.asked == ["/page"] * 2
    assert (await preview_of(ana, chat_id, message))["title"] == "A page"


async def test_what_leads_inside_has_no_preview(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    port = out.hubbub.url.rpartition(":")[2]
    links = [f"http://127.0.0.1:{port}/graphiql/", "http://127.0.0.1/", "http://localhost/"]
    messages = [await ana.send(chat_id, link) for link in links]
    out.other.answers["/inside"] = answer("302 Found", Location=out.hubbub.url + "/graphiql/")
    messages.append(await ana.send(chat_id, out.url("/inside")))
    await out.preview()
    assert [await preview_of(ana, chat_id, message) for message in messages] == [None] * 4
    assert out.hubbub.program.services.outbound.results["link_preview", "fetched"] == 0


async def test_a_worker_that_was_away_for_long_begins_at_the_present(sqlite_out, monkeypatch):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await ana.send(chat_id, out.url("/page"))
    later(monkeypatch, use_cases.PATIENCE + timedelta(seconds=5))
    await out.preview()
    assert out.other.asked == []


async def test_a_worker_writes_nothing_while_nothing_happens(out, monkeypatch):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.preview()
    db = out.hubbub.program.services.db

    async def read_at():
        async with db.reading() as connection:
            return (await connection.execute(sa.select(log_followers.c.read_at))).scalar_one()

    before = await read_at()
    await out.preview()
    assert await read_at() == before
    # And is not taken for one that was away, however long that lasts.
    for minutes in range(4, 40, 4):
        later(monkeypatch, timedelta(minutes=minutes))
        await out.preview()
    await ana.send(chat_id, out.url("/page"))
    await out.preview()
    assert out.other.asked == ["/page"]


async def test_a_restored_database_is_followed_from_its_present(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    async with out.hubbub.program.services.db.writing() as connection:
        await connection.execute(log_followers.update().values(epoch="another"))
    await ana.send(chat_id, out.url("/page"))
    await out.preview()
    assert out.other.asked == []
    await ana.send(chat_id, out.url("/page"))
    await out.preview()
    assert out.other.asked == ["/page"]


async def test_two_workers_fetch_a_link_once_and_tell_once(out):
    import asyncio

    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    for _ in range(3):
        await ana.send(chat_id, out.url("/page"))
    await asyncio.gather(*(out.preview() for _ in range(4)))
    await out.preview()
    assert out.other.asked == ["/page"]
    async with out.hubbub.program.services.db.reading() as connection:
        from models.events import events

        told = sa.select(events.c.message_seq).where(events.c.kind == "link_preview_added")
        assert sorted((await connection.execute(told)).scalars()) == [1, 2, 3]


async def test_who_pastes_very_many_links_gets_previews_of_some(migrated_sqlite_url):
    async with outside(migrated_sqlite_url, rate_limits=True) as out:
        await out.preview()
        ana = await out.hubbub.registered("ana")
        chat_id = await ana.group("Talk")
        for n in range(40):
            await ana.send(chat_id, out.url(f"/{n}"))
        await use_cases.follow(out.hubbub.program.services)
        async with out.hubbub.program.services.db.reading() as connection:
            count = sa.select(sa.func.count()).select_from(link_previews)
            assert (await connection.execute(count)).scalar_one() == 30


async def test_nothing_is_fetched_where_the_operator_does_not_want_it(migrated_sqlite_url):
    from server import worker

    async with outside(migrated_sqlite_url, link_previews=False) as out:
        services = out.hubbub.program.services
        await worker.follow_links(services, out.hubbub.settings)
        ana = await out.hubbub.registered("ana")
        chat_id = await ana.group("Talk")
        await ana.send(chat_id, out.url("/page"))
        await worker.follow_links(services, out.hubbub.settings)
        await worker.fetch_link_previews(services, out.hubbub.settings)
        assert out.other.asked == []


async def test_previews_that_nobody_links_to_are_forgotten_after_a_year(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await ana.send(chat_id, out.url("/page"))
    await out.preview()
    services = out.hubbub.program.services
    assert await use_cases.prune(services, limit=10) == 0
    async with services.db.writing() as connection:
        past = utc_now() - use_cases.KEPT_FOR - timedelta(days=1)
        await connection.execute(link_previews.update().values(wanted_at=past))
    assert await use_cases.prune(services, limit=10) == 1
