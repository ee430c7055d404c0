"""Thousands of interleavings, and faults that have to be found in them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.chances import KINDS
from tests.simulation.planted import FAULTS, planted
from tests.simulation.report import HAPPENINGS, happenings, report
from tests.simulation.run import simulate

SEEDS = 1000  # on each kind of database
PARTS = 4  # tests that share them, for those who run several at a time
# Within how many seeds a planted fault has to be found; most are found within ten.
FOUND_WITHIN = 300


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_device_is_told_everything_once_and_in_order_whatever_happens(kind, part):
    for seed in range(part, SEEDS, PARTS):
        world = simulate(seed, kind)
        if world.problems:
            pytest.fail(report(world), pytrace=False)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, fault in FAULTS.items() for kind in fault.kinds]
)
def test_a_fault_that_is_planted_is_found(name, kind):
    with planted(name):
        for seed in range(FOUND_WITHIN):
            if simulate(seed, kind, **FAULTS[name].chances).problems:
                return
    pytest.fail(f"{name} was not found: {FAULTS[name].plant.__doc__}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_the_same_run_every_time(kind):
    for seed in range(20):
        first, second = simulate(seed, kind), simulate(seed, kind)
        assert first.timeline == second.timeline


def test_runs_meet_all_that_they_are_about():
    met: Counter[str] = Counter()
    for seed in range(100):
        for kind in KINDS:
            met += happenings(simulate(seed, kind))
    assert [name for name in HAPPENINGS if not met[name]] == []


def test_a_failure_says_how_to_see_it_again():
    name = "no_eviction"
    with planted(name):
        world = next(world for seed in range(50) if (world := simulate(seed, "sqlite")).problems)
        told = report(world, name)
    assert f"--database sqlite --seed {world.seed} --fault {name}" in told
    assert world.problems[0] in told
    assert "committed chat1#1 chat_created" in "\n".join(map(str, world.timeline))
