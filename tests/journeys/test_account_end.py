"""From asking for one's data to the end of one's account, on Hubbub as people run it."""

import asyncio
import io
import json
import zipfile

import httpx
import pytest

from tests.parts.people import Person

PATIENCE = 40.0  # seconds; the worker looks every five, and erases every sixty


@pytest.mark.slow
async def test_somebody_takes_their_data_along_and_goes(hubbub):
    node = hubbub(HUBBUB_DELETION_DAYS="0")
    ana, bob = Person(node.url), Person(node.url)
    await ana.register("ana")
    await bob.register("bob")
    chat_id = await ana.group("Plans", bob)
    await ana.send(chat_id, "I shall go")
    await ana.ask("mutation { requestDataExport { errors { code } } }")
    async with asyncio.timeout(PATIENCE):
        while True:
            seen = await ana.ask("{ viewer { dataExports { state url } } }")
            (export,) = seen["viewer"]["dataExports"]
            if export["state"] == "READY":
                break
    async with httpx.AsyncClient(base_url=node.url, trust_env=False) as http:
        archive = (await http.get(export["url"])).content
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        (message,) = (json.loads(line) for line in opened.open("messages.jsonl"))
    assert message["text"] == "I shall go"
    await ana.done("deleteAccount", "deletionDueAt", handle="ana")
    node.stop()  # its worker erases as it starts
    node.start()
    node.wait_ready()
    query = """query($id: ID!) { chat(id: $id) {
        memberCount messages(last: 2) { nodes { text sender { id } } }
    } }"""
    async with asyncio.timeout(PATIENCE):
        while (await bob.ask(query, id=chat_id))["chat"]["memberCount"] > 1:
            pass
    kept, left = (await bob.ask(query, id=chat_id))["chat"]["messages"]["nodes"]
    assert kept == {"text": "I shall go", "sender": None}
    assert left == {"text": "", "sender": None}  # that somebody left
    for person in (ana, bob):
        await person.close()
