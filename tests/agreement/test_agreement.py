"""Random doings on both databases, and faults that have to be found."""

from __future__ import annotations

import pytest

from tests.agreement.doings import Doing, doings
from tests.agreement.nodes import two_nodes
from tests.agreement.planted import FAULTS, planted
from tests.agreement.report import report
from tests.agreement.run import first_wrong
from tests.agreement.shrinking import shrunk

SEEDS, STEPS = 2, 60
# A fault is found within a few steps of its being possible, and few take more than one run.
FOUND_WITHIN = 4


@pytest.fixture
async def nodes(migrated_database_url):
    async with two_nodes(migrated_database_url) as started:
        yield started


@pytest.fixture
async def sqlite_nodes(migrated_sqlite_url):
    async with two_nodes(migrated_sqlite_url) as started:
        yield started


@pytest.mark.timeout(600)
async def test_people_see_and_are_told_what_the_model_says(nodes, request):
    database = nodes[0].program.services.db.dialect
    for seed in range(SEEDS):
        problem = await first_wrong(nodes, doings(seed, STEPS))
        if problem is not None:
            found = await shrunk(problem, lambda steps: first_wrong(nodes, steps))
            pytest.fail(report(found, database=database, seed=seed, steps=STEPS), pytrace=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_that_is_planted_is_found(sqlite_nodes, monkeypatch, name):
    monkeypatch.setattr("tests.agreement.run.PATIENCE", 1.5)
    fault = FAULTS[name]
    with planted(name):
        for seed in range(FOUND_WITHIN):
            if await first_wrong(sqlite_nodes, doings(seed, STEPS, fault.likely)) is not None:
                return
    pytest.fail(f"{name} was not found: {fault.plant.__doc__}")


def test_a_seed_is_the_same_steps_every_time():
    assert doings(3, 50) == doings(3, 50)
    assert doings(3, 50) != doings(4, 50)


async def test_a_problem_is_told_with_the_few_steps_that_matter(sqlite_nodes, monkeypatch):
    monkeypatch.setattr("tests.agreement.run.PATIENCE", 1.5)
    with planted("archive_forgets"):
        problem = await first_wrong(sqlite_nodes, [*doings(0, 6), Doing("keep_chat", 1)])
        assert problem is not None
        found = await shrunk(problem, lambda steps: first_wrong(sqlite_nodes, steps))
    assert [each.what for each in found.doings] == ["keep_chat"]
    told = report(found, database="sqlite", seed=0, steps=7)
    assert "was not told ViewerMembershipChanged" in told
    assert "--only keep_chat:" in told
