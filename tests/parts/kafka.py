"""A real Kafka, if somebody has one: it is started by hand, and nothing misses it otherwise."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from realtime import bus
from tests.parts import record

VARIABLE = "KAFKA_URL"


@pytest.fixture
async def kafka_url(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of a Kafka, with a topic of the test's own that does not exist yet."""
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.skip(f"only on request: set {VARIABLE}=kafka://host:9092 to a broker for tests")
    from aiokafka.admin import AIOKafkaAdminClient

    topic = f"hubbub-test-{uuid4().hex}"
    monkeypatch.setattr(bus, "CHANNEL", topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=urlsplit(url).netloc)
    await admin.start()
    record.ran("Kafka", urlsplit(url).netloc, VARIABLE)
    try:
        yield url
        await admin.delete_topics([topic])
    finally:
        await admin.close()
