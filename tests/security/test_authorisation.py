"""The authorisation matrix: nobody reaches through any id what is not theirs to see.

Generated from the schema. Whoever may not see a thing gets the same answer, to the last byte, as
for a well-formed id of nothing, over HTTP and over a socket; and nothing is stored.
"""

import pytest
import sqlalchemy as sa

from models import chats
from models.base import metadata
from schema.ids import Kind
from tests.parts import record
from tests.security.asking import TRANSPORTS, OverHttp, verdict
from tests.security.examples import EXAMPLES, NODES, PUBLIC, Thing
from tests.security.fields import core, document, fields
from tests.security.roles import ROLES, Role, anonymous, outsider
from tests.security.stage import Asking, Stage, belongings, nothing
from tests.security.walk import cases, walk

# What says who was seen where and when, and how far the log's readers have come.
BESIDE = {"node_leases", "node_sessions", "sessions", "log_state", "last_seen"}


async def stored(server):
    """Return every row there is, of every table but those."""
    async with server.program.services.db.reading() as connection:
        return {
            table.name: sorted(map(repr, await connection.execute(sa.select(table))))
            for table in metadata.sorted_tables
            if table.name not in BESIDE
        }


def test_every_field_has_an_example_and_every_id_in_its_arguments_is_asked_for():
    walked = {(case.field.key, _named(case.place)) for case in cases() if case.place is not None}
    for field in fields(core()):
        assert field.key in EXAMPLES, f"{field.key} needs an entry in tests/security/examples.py"
        for path in field.id_paths:
            own = [place for key, place in walked if key == field.key]
            assert any(place[-1] == path[-1] for place in own), f"{field.key}: no id at {path}"
    assert {field.key for field in fields(core())} == set(EXAMPLES)


def _named(place):
    return tuple(part for part in place if isinstance(part, str))


def test_every_kind_of_id_is_walked():
    assert {thing.kind for thing in Thing} == set(Kind)
    assert {Thing.USER} == PUBLIC


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
@pytest.mark.timeout(120)
async def test_nobody_reaches_what_is_not_theirs(server, role):
    stage = await Stage.set_up(server)
    asked = cases()

    # What the role is prepared by is stored before anything is asked.
    before = {}

    async def then(stage: Stage, asking: Asking) -> None:
        if role.then is not None:
            await role.then(stage, asking)
        before.update(await stored(server))

    report = await walk(stage, [Role(role.name, role.prepare, role.answers, then)], asked)
    assert not report.wrong, "\n".join(report.wrong)
    assert await stored(server) == before
    dialect = server.program.services.db.dialect
    record.counted("authorisation", f"{dialect}, {role.name}", report.cases)
    assert report.cases >= 10


@pytest.mark.parametrize("role", [outsider, anonymous], ids=lambda role: role.__name__)
async def test_what_only_administrators_have_does_not_exist_for_others(sqlite_server, role):
    everybodys, theirs = core(), core(administrators=True)
    asking = await role(await Stage.set_up(sqlite_server))
    hidden = {each.key: each for each in fields(theirs)}.keys() - {
        each.key for each in fields(everybodys)
    }
    assert "Query.admin" in hidden
    for transport_type in TRANSPORTS:
        async with transport_type.opened(asking.person) as transport:
            for each in fields(theirs):
                if each.key in hidden and each.operation is not None:
                    args = dict.fromkeys(each.definition.args)
                    answer = await transport.ask(document(each), args)
                    assert verdict(answer) == "BAD_REQUEST", each.key
            for name in theirs.type_map.keys() - everybodys.type_map.keys():
                query = f'{{ __type(name: "{name}") {{ name }} }}'
                assert await transport.ask(query, {}) == {"data": {"__type": None}}


@pytest.mark.timeout(300)  # everything is set up anew for each case
async def test_whose_it_is_gets_another_answer_than_for_nothing(sqlite_server):
    """The examples are good: what is refused is refused for who asks, and not for the rest."""
    ben = await sqlite_server.registered("ben")
    for number, case in enumerate(cases()):
        # A subscription that is let in has no answer until something happens.
        by_node = case.field.name in ("node", "nodes") and case.thing not in NODES
        if case.thing is None or by_node or case.field.parent == "Subscription":
            continue
        owner = await sqlite_server.registered(f"owner{number}")
        own = await belongings(sqlite_server, owner, ben)
        async with OverHttp.opened(owner) as transport:
            other = await transport.ask(case.document, case.variables(own, nothing()))
            answer = await transport.ask(case.document, case.variables(own, own))
        assert answer != other, f"{case}: {answer}"
        assert verdict(other) in ("NOT_FOUND", "null"), f"{case}: {other}"


async def test_the_walk_finds_a_check_that_is_missing(sqlite_server, monkeypatch):
    stage = await Stage.set_up(sqlite_server)
    asked = [case for case in cases() if case.field.key in ("Query.chat", "Mutation.setTyping")]
    roles = [Role("outsider", outsider, ROLES[0].answers)]
    assert not (await walk(stage, roles, asked)).wrong

    async def whoever_asks(connection, viewer_id, ids):
        return await chats.by_ids(connection, ids)

    monkeypatch.setattr(chats, "readable_many", whoever_asks)
    wrong = (await walk(stage, roles, asked)).wrong
    assert len(wrong) == 4  # both fields over both transports
    assert all("Query.chat" in each or "Mutation.setTyping" in each for each in wrong)
