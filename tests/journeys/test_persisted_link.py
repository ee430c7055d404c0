"""Apollo's link for automatic persisted queries: it sends a document once, and then hashes."""

import asyncio
import json
import os


async def test_apollos_link_sends_a_document_once_and_its_hash_from_then_on(
    sqlite_server, node, clients
):
    asking = await asyncio.create_subprocess_exec(
        node,
        clients / "persisted.mjs",
        env={**os.environ, "HUBBUB_URL": sqlite_server.url},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await asking.communicate()
    unknown, taught, known, got = [json.loads(line) for line in output.splitlines()]
    assert (unknown["hasQuery"], unknown["code"]) == (False, "PERSISTED_QUERY_NOT_FOUND")
    assert (taught["hasQuery"], known["hasQuery"], got["hasQuery"]) == (True, False, False)
    assert [each["method"] for each in (unknown, taught, known, got)] == ["POST"] * 3 + ["GET"]
    assert taught["data"]["server"]["hubbubNamed"] == "Hubbub"
    assert taught["data"] == known["data"] == got["data"]
