"""The walk: every field that takes an id, asked by everybody whom it must not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from schema.policies import POLICIES
from tests.security.asking import TRANSPORTS, OverHttp, OverSocket, verdict
from tests.security.examples import EXAMPLES, FRESH, PUBLIC, Example, Thing
from tests.security.fields import Field, core, document, fields
from tests.security.roles import Role
from tests.security.stage import Asking, Ids, Stage

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Case:
    """One field, asked with one of its ids replaced; `place` is None where it takes no id."""

    field: Field
    example: Example
    place: Place | None
    thing: Thing | None

    @property
    def document(self) -> str:
        return self.example.document or document(self.field)

    def variables(self, own: Ids, asked: Ids) -> dict[str, Any]:
        """Return the arguments, with the id at the place from `asked` and the others from `own`."""
        filled: dict[str, Any] = _filled(self.example.arguments, (), self.place, own, asked)
        return filled

    def __str__(self) -> str:
        where = "" if self.place is None else f"({'.'.join(map(str, self.place))}: {self.thing})"
        return f"{self.field.key}{where}"


@dataclass
class Report:
    """How many cases were walked, and what is wrong with which."""

    fields: set[str] = field(default_factory=set)
    roles: list[str] = field(default_factory=list)
    cases: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.cases} cases of {len(self.fields)} fields × {len(self.roles)} roles × "
            f"{len(TRANSPORTS)} transports, {len(self.wrong)} wrong"
        )


def cases() -> list[Case]:
    """Return a case for every id that any field takes, and one for each field that takes none."""
    found = []
    for each in fields(core()):
        for example in EXAMPLES[each.key]:
            places = list(_places(example.arguments, ()))
            if not places:
                found.append(Case(each, example, None, None))
            found += [Case(each, example, place, thing) for place, thing in places]
    return found


async def walk(stage: Stage, roles: Sequence[Role], asked: Sequence[Case]) -> Report:
    """Ask everything as everybody, and report every answer that tells or does something."""
    report = Report(roles=[role.name for role in roles])
    for role in roles:
        asking = await role.prepare(stage)
        async with AsyncExitStack() as stack:
            transports: list[OverHttp | OverSocket] = [
                await stack.enter_async_context(transport.opened(asking.person))
                for transport in TRANSPORTS
            ]
            if role.then is not None:
                await role.then(stage, asking)
            for case in asked:
                if _concerns(case, role, asking):
                    for transport in transports:
                        await _try(report, role, asking, case, transport)
    return report


def _concerns(case: Case, role: Role, asking: Asking) -> bool:
    if role.shut_out:
        policy = POLICIES.get(case.field.key)  # fields within others have none of their own
        return policy is None or not policy.anonymous
    return case.thing in asking.hidden and case.thing not in PUBLIC


async def _try(
    report: Report, role: Role, asking: Asking, case: Case, transport: OverHttp | OverSocket
) -> None:
    report.cases += 1
    report.fields.add(case.field.key)
    answer = await transport.ask(case.document, case.variables(asking.own, asking.hidden))
    name = f"{role.name}, {transport.name}, {case}"
    if verdict(answer) not in role.answers:
        report.wrong.append(f"{name}: {verdict(answer)}")
    elif case.place is not None:
        other = await transport.ask(case.document, case.variables(asking.own, asking.nothing))
        if other != answer:
            report.wrong.append(f"{name}: {answer}, and of nothing {other}")


def _places(value: Any, at: Place) -> Iterator[tuple[Place, Thing]]:
    if isinstance(value, Thing):
        yield at, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _places(each, (*at, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _places(each, (*at, number))


def _filled(value: Any, at: Place, place: Place | None, own: Ids, asked: Ids) -> Any:
    if isinstance(value, Thing):
        return asked[value] if at == place else own[value]
    if isinstance(value, dict):
        return {name: _filled(each, (*at, name), place, own, asked) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, (*at, n), place, own, asked) for n, each in enumerate(value)]
    return str(uuid4()) if value is FRESH else value
