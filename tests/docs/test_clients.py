"""The programs of `docs/clients.md` run as they stand there, and do what the page says."""

import asyncio
import shutil
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from accounts import tokens
from models import events, sessions
from models.viewer import Viewer
from resolvers.services import utc_now
from resolvers.sessions import log_out
from schema.ids import Kind, decode
from tests.docs.pages import Page
from tests.docs.programs import Program
from tests.parts.people import PASSWORD, Person, until_subscribed

PAGE = Page.of("clients.md")
SIGN_IN = {"HANDLE": "ana", "PASSWORD": PASSWORD}
QUICK = {"HUBBUB_PASSWORD_MEMORY_KIB": "8192"}
LISTENERS = ["listen.mjs", "stream.mjs", "urql.mjs", "apollo-example.mjs", "talk.py"]
STARTERS_OVER = ["listen.mjs", "stream.mjs", "urql.mjs"]
READERS = ["apollo-example.mjs", "talk.py"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def folder(tmp_path):
    """A folder with every program of the page."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in PAGE.files().items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def start(folder, request):
    """A function that starts a program of the page, signed in as Ana: `start(file, url)`."""

    def interpreter(file):
        match Path(file).suffix:
            case ".py":
                return sys.executable
            case ".sh":
                return shutil.which("sh")
            case _:
                # The packages that the page says to install.
                packages = request.getfixturevalue("clients") / "node_modules"
                (folder / "node_modules").symlink_to(packages)
                return request.getfixturevalue("node")

    def start(file, url):
        return Program.running(interpreter(file), file, directory=folder, HUBBUB_URL=url, **SIGN_IN)

    return start


@asynccontextmanager
async def people(url):
    """Register Ana and Ben; yield Ben and the chat that he has started with her."""
    ana, ben = Person(url), Person(url)
    try:
        await ana.register("ana")
        await ben.register("ben")
        yield ben, await ben.group("Team", ana)
    finally:
        await ana.close()
        await ben.close()


def test_the_page_has_the_programs_that_it_lists():
    listed = PAGE.section("Clients")
    assert [file for file in PAGE.files() if f"`{file}`" not in listed] == ["talk.sh"]


@pytest.mark.parametrize("file", LISTENERS)
async def test_an_example_shows_what_is_said_while_it_runs(sqlite_server, start, file):
    url = sqlite_server.url
    async with people(url) as (ben, chat_id), start(file, url) as program:
        await until_subscribed(url, 1)
        for text in ("Pizza at seven?", "Or at eight?"):
            await ben.send(chat_id, text)
            await program.says(text)


@pytest.mark.parametrize("file", READERS)
async def test_an_example_shows_what_was_said_before_and_says_hello(sqlite_server, start, file):
    async with people(sqlite_server.url) as (ben, chat_id), ben.listening() as at_ben:
        await ben.send(chat_id, "Anybody there?")
        await at_ben.next()
        async with start(file, sqlite_server.url) as program:
            await program.says("Anybody there?")
            await program.says("Hello from")
            assert "Hello from" in (await at_ben.next())["message"]["text"]


async def test_the_apollo_example_shows_edits_and_deletions(sqlite_server, start):
    url = sqlite_server.url
    async with people(url) as (ben, chat_id):
        message = await ben.send(chat_id, "Pizza at seve?")
        async with start("apollo-example.mjs", url) as program:
            await program.says("Hello from Apollo Client")
            await until_subscribed(url, 1)
            changed = {"messageId": message["id"], "text": "Pizza at seven?"}
            await ben.done("editMessage", "message { id }", **changed)
            await program.says("Ben: Pizza at seven?")
            await ben.done("deleteMessage", "deletedMessageId", messageId=message["id"])
            while await program.says("Ben: ") != "Ben: ":
                pass


async def test_the_apollo_example_holds_its_own_message_once(sqlite_server, start):
    url = sqlite_server.url
    async with people(url) as (ben, chat_id), start("apollo-example.mjs", url) as program:
        await program.says("Hello from Apollo Client")
        await until_subscribed(url, 1)
        await ben.send(chat_id, "Last")
        await program.says("Last")
        shown = "\n".join(program.printed).split("--- Team\n")[-1].splitlines()
        assert shown == ["Ana: Hello from Apollo Client", "Ben: Last"]


@pytest.mark.slow
@pytest.mark.parametrize("file", LISTENERS)
async def test_an_example_goes_on_where_it_stopped_when_its_server_was_away(hubbub, start, file):
    server, other = [await asyncio.to_thread(hubbub, "serve", **QUICK) for _ in range(2)]
    async with people(other.url) as (ben, chat_id), start(file, server.url) as program:
        await until_subscribed(server.url, 1)
        assert await asyncio.to_thread(server.stop) == 0
        await ben.send(chat_id, "You are missing this")
        server.start()
        await program.says("You are missing this")
        await ben.send(chat_id, "Welcome back")
        await program.says("Welcome back")
        shown = "\n".join(program.printed).split("--- Team\n")[-1]
        assert shown.count("You are missing this") == 1


@pytest.mark.parametrize("file", LISTENERS)
async def test_an_example_starts_over_when_what_it_missed_is_not_known_any_more(
    sqlite_server, start, file
):
    services, url = sqlite_server.program.services, sqlite_server.url
    async with people(url) as (ben, chat_id), start(file, url) as program:
        await until_subscribed(url, 1)
        await services.node.sockets.close_all()
        for text in ("You are missing this", "and this"):
            await ben.send(chat_id, text)
        async with services.db.writing() as connection:
            long_ago = utc_now() - timedelta(days=1)
            assert await events.prune(connection, before=long_ago, keep=1, limit=100) > 0
        await program.says("Starting over: EXPIRED" if file in STARTERS_OVER else "You are missing")
        await until_subscribed(url, 1)
        await ben.send(chat_id, "Welcome back")
        await program.says("Welcome back")


@pytest.fixture
def lifetime(monkeypatch):
    """A function that gives access tokens another lifetime, or the usual one: `lifetime(None)`.

    Who gets one is told that it lasts as long as always.
    """
    issue = tokens.AccessTokens.issue

    def lasts(time, *, once=False):
        def issue_for(self, *args):
            if once:
                lasts(None)
            with monkeypatch.context() as patch:
                patch.setattr(tokens, "ACCESS_LIFETIME", time)
                return issue(self, *args)

        monkeypatch.setattr(tokens.AccessTokens, "issue", issue if time is None else issue_for)

    return lasts


async def test_the_apollo_example_renews_a_token_that_is_refused(sqlite_server, start, lifetime):
    url = sqlite_server.url
    async with people(url) as (ben, chat_id):
        lifetime(timedelta(hours=-1), once=True)
        async with start("apollo-example.mjs", url) as program:
            await program.says("Hello from Apollo Client")
            await until_subscribed(url, 1)
            await ben.send(chat_id, "Still there?")
            await program.says("Still there?")


@pytest.mark.parametrize("file", LISTENERS)
async def test_an_example_comes_back_when_its_access_token_expires(
    sqlite_server, start, lifetime, monkeypatch, file
):
    closed: asyncio.Queue[object] = asyncio.Queue()
    sockets, url = sqlite_server.program.services.node.sockets, sqlite_server.url
    remove = sockets.remove

    def note(socket, session_id):
        remove(socket, session_id)
        closed.put_nowait(socket)

    monkeypatch.setattr(sockets, "remove", note)
    async with people(url) as (ben, chat_id):
        # All of them, until one has ended a socket: a program may take longer to start.
        lifetime(timedelta(seconds=3))
        async with start(file, url) as program, asyncio.timeout(30):
            for _ in range(2 if file == "talk.py" else 1):  # it sends on a socket of its own
                await closed.get()
            lifetime(None)
            await until_subscribed(url, 1)
            await ben.send(chat_id, "Still there?")
            await program.says("Still there?")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        *((file, "Ended: The session has ended; log in again.") for file in STARTERS_OVER),
        ("apollo-example.mjs", "Not live any more: The session has ended; log in again."),
        ("talk.py", "Signed out: The session has ended; log in again."),
    ],
)
async def test_an_example_stops_trying_when_its_session_has_ended(
    sqlite_server, start, file, words
):
    services = sqlite_server.program.services
    ana = await sqlite_server.registered("ana")
    await ana.group("Team")
    async with start(file, sqlite_server.url) as program:
        await until_subscribed(sqlite_server.url, 1)
        async with services.db.reading() as connection:
            user_id = decode(Kind.USER, ana.user_id)
            live = await sessions.live_of(connection, user_id, utc_now())
        for session in live:
            await log_out(services, Viewer(user_id, session.id, session.expires_at))
        await program.says(words)


async def test_the_curl_example_sends_once_and_reads_it_back(sqlite_server, start):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    async with start("talk.sh", sqlite_server.url) as program:
        assert await program.ends() == 0
    asked, sent, again, history = program.printed
    assert '"name":"Hubbub"' in asked
    assert sent == again
    assert '"seq":1,"text":"Hello from curl"' in sent
    assert history.count("Hello from curl") == 1
    assert '"handle":"carla"' in history
