"""The npm package @hubbub/resume: each event is applied once and in order, whatever happens.

The program `tests/clients/resume.mjs` is the application; it uses the package as users of
graphql-ws and of Apollo Client do.
"""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

from tests.docs.pages import Page
from tests.docs.programs import Program
from tests.parts.clients import NodeClient
from tests.parts.people import PASSWORD, PATIENCE, Person, subscribers, until_subscribed
from tests.parts.record import missing

PACKAGE = Path(__file__).parents[2] / "web/packages/resume"
FLAVOURS = ["graphql-ws", "apollo"]
# Ten restarts cost about as much as a thousand messages; HUBBUB_RESUME_MESSAGES=10000 sends more.
MESSAGES = int(os.environ.get("HUBBUB_RESUME_MESSAGES", "1000"))
RESTARTS = 10
CHATS = 4  # messages are under way in each of them when the server goes down


@pytest.fixture(params=FLAVOURS)
def flavour(request):
    return request.param


@pytest.fixture
def program(clients):
    """The path of the application, with the package built."""
    if not (PACKAGE / "dist/index.js").is_file():
        missing("the npm package", "run the tests with `make test`, which builds it")
    return clients / "resume.mjs"


class World:
    """A server that comes and goes, Ana who sends over HTTP, and Ben's applications."""

    def __init__(self, server, node, program):
        self.server = server
        self.node = node
        self.program = program
        self.ana = Person(server.url)
        self.ben = Person(server.url)
        self.up = asyncio.Event()
        self.up.set()

    @contextlib.asynccontextmanager
    async def application(self, **given):
        """Ben's application, signed in."""
        running = NodeClient.running(self.node, self.program, self.server.url)
        async with running as application:
            await application.do("logIn", handle="ben", password=PASSWORD, **given)
            yield application

    @contextlib.asynccontextmanager
    async def following(self, flavour, **given):
        """Ben's application, following from now on."""
        async with self.application() as application:
            await application.do("follow", flavour=flavour, **given)
            assert (await application.event())["resync"] == "START"
            yield application

    async def stop(self):
        """Stop the server in order."""
        self.up.clear()
        assert await asyncio.to_thread(self.server.stop) == 0

    async def crash(self):
        self.up.clear()
        await asyncio.to_thread(self.server.kill)

    async def start(self):
        self.server.start()
        await asyncio.to_thread(self.server.wait_ready)
        self.up.set()

    async def send(self, chat_id, text):
        """Send a message, again and under the same id until the server says that it is stored."""
        client_message_id = str(uuid4())
        while True:
            await self.up.wait()
            try:
                return await self.ana.send(chat_id, text, clientMessageId=client_message_id)
            except (httpx.TransportError, json.JSONDecodeError):
                continue  # it went down, before or after the message was stored

    async def count(self):
        async with httpx.AsyncClient(base_url=self.server.url, trust_env=False) as http:
            return await subscribers(http)

    async def until_nobody_listens(self):
        async with asyncio.timeout(PATIENCE):
            while await self.count():
                pass


@pytest.fixture
async def world(hubbub, node, program):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    made = World(server, node, program)
    await made.ana.register("ana")
    await made.ben.register("ben")
    yield made
    await made.ana.close()
    await made.ben.close()


@pytest.fixture
async def chat_id(world):
    return await world.ana.group("Talk", world.ben)


async def texts(application, count):
    """Return the texts of the next messages that the application applied."""
    events = [await application.event() for _ in range(count)]
    assert all("message" in event for event in events), events
    return [event["message"]["text"] for event in events]


