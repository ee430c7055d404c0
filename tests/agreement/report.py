"""How a failure is told: what went wrong, after which steps, and how to see it again."""

from __future__ import annotations

from tests.agreement.run import Problem


def report(problem: Problem, *, database: str, seed: int, steps: int) -> str:
    """Return what a person has to know."""
    command = f"python -m tests.agreement --database {database}"
    told = [
        f"Seed {seed} on {database}: {problem.what}",
        f"after {len(problem.steps)} steps:",
        *(f"  {step}" for step in problem.steps),
        f"Again: {command} --first {seed} --seeds 1 --steps {steps}",
        f"Only these: {command} --only {','.join(map(str, problem.doings))}",
    ]
    return "\n".join(told)
