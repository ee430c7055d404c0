"""No secret and nothing that people write is in the log, at its most talkative."""

import json
from uuid import uuid4

import pytest
from graphql import (
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
)

from tests.parts.people import PASSWORD, Person
from tests.security.fields import core, document, fields

MARK = "zzmarkedzz"


def marked(type_, depth=0):
    """Return a value for an argument, with a mark in every text of it."""
    if is_non_null_type(type_):
        return marked(type_.of_type, depth)
    if is_list_type(type_):
        return [marked(type_.of_type, depth)]
    named = get_named_type(type_)
    if is_input_object_type(named):
        if depth > 4:
            return None
        return {name: marked(each.type, depth + 1) for name, each in named.fields.items()}
    if is_enum_type(named):
        return next(iter(named.values))
    return {
        "Int": 1,
        "Float": 1.0,
        "Boolean": True,
        "UUID": str(uuid4()),
        "DateTime": "2030-01-01T00:00:00Z",
    }.get(named.name, f"{MARK}{uuid4().hex}")


def everything():
    """Return an operation of every root field, with marks wherever there can be any."""
    # What takes nothing comes last: it may end the session.
    for field in sorted(fields(core()), key=lambda each: not each.definition.args):
        if field.operation is not None:
            args = field.definition.args
            yield document(field), {name: marked(each.type) for name, each in args.items()}


async def signed_up(server, password):
    person = Person(server.url)
    await person.done(
        "register",
        "session { id }",
        handle="ana",
        displayName="Ana",
        password=password,
        email=f"{MARK}@example.org",
        deviceName=MARK,
    )
    payload = await person.log_in("ana", password)
    return person, payload


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.timeout(120)
async def test_after_every_mutation_with_marked_secrets_the_log_has_none(hubbub, format_):
    server = hubbub(HUBBUB_LOG_FORMAT=format_, HUBBUB_LOG_LEVEL="debug")
    ana, signed_in = await signed_up(server, f"{MARK} {PASSWORD}")
    chat_id = await ana.group(f"{MARK} title")
    await ana.send(chat_id, f"{MARK} text")
    secrets = [MARK, ana.token, signed_in["refreshToken"], signed_in["accessToken"]]
    for query, variables in everything():
        await ana.post({"query": query, "variables": variables})
        await ana.post({"query": query, "variables": dict.fromkeys(variables, MARK)})
    signed_in = await ana.log_in("ana", f"{MARK} {PASSWORD}")
    secrets += [signed_in["refreshToken"], signed_in["accessToken"]]
    for odd in (
        {"authorization": f"Bearer {MARK}.{MARK}.{MARK}"},
        {"authorization": f"Basic {MARK}"},
        {"cookie": f"session={MARK}", "x-api-key": MARK},
    ):
        await ana.post({"query": "{ viewer { email } }"}, **odd)
    await ana.post(f'{{"query": "{MARK}')
    await ana.post({"query": f"{{ {MARK} }}", "operationName": MARK})
    await ana.post({"query": f'{{ user(handle: "{MARK}") {{ id }} }}'})
    for path in ("/graphiql/", "/nowhere", "/healthz", "/graphql", "/"):
        await ana.get(f"{path}?token={MARK}&code={MARK}&access_token={ana.token}")
    async with ana.socket(init=False) as socket:
        await socket.send(type="connection_init", payload={"authorization": f"Bearer {MARK}"})
        await socket.closed()
    async with ana.socket() as socket:
        await socket.subscribe(
            "1", "subscription($c: Cursor) { events(after: $c) { seq } }", c=MARK
        )
        await socket.receive()
        await socket.connection.send(f"{{{MARK}")
        await socket.closed()
    await ana.refused("refreshSession", "session { id }", refreshToken=MARK)
    again = await ana.done(
        "refreshSession", "accessToken refreshToken", refreshToken=ana.refresh_token
    )
    secrets += [again["accessToken"], again["refreshToken"]]
    await ana.close()
    server.stop()
    log = server.process.log.read_text()
    assert log.count("mutation_refused") > 10, "the log is not as talkative as it should be"
    for secret in secrets:
        assert secret not in log, next(line for line in log.splitlines() if secret in line)
    if format_ == "json":
        assert all(json.loads(line) for line in log.splitlines() if line.startswith("{"))