@pytest.mark.slow
@pytest.mark.timeout(120 + MESSAGES // 20)
async def test_ten_restarts_under_load_lose_and_double_nothing(world):
    """A stop in order and a crash take turns; both flavours listen to the same messages."""
    chats = [await world.ana.group(f"Talk {n}", world.ben) for n in range(CHATS)]
    said: list[str] = []

    async def talk(number):
        for n in range(number, MESSAGES, CHATS):
            await world.send(chats[number], str(n))
            said.append(str(n))

    async def restart():
        for number in range(RESTARTS):
            while len(said) < (number + 1) * MESSAGES // (RESTARTS + 1):
                await world.count()
            await (world.crash() if number % 2 else world.stop())
            await world.start()

    async def heard(application):
        events: list[Any] = []
        while len(events) < MESSAGES:
            with contextlib.suppress(TimeoutError):  # a restart may take longer than that
                event = await application.event()
                assert event["__typename"] == "MessageSent", event
                events.append(event)
        return events

    async with world.following("graphql-ws") as plain, world.following("apollo") as apollo:
        plain_heard, apollo_heard, *_ = await asyncio.gather(
            heard(plain), heard(apollo), restart(), *(talk(number) for number in range(CHATS))
        )
        # What comes next is new: nothing is left that comes late, or twice.
        await world.send(chats[0], "the last one")
        assert await texts(plain, 1) == await texts(apollo, 1) == ["the last one"]
    for events in (plain_heard, apollo_heard):
        for number, chat in enumerate(chats):
            of_chat = [event["message"] for event in events if event["chat"]["id"] == chat]
            expected = [str(n) for n in range(number, MESSAGES, CHATS)]
            assert [message["text"] for message in of_chat] == expected
            assert [message["seq"] for message in of_chat] == list(range(1, len(expected) + 1))


@pytest.mark.timeout(120)
async def test_what_was_sent_while_the_application_was_away_arrives_once_and_in_order(
    world, chat_id, flavour, tmp_path
):
    file = str(tmp_path / "ben.json")
    async with world.following(flavour, file=file) as application:
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]
    for n in range(1, 4):
        await world.send(chat_id, str(n))
    await world.stop()
    await world.start()
    await world.send(chat_id, "4")
    async with world.application() as application:
        await application.do("follow", flavour=flavour, file=file)
        assert await texts(application, 4) == ["1", "2", "3", "4"]
        await world.send(chat_id, "5")
        assert await texts(application, 1) == ["5"]
    assert json.loads(Path(file).read_text())["texts"] == list("012345")


@pytest.mark.timeout(120)
async def test_an_application_killed_while_applying_has_each_event_once(
    world, chat_id, flavour, tmp_path
):
    file = tmp_path / "ben.json"
    expected = [str(n) for n in range(120)]
    async with world.following(flavour, file=str(file)):
        pass
    sending = asyncio.create_task(send_all(world, chat_id, expected))
    for share in (20, 60, 120):
        async with world.application() as application:
            pid = await application.do("pid")
            await application.do("follow", flavour=flavour, file=str(file))
            async with asyncio.timeout(3 * PATIENCE):
                while len(json.loads(file.read_text())["texts"]) < share:
                    await world.count()
            os.kill(pid, signal.SIGKILL)
    await sending
    assert json.loads(file.read_text())["texts"] == expected


async def send_all(world, chat_id, said):
    for text in said:
        await world.send(chat_id, text)


@pytest.mark.timeout(120)
async def test_an_event_that_could_not_be_applied_comes_again(world, chat_id, flavour):
    async with world.following(flavour, failOn="2") as application:
        for n in range(5):
            await world.send(chat_id, str(n))
        assert await texts(application, 2) == ["0", "1"]
        assert (await application.event())["ended"]["message"] == "Could not apply 2"
        await application.do("follow", flavour=flavour)
        assert await texts(application, 3) == ["2", "3", "4"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("reason", ["EXPIRED", "LOG_REPLACED"])
async def test_an_application_whose_cursor_is_worthless_fetches_and_goes_on(
    world, chat_id, flavour, reason, tmp_path
):
    file = str(tmp_path / "ben.json")
    async with world.following(flavour, file=file) as application:
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]
    await world.send(chat_id, "1")
    await world.stop()
    with contextlib.closing(sqlite3.connect(world.server.directory / "data/hubbub.db")) as db:
        change = {
            "EXPIRED": "floor = (SELECT max(id) FROM events)",
            "LOG_REPLACED": "epoch = lower(hex(randomblob(16)))",
        }[reason]
        db.execute(f"UPDATE log_state SET {change}")
        db.commit()
    await world.start()
    async with world.application() as application:
        await application.do("follow", flavour=flavour, file=file)
        assert await application.event() == {"resync": reason, "texts": ["0", "1"]}
        await world.send(chat_id, "2")
        assert await texts(application, 1) == ["2"]
    assert json.loads(Path(file).read_text())["texts"] == ["0", "1", "2"]


@contextlib.contextmanager
def unreadable_log(world):
    """Let the server fail whoever asks about the log, inside the block."""
    with contextlib.closing(sqlite3.connect(world.server.directory / "data/hubbub.db")) as db:
        db.execute("ALTER TABLE log_state RENAME TO log_state_away")
        db.commit()
        try:
            yield
        finally:
            db.execute("ALTER TABLE log_state_away RENAME TO log_state")
            db.commit()


async def until_logged(world, event):
    async with asyncio.timeout(PATIENCE):
        while event not in world.server.process.output():
            await world.count()


