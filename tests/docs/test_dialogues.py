"""The exchanges and dialogues of `docs/PROTOCOL.md` go as it tells them."""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest

from accounts import tokens
from models import events
from resolvers.services import utc_now
from tests.docs.pages import Page
from tests.parts.people import Socket

PAGE = Page.of("PROTOCOL.md")

EXCHANGES = {
    block.attributes["exchange"]: block.text
    for block in PAGE.blocks()
    if "exchange" in block.attributes
}
STREAMS = {
    block.attributes["stream"]: block.text
    for block in PAGE.blocks()
    if "stream" in block.attributes
}
DIALOGUES = {
    block.attributes["dialogue"]: block.text
    for block in PAGE.blocks()
    if "dialogue" in block.attributes
}


def alike(told, got):
    """Whether an answer is as the page tells it, where “…” stands for anything."""
    if told == "…":
        return got is not None
    if isinstance(told, dict) and isinstance(got, dict):
        return told.keys() == got.keys() and all(alike(told[key], got[key]) for key in told)
    if isinstance(told, list) and isinstance(got, list):
        return len(told) == len(got) and all(map(alike, told, got))
    return bool(told == got)


@pytest.fixture
async def stage(sqlite_server):
    """Ana, Ben, their chat, and Ben's own."""
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    chat_id, bens_id = await ben.group("Team", ana), await ben.group("Ben's own")
    return ana, ben, chat_id, bens_id


def played(text, stage, cursor=""):
    """Return a text of the page with what stands for ids, tokens and cursors put in."""
    ana, _, chat_id, bens_id = stage
    for words, value in {
        "<access token>": ana.token,
        "<chat id>": chat_id,
        "<somebody else's chat>": bens_id,
        "<the last cursor>": cursor,
    }.items():
        text = text.replace(words, value)
    assert "<" not in text, text
    return text


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_over_http_goes_as_told(stage, name):
    request, body, answer, told = played(EXCHANGES[name], stage).split("\n\n")
    method, _, headers = request.partition(" /graphql\n")
    assert method == "POST"
    got = await stage[0].post(body, **dict(line.split(": ", 1) for line in headers.splitlines()))
    status, *expected = answer.splitlines()
    assert f"{got.status_code} {got.reason_phrase}" == status
    for line in expected:
        header, value = line.split(": ", 1)
        assert got.headers[header] == value
    assert alike(json.loads(told), got.json()), got.json()


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_goes_as_told(stage, name):
    ana, ben, chat_id, _ = stage
    cursor = (await ana.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    await ben.send(chat_id, "Pizza at seven?")
    request, body, answer, told = played(STREAMS[name], stage, cursor).split("\n\n", 3)
    headers = dict(line.split(": ", 1) for line in request.splitlines()[1:])
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10) as http,
        http.stream("POST", f"{ana.url}/graphql", content=body, headers=headers) as got,
    ):
        status, content_type = answer.splitlines()
        assert f"{got.status_code} {got.reason_phrase}" == status
        assert got.headers["content-type"] == content_type.removeprefix("content-type: ")
        text, chunks = "", got.aiter_text()
        while len(text.splitlines()) < len(told.splitlines()):
            text += await anext(chunks)
    for line, come in zip(told.splitlines(), text.splitlines(), strict=False):
        field, brace, json_ = line.partition("{")
        if brace:
            assert alike(json.loads(brace + json_), json.loads(come.removeprefix(field)))
        else:
            assert come == line or (line == "id: …" and come.startswith("id: "))


class Play:
    """One dialogue, line by line."""

    socket: Socket

    def __init__(self, stage, server, sockets, cursor):
        self.stage = stage
        self.server = server
        self.sockets = sockets
        self.cursor = cursor
        self.connected = False

    async def client(self, line):
        if line.startswith("closes: "):
            await self.socket.connection.close(int(line.removeprefix("closes: ")))
            return
        if not self.connected:
            self.socket = await self.sockets.enter_async_context(self.stage[0].socket(init=False))
            self.connected = True
        await self.socket.connection.send(played(line, self.stage, self.cursor))

    async def server_says(self, line):
        if not line.startswith("closes: "):
            got = await self.socket.receive()
            assert alike(json.loads(line), got), got
            if found := re.search(r'"cursor": "([^"]+)"', json.dumps(got)):
                self.cursor = found[1]
            return
        code, reason = line.removeprefix("closes: ").split(" ", 1)
        if code == "1012":
            await self.server.program.services.node.sockets.close_all()
        assert await self.socket.closed() == (int(code), reason)
        self.connected = False

    async def elsewhere(self, line):
        ana, ben, chat_id, _ = self.stage
        if said := re.fullmatch(r"Ben(?:, on another node,)? sends “(.*)”", line):
            await ben.send(chat_id, said[1])
        elif line.startswith("the client renews its tokens"):
            fields = "accessToken refreshToken session { user { id handle } }"
            given = {"refreshToken": ana.refresh_token}
            ana.take(await ana.done("refreshSession", fields, **given))
        elif line.startswith("much happens"):
            for text in ("much", "more"):
                await ben.send(chat_id, text)
            async with self.server.program.services.db.writing() as connection:
                long_ago = utc_now() - timedelta(days=1)
                await events.prune(connection, before=long_ago, keep=1, limit=100)
        else:
            assert line.startswith("the client "), line  # what it does by itself


@pytest.mark.parametrize("name", DIALOGUES)
async def test_a_dialogue_goes_as_told(stage, sqlite_server, monkeypatch, name):
    if name == "the-token-expires":
        with monkeypatch.context() as patch:
            patch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=1))
            await stage[0].log_in("ana")
    cursor = (await stage[0].ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    async with AsyncExitStack() as sockets:
        play = Play(stage, sqlite_server, sockets, cursor)
        acts = {"→": play.client, "←": play.server_says, "·": play.elsewhere}
        for count, line in enumerate(DIALOGUES[name].splitlines(), start=1):
            number, mark, words = line.split(maxsplit=2)
            assert int(number) == count
            async with asyncio.timeout(10):
                await acts[mark](words)
