"""The audits of npm's graphql-http: what the GraphQL-over-HTTP draft asks of a server."""

import asyncio
import json
import os

AUDITS = 61  # as of graphql-http 1.23


async def test_every_audit_of_graphql_http_is_passed_without_a_warning(
    sqlite_server, node, clients
):
    auditing = await asyncio.create_subprocess_exec(
        node,
        clients / "audits.mjs",
        env={**os.environ, "HUBBUB_URL": sqlite_server.url},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await auditing.communicate()
    results = [json.loads(line) for line in output.splitlines()]
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDITS
    assert auditing.returncode == 0