@pytest.mark.timeout(120)
async def test_a_server_that_fails_for_a_while_is_asked_again(world, chat_id, flavour):
    async with world.following(flavour) as application:
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]
        with unreadable_log(world):
            await application.do("terminate")
            await until_logged(world, "internal_error")
        await world.send(chat_id, "1")
        assert await texts(application, 1) == ["1"]


@pytest.mark.timeout(120)
async def test_a_state_that_cannot_be_fetched_for_a_while_is_asked_for_again(world, chat_id):
    async with world.application() as application:
        with unreadable_log(world):
            await application.do("follow", flavour="graphql-ws")
            await until_logged(world, "internal_error")
        assert (await application.event())["resync"] == "START"
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]


async def test_a_refusal_that_would_come_again_ends_it(world, flavour):
    async with world.application() as application:
        stranger = "Q2hhdDox"
        await application.do("follow", flavour=flavour, variables={"chatIds": [stranger]})
        assert (await application.event())["resync"] == "START"
        assert (await application.event())["ended"] is not None


async def test_a_cursor_that_the_server_does_not_know_means_fetching_afresh(world, chat_id):
    async with world.application() as application:
        await application.do("follow", flavour="graphql-ws", variables={"after": "from elsewhere"})
        assert (await application.event())["resync"] == "INVALID_CURSOR"
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]


@pytest.mark.timeout(120)
async def test_a_session_that_ends_is_renewed_and_nothing_is_missed(world, chat_id, flavour):
    async with world.following(flavour) as application:
        for n in range(3):
            await application.do("forget")
            assert (await application.socket("closed"))["code"] == 4403
            await world.send(chat_id, str(n))
            assert await texts(application, 1) == [str(n)]


@pytest.mark.timeout(120)
async def test_a_token_that_could_not_be_renewed_is_asked_for_again(world, chat_id):
    async with world.following("graphql-ws") as application:
        await application.do("forget", unreachable=True)
        assert (await application.socket("closed"))["code"] == 4403
        await world.send(chat_id, "0")
        assert (await application.socket("closed"))["code"] == 4499
        assert await texts(application, 1) == ["0"]


async def test_nobody_being_signed_in_any_more_ends_it(world, flavour):
    async with world.following(flavour) as application:
        await application.do("forget", signedOut=True)
        assert (await application.event())["ended"]["name"] == "SignedOut"


@pytest.mark.timeout(120)
async def test_a_server_that_says_nothing_is_taken_for_dead(world, chat_id):
    async with world.application(silence=1_000) as application:
        await application.do("follow", flavour="graphql-ws")
        assert (await application.event())["resync"] == "START"
        world.server.freeze()
        while (await application.socket("closed"))["code"] != 4499:
            pass
        world.server.thaw()
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]


@pytest.mark.timeout(120)
async def test_connections_taken_for_dead_while_events_arrive_double_nothing(world, chat_id):
    expected = [str(n) for n in range(200)]
    async with world.following("graphql-ws") as application:
        sending = asyncio.create_task(send_all(world, chat_id, expected))
        heard: list[str] = []
        while len(heard) < len(expected):
            heard += await texts(application, 20)
            await application.do("terminate")
        await sending
        await world.send(chat_id, "the last one")
        assert heard == expected
        assert await texts(application, 1) == ["the last one"]


