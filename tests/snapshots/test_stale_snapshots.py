"""A snapshot of any age, brought up to date with what was heard since, equals a fresh one."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.event_types import EVENT_TYPES
from tests.parts.people import Person
from tests.snapshots.doings import DOINGS, Doing, Scene
from tests.snapshots.mirror import EVENTS, KINDS, NO_CHANGE, SNAPSHOT, Mirror, state_of

# The same examples in every run, unless more are asked for.
EXAMPLES = int(os.environ.get("SNAPSHOT_EXAMPLES", "0"))
PEOPLE = 3
SIZE = 16  # things that are done in an example

NUMBERS = st.integers(0, 11)
# Half of what people do is to talk, and who fetches often has snapshots of every age.
WEIGHTS = {"send_message": 4, "take_snapshot": 4, "add_member": 2, "mark": 2}
WHATS = st.sampled_from([what for what in DOINGS for _ in range(WEIGHTS.get(what, 1))])
EXAMPLE = st.lists(st.builds(Doing, WHATS, NUMBERS, NUMBERS, NUMBERS), min_size=4, max_size=SIZE)


def test_every_type_of_event_is_applied_or_known_to_change_nothing():
    types = {type_.__name__ for type_ in EVENT_TYPES}
    assert types == KINDS.keys() | NO_CHANGE
    assert not KINDS.keys() & NO_CHANGE


@pytest.mark.timeout(3600 if EXAMPLES else 180)
@settings(
    max_examples=EXAMPLES or 10,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    # The server is the same one for all examples; the people are not.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(doings=EXAMPLE)
async def test_events_applied_to_a_stale_snapshot_equal_a_fresh_query(server, monkeypatch, doings):
    monkeypatch.setattr("realtime.hub.IDLE", 0.05)
    scene = await Scene.begin(server, PEOPLE)
    for person in scene.people:
        scene.mirrors.append(await Mirror.take(person))
    for each in doings:
        await scene.do(each)
    last = await scene.people[0].group("Last of all", *scene.people[1:])
    await asyncio.gather(*(caught_up(scene, person, last) for person in scene.people))
    for person in scene.people:
        fresh = state_of((await person.ask(SNAPSHOT))["viewer"])
        for mirror in scene.mirrors:
            if mirror.person is person:
                assert mirror.state() == fresh


async def caught_up(scene: Scene, person: Person, last: str) -> None:
    """Apply what a person heard since each of their snapshots, up to the last thing done."""
    mirrors = {
        str(number): mirror
        for number, mirror in enumerate(scene.mirrors)
        if mirror.person is person
    }
    async with person.socket() as socket:
        for id_, mirror in mirrors.items():
            await socket.subscribe(id_, EVENTS, after=mirror.cursor)
        behind = set(mirrors)
        while behind:
            message = await socket.receive()
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            event, id_ = message["payload"]["data"]["events"], message["id"]
            if event["__typename"] in KINDS:
                await mirrors[id_].apply(event)
            elif last in mirrors[id_].chats:
                behind.discard(id_)  # nothing more was to be told
