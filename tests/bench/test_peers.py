"""What stands beside Hubbub in the benchmarks does the same work as Hubbub, on the wire."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench import databases, servers
from bench.databases import Cast
from bench.processes import CannotRun
from bench.servers import Server
from bench.subscribers import Subscribers, sends
from tests.parts import record

ANY_CORE = os.sched_getaffinity(0)
LISTENERS = 3
MESSAGES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers keep what they keep."""
    return tmp_path_factory.mktemp("peers")


@pytest.fixture(scope="module")
def cast(folder: Path) -> Cast:
    """People in a chat of Hubbub's."""
    filling = databases.fill(
        databases.sqlite_url(folder), folder, people=LISTENERS + 1, chat_count=1
    )
    return asyncio.run(filling)


def frame_size(opening: AbstractContextManager[Server], cast: Cast) -> int:
    """Return how many bytes everybody got of a message."""
    with opening as server:
        subscribers = Subscribers(server.port, sends(cast))
        subscribers.subscribe([person.token for person in cast.people[1:]])
        subscribers.until_heard()
        for _ in range(MESSAGES):
            assert len(subscribers.deliver()) == LISTENERS
        subscribers.close()
        return subscribers.frame_size


@pytest.fixture(scope="module")
def size_of_ours(cast: Cast, folder: Path) -> int:
    """How many bytes a message takes that Hubbub tells of."""
    opening = servers.hubbub(databases.sqlite_url(folder), folder, ANY_CORE)
    return frame_size(opening, cast)


@pytest.mark.parametrize("name", servers.PEERS)
def test_a_peer_tells_of_a_message_in_as_many_bytes_as_hubbub(
    name: str, cast: Cast, folder: Path, size_of_ours: int
):
    try:
        size = frame_size(servers.peer(name, folder, ANY_CORE), cast)
    except CannotRun as missing:
        record.missing(name, str(missing))
    assert size == size_of_ours