@pytest.mark.timeout(120)
async def test_an_application_that_is_slow_lets_the_server_pause(world, chat_id):
    expected = [str(n) for n in range(100)]
    async with world.following("graphql-ws", hold=True, room=10) as application:
        await until_subscribed(world.server.url, 1)
        await send_all(world, chat_id, expected)
        await world.until_nobody_listens()
        await application.do("release")
        assert await texts(application, 100) == expected
        await world.send(chat_id, "the last one")
        assert await texts(application, 1) == ["the last one"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_an_application_cut_off_for_reading_too_slowly_goes_on_where_it_was(world, chat_id):
    expected = [f"{n} {'😀' * 9_900}" for n in range(700)]  # 28 MB, more than sockets hold
    async with world.following("graphql-ws") as application:
        await until_subscribed(world.server.url, 1)
        pid = await application.do("pid")
        os.kill(pid, signal.SIGSTOP)
        await asyncio.gather(*(send_all(world, chat_id, expected[n::7]) for n in range(7)))
        os.kill(pid, signal.SIGCONT)
        heard = await texts(application, len(expected))
        assert (await application.socket("closed"))["code"] == 1013
        assert sorted(heard) == sorted(expected)
        for n in range(7):
            assert [text for text in heard if text in set(expected[n::7])] == expected[n::7]


async def test_a_stopped_application_applies_nothing_and_resumes_later(world, chat_id, flavour):
    async with world.following(flavour) as application:
        await world.send(chat_id, "0")
        assert await texts(application, 1) == ["0"]
        await application.do("stop")
        await world.send(chat_id, "1")
        await application.do("follow", flavour=flavour)
        assert await texts(application, 1) == ["1"]


# A page that keeps what was said in IndexedDB, with the store of the README; its own server has it.
BROWSER_PAGE = """<!doctype html>
<script type="importmap">{"imports": {"graphql-ws": "/page/graphql-ws/client.js"}}</script>
<ol></ol>
<script type="module">
import { connect, once, resume } from '/page/resume/index.js';
const db = await new Promise((resolve, reject) => {
  const opening = indexedDB.open('chat');
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('messages');
    opening.result.createObjectStore('kept');
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
STORE
const show = (text) => document.querySelector('ol').append(
  Object.assign(document.createElement('li'), { textContent: text }));
for (const { text } of await wanted(db.transaction('messages').objectStore('messages').getAll())) {
  show(text);
}
const client = connect({ url: '/graphql', accessToken: () => 'TOKEN' });
resume(client, {
  query: `subscription($after: Cursor) { events(after: $after) {
    __typename cursor ... on MessageSent { message { id text } } } }`,
  store,
  resync: async (reason) => {
    show(reason);
    return (await once(client, '{ viewer { cursor } }')).viewer.cursor;
  },
  apply: ({ message }) => message && show(message.text),
});
</script>
"""


@pytest.mark.timeout(120)
async def test_a_page_that_is_reloaded_goes_on_from_what_it_kept(
    world, chat_id, browser, program, tmp_path
):
    (store,) = (
        block.text
        for block in Page(PACKAGE / "README.md").blocks()
        if block.attributes.get("part") == "store"
    )
    parts = {
        "resume": PACKAGE / "dist",
        "graphql-ws": program.parent / "node_modules/graphql-ws/dist",
    }

    async def answer(route):
        part, _, name = route.request.url.partition("/page/")[2].partition("/")
        if part in parts:
            await route.fulfill(path=parts[part] / name, content_type="text/javascript")
        else:
            html = BROWSER_PAGE.replace("STORE", store).replace("TOKEN", world.ben.token)
            await route.fulfill(body=html, content_type="text/html")

    # Chromium does not take the page for the server's own, because the test answers for it.
    context = await browser.new_context(permissions=["local-network-access"])
    try:
        page = await context.new_page()
        await page.route("**/page/**", answer)
        said = page.locator("li")
        await page.goto(f"{world.server.url}/page/")
        await until_subscribed(world.server.url, 1)
        await world.send(chat_id, "before the reload")
        await expect(said).to_have_text(["START", "before the reload"], timeout=PATIENCE * 1_000)
        await page.goto("about:blank")
        await world.send(chat_id, "meanwhile")
        await page.goto(f"{world.server.url}/page/")
        await expect(said).to_have_text(
            ["before the reload", "meanwhile"], timeout=PATIENCE * 1_000
        )
        await world.stop()
        await world.start()
        await world.send(chat_id, "after a restart")
        whole = ["before the reload", "meanwhile", "after a restart"]
        await expect(said).to_have_text(whole, timeout=PATIENCE * 3_000)
    finally:
        await context.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", ["listen.mjs", "apollo.mjs"])
async def test_the_examples_of_the_readme_run_and_come_back(
    world, chat_id, example, node, program, tmp_path
):
    folder = tmp_path / "example"
    for name, text in Page(PACKAGE / "README.md").files().items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "node_modules/@hubbub").mkdir(parents=True)
    (folder / "node_modules/@hubbub/resume").symlink_to(PACKAGE)
    for package in (program.parent / "node_modules").iterdir():
        (folder / "node_modules" / package.name).symlink_to(package)
    # Links as they are: the package has to find the application's graphql-ws, not its own.
    command = (node, "--preserve-symlinks", example)
    signed_in = {"HUBBUB_URL": world.server.url, "HANDLE": "ben", "PASSWORD": PASSWORD}
    async with Program.running(*command, directory=folder, **signed_in) as running:
        assert "Talk" in await running.says("chats:")
        await world.send(chat_id, "Hello")
        await running.says("Hello")
        await world.stop()
        await world.start()
        await world.send(chat_id, "Welcome back")
        await running.says("Welcome back")
    assert len([line for line in running.printed if "Hello" in line]) == 1
