"""Turns: a few at a time, in the order in which they came."""

import asyncio

import pytest

from models.errors import Overloaded
from models.turns import Turns


async def turned(loops=3):
    """Let everybody who can go on do so."""
    for _ in range(loops):
        await asyncio.sleep(0)


async def test_those_who_wait_have_their_turn_in_the_order_in_which_they_came():
    turns = Turns(2, waiting=100, timeout=10)
    order, working = [], set()

    async def work(number):
        async with turns.turn():
            working.add(number)
            assert len(working) <= 2
            order.append(number)
            await turned()
            working.remove(number)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))


async def test_beyond_those_who_may_wait_newcomers_are_sent_away_but_nobody_else():
    turns = Turns(1, waiting=1, timeout=10)
    entered = []

    async def work(number, *, newcomer):
        async with turns.turn(newcomer=newcomer):
            entered.append(number)

    async with turns.turn():
        waiting = asyncio.create_task(work(1, newcomer=True))
        await turned()
        with pytest.raises(Overloaded):
            await work(2, newcomer=True)
        known = asyncio.create_task(work(3, newcomer=False))
        await turned()
        assert entered == []
    await asyncio.gather(waiting, known)
    assert entered == [1, 3]


async def test_who_waits_too_long_is_sent_away_and_takes_no_turn_along():
    turns = Turns(1, waiting=10, timeout=0.01)
    async with turns.turn():
        with pytest.raises(Overloaded):
            async with turns.turn():
                pass
    async with turns.turn():
        pass


async def test_who_gives_up_while_a_turn_is_handed_over_takes_none_along():
    turns = Turns(1, waiting=10, timeout=10)

    async def work():
        async with turns.turn():
            await asyncio.Event().wait()

    for loops in range(4):
        async with turns.turn():
            waiting = [asyncio.create_task(work()) for _ in range(2)]
            await turned()
        await turned(loops)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(10), turns.turn():
            pass
