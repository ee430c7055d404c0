"""A short run against real processes; the long ones are `make faults`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models import storing_postgresql
from tests.faults import planted, report
from tests.faults.__main__ import SCENARIOS
from tests.faults.display import projected, rate_now
from tests.faults.goals import Goal, Goals
from tests.faults.history import Kind, State, Writer
from tests.faults.nemeses import names
from tests.faults.run import Options, Run, run


@pytest.mark.slow
@pytest.mark.timeout(300)  # it takes half a minute on an idle machine
async def test_nothing_is_lost_doubled_misordered_or_leaked_under_a_handful_of_faults(tmp_path):
    options = Options(seconds=15, nodes=2, clients=10, seed=7, rate=80, pause=1, hardness=0.4)
    run_ = Run(options, tmp_path, Writer(tmp_path / "history.jsonl"))
    verdict = await run(run_)
    assert verdict.ok, f"{verdict}\n\n{report.markdown(run_)}"
    assert verdict.counts["send ok"] > 100
    assert verdict.counts["receive ok"] > verdict.counts["send ok"]
    assert run_.history.count(Kind.RESUME, State.OK) > options.clients
    assert sum(times > 0 for times in run_.strikes.values()) >= 3
    report.write(run_)
    assert "None." in (tmp_path / "report.md").read_text()
    assert (tmp_path / "timeline.svg").read_text().endswith("</svg>\n")


@pytest.mark.parametrize("fault", planted.FAULTS.values(), ids=planted.FAULTS)
def test_every_fault_still_finds_what_it_is_to_be_planted_in(fault):
    assert fault.plant()
    assert fault.about
    assert fault.found_as
    assert fault.nemeses <= set(names())


def test_the_goals_of_a_run_are_held_against_what_it_came_to():
    counts: dict[tuple[str, str], int] = {
        (Kind.SEND, State.OK): 950,
        (Kind.SEND, State.INFO): 50,
        (Kind.RECEIVE, State.OK): 5000,
    }
    strikes = {"kill_node": 20, "herd": 19}
    assert Goals().of(counts, strikes) == []
    assert Goals(sends=950, strikes=19, unknown=0.06).of(counts, strikes) == [
        Goal("950 acknowledged sends", True, "950"),
        Goal("every nemesis 19 times", True, "herd, the rarest, 19"),
        Goal("less than 6% of all doings not known", True, "5.0%"),
    ]
    missed = Goals(sends=951, strikes=20, unknown=0.05).of(counts, strikes)
    assert [goal.reached for goal in missed] == [False, False, False]


def test_a_run_is_projected_from_what_it_came_to_so_far(tmp_path):
    run_ = Run(Options(seconds=100), tmp_path, Writer(tmp_path / "history.jsonl"))
    assert (rate_now(run_), projected(run_)) == (0, 0)
    run_.history.close()
    run_.talking_since = 2.0
    run_.timeline = [(2.0 + second, 10 * second, 0) for second in range(11)]
    assert (rate_now(run_), projected(run_)) == (10, 1000)


def test_the_page_names_every_nemesis_and_every_fault_and_scenario():
    page = (Path(__file__).parents[2] / "docs/faults.md").read_text()
    for name in [*names(), *planted.FAULTS]:
        assert re.search(rf"^\| .*`{name}`", page, re.MULTILINE), name
    for name in SCENARIOS:
        assert f"--scenario {name}" in page, name


def test_a_fault_whose_target_has_changed_is_not_planted():
    class Product:
        constant = 1.0

        def told(self, event, *, twice=False):
            """Something of the product."""

        async def awaited(self):
            """Something else."""

    def told(self, event, *, twice=True):
        """Is called in the same way."""

    def told_otherwise(self, event):
        """Is called in another way."""

    planted.Replacement(Product, "told", told)
    planted.Replacement(Product, "constant", 2.0)
    for name, by in [
        ("gone", told),
        ("told", told_otherwise),
        ("awaited", told),
        ("constant", "two"),
    ]:
        with pytest.raises(planted.StalePlant, match=name):
            planted.Replacement(Product, name, by)
    for name in ("_ON_POSTGRESQL", "_GONE"):
        with pytest.raises(planted.StalePlant, match=f"{name} does not say 'no such condition'"):
            planted._changed(storing_postgresql, name, "no such condition", "false")
