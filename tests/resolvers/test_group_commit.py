"""Sharing commits, with a commit that the test holds in its hands."""

import asyncio
from dataclasses import dataclass

import pytest

from models.errors import Overloaded, Unreachable
from resolvers import group_commit
from resolvers.group_commit import GroupCommit


@dataclass(frozen=True)
class Item:
    """Something to commit."""

    key: int
    place: str = "here"
    content: str = "same"


class Stage:
    """Commits whatever comes, one batch each time it is let to, and remembers it."""

    def __init__(self):
        self.batches = []
        self.lane = []  # by which lane each went
        self.attempts = 0
        self.poisoned = set()
        self.held = set()
        self.lost = 0  # how often the database is still going to be lost
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.announced = 0
        self.group = GroupCommit(
            fast=self.commit("fast"), slow=self.commit("slow"), committed=self.committed
        )

    def commit(self, lane):
        async def commit(items):
            self.attempts += 1
            self.begun.set()
            await self.open.wait()
            if self.lost:
                self.lost -= 1
                raise Unreachable("gone")
            if any(item.key in self.poisoned for item in items):
                raise ValueError("poison")
            taken = [item for item in items if item.place not in self.held]
            self.batches.append([item.key for item in taken])
            self.lane.append(lane)
            await asyncio.sleep(0)
            return [item.key if item in taken else None for item in items]

        return commit

    def committed(self, results):
        self.announced += 1

    async def blocked(self):
        """Let one item be in flight until `open` is set."""
        self.open.clear()
        self.begun.clear()
        first = asyncio.create_task(self.group.submit(Item(-1)))
        await self.begun.wait()
        return first

    def submitted(self, items):
        return [asyncio.create_task(self.group.submit(item)) for item in items]


@pytest.fixture
async def stage():
    made = Stage()
    async with made.group.running():
        yield made


async def test_who_is_alone_waits_for_nobody(stage):
    assert await stage.group.submit(Item(1)) == 1
    assert stage.batches == [[1]]


async def test_what_arrives_while_a_commit_is_in_flight_shares_the_next(stage):
    first = await stage.blocked()
    others = stage.submitted(Item(n) for n in range(5))
    await asyncio.sleep(0)
    stage.open.set()
    assert await asyncio.gather(first, *others) == [-1, 0, 1, 2, 3, 4]
    assert stage.batches == [[-1], [0, 1, 2, 3, 4]]
    assert stage.announced == 2


async def test_a_batch_has_a_bound_and_a_queue_too(stage, monkeypatch):
    monkeypatch.setattr(group_commit, "BATCH", 4)
    monkeypatch.setattr(group_commit, "QUEUE", 11)
    first = await stage.blocked()
    others = stage.submitted(Item(n) for n in range(12))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await stage.group.submit(Item(99))
    stage.open.set()
    await first
    results = await asyncio.gather(*others, return_exceptions=True)
    assert results[:10] == list(range(10))
    assert [type(result) for result in results[10:]] == [Overloaded, Overloaded]
    assert stage.batches[1:] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert await stage.group.submit(Item(99)) == 99


async def test_the_same_item_again_follows_the_first_and_another_of_its_key_waits(stage):
    first = await stage.blocked()
    twins = stage.submitted([Item(1), Item(1), Item(1, content="other"), Item(1, content="other")])
    await asyncio.sleep(0)
    stage.open.set()
    assert await asyncio.gather(first, *twins) == [-1, 1, 1, 1, 1]
    assert stage.batches == [[-1], [1], [1]]


async def test_a_poisoned_item_fails_alone(stage):
    stage.poisoned = {5}
    first = await stage.blocked()
    others = stage.submitted(Item(n) for n in range(16))
    await asyncio.sleep(0)
    stage.open.set()
    await first
    results = await asyncio.gather(*others, return_exceptions=True)
    assert isinstance(results.pop(5), ValueError)
    assert results == [n for n in range(16) if n != 5]
    assert sorted(key for batch in stage.batches for key in batch) == sorted([-1, *results])


async def test_a_lost_database_is_tried_again(stage):
    stage.lost = 3
    assert await stage.group.submit(Item(1)) == 1
    assert stage.attempts == 4


async def test_a_database_that_stays_lost_is_told(stage, monkeypatch):
    monkeypatch.setattr(group_commit, "PATIENCE", 0.1)
    stage.lost = 1000
    with pytest.raises(Unreachable):
        await stage.group.submit(Item(1))
    stage.lost = 0
    assert await stage.group.submit(Item(2)) == 2


async def test_a_held_place_holds_up_no_other_and_keeps_its_order(stage):
    stage.held = {"there"}
    first = await stage.blocked()
    waiting = stage.submitted([Item(1, "there"), Item(2), Item(3, "there")])
    await asyncio.sleep(0)
    stage.open.set()
    assert await first == -1
    assert await waiting[1] == 2
    later = stage.submitted([Item(4, "there"), Item(5)])
    assert await later[1] == 5
    assert not any(task.done() for task in (waiting[0], waiting[2], later[0]))
    stage.held = set()
    assert [await task for task in (waiting[0], waiting[2], later[0])] == [1, 3, 4]
    slow = [batch for batch, lane in zip(stage.batches, stage.lane, strict=True) if lane == "slow"]
    assert [key for batch in slow for key in batch] == [1, 3, 4]
    assert await stage.group.submit(Item(6, "there")) == 6
    assert stage.lane[-1] == "fast"


async def test_a_place_that_stays_held_is_refused(stage, monkeypatch):
    monkeypatch.setattr(group_commit, "PATIENCE", 0.05)
    stage.held = {"there"}
    with pytest.raises(Overloaded):
        await stage.group.submit(Item(1, "there"))
    assert await stage.group.submit(Item(2)) == 2


async def test_who_is_cancelled_takes_nobody_along(stage):
    first = await stage.blocked()
    one, twin, other = stage.submitted([Item(1), Item(1), Item(2)])
    await asyncio.sleep(0)
    one.cancel()
    first.cancel()
    await asyncio.sleep(0)
    stage.open.set()
    assert [await twin, await other] == [1, 2]
    assert stage.batches == [[-1], [1, 2]]


async def test_at_the_end_everybody_has_been_answered(monkeypatch):
    monkeypatch.setattr(group_commit, "BATCH", 10)
    stage = Stage()
    async with stage.group.running():
        tasks = stage.submitted(Item(n) for n in range(100))
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == list(range(100))
    with pytest.raises(Overloaded):
        await stage.group.submit(Item(1))


async def test_at_the_end_what_hangs_is_refused(monkeypatch):
    monkeypatch.setattr(group_commit, "CLOSING_TIMEOUT", 0.05)
    stage = Stage()
    async with stage.group.running():
        first = await stage.blocked()
        tasks = stage.submitted([Item(1), Item(1), Item(1, content="other"), Item(2)])
        await asyncio.sleep(0)
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert {type(result) for result in results} == {Overloaded}
    assert stage.batches == []
