"""A short run against real processes; the long ones are `make faults`."""

from __future__ import annotations

import pytest

from tests.faults import planted, report
from tests.faults.history import Kind, State, Writer
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
    assert len(report.counted(run_)) >= 3
    report.write(run_)
    assert "None." in (tmp_path / "report.md").read_text()
    assert (tmp_path / "timeline.svg").read_text().endswith("</svg>\n")


def test_every_fault_that_can_be_planted_says_what_it_takes_away():
    for name, plant in planted.FAULTS.items():
        assert plant.__doc__, name
