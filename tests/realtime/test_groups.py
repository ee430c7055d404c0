"""Groups: what is rendered once, for whom, and what is kept of it."""

import asyncio
from typing import Any

import pytest

from realtime.groups import Groups, Rendered, frame_header
from realtime.protocol import next_tail


class Item:
    """Something to be told."""

    def __init__(self) -> None:
        self.renderings: dict[Any, Any] = {}


class Renderer:
    """Counts what it renders; with `waits`, rendering takes a turn of the loop."""

    def __init__(self, waits: bool) -> None:
        self.count = 0
        self._waits = waits

    def render(self, _: Item) -> Any:
        self.count += 1
        return self._later(self.count) if self._waits else self._rendered(self.count)

    def _rendered(self, number: int) -> Rendered:
        return Rendered(str(number).encode())

    async def _later(self, number: int) -> Rendered:
        await asyncio.sleep(0)
        return self._rendered(number)


def group_of(renderer: Renderer, *, shared: bool):
    return Groups().of("key", lambda: renderer.render, shared=shared)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_shared_group_renders_an_item_once_for_all_who_ask(waits):
    renderer, item = Renderer(waits), Item()
    group = group_of(renderer, shared=True)
    asked = [group.later(item) for _ in range(5)]
    assert {rendered.payload for rendered in await asyncio.gather(*asked)} == {b"1"}
    assert group.now(item) is not None
    assert renderer.count == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_nothing_is_kept_of_what_was_rendered_for_one_alone(waits):
    renderer = Renderer(waits)
    group = group_of(renderer, shared=False)
    for number in range(1, 4):
        item = Item()
        rendered = group.now(item) or await group.later(item)
        assert rendered.payload == str(number).encode()
        assert item.renderings == {}


async def test_who_gives_up_waiting_takes_nothing_from_the_others():
    renderer, item = Renderer(waits=True), Item()
    group = group_of(renderer, shared=True)
    patient, hasty = (asyncio.create_task(group.later(item)) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).payload == b"1"
    assert renderer.count == 1


def test_a_group_lives_as_long_as_somebody_is_in_it():
    groups = Groups()
    group = groups.of("key", lambda: Renderer(waits=False).render, shared=True)
    again = groups.of("key", lambda: Renderer(waits=False).render, shared=True)
    assert again is group
    del again, group
    assert len(groups) == 0


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_has_the_header_of_its_length(size, header):
    assert frame_header(size) == header  # RFC 6455 §5.2


def test_frames_for_ids_of_different_lengths_are_each_complete():
    rendered = Rendered(b'{"data":{"n":1}}')
    for id_ in ("1", "a longer id"):
        tail = next_tail(id_)
        message = rendered.message(tail)
        assert rendered.frame_start(len(tail)) + tail == frame_header(len(message)) + message
