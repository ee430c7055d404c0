"""HTTP requests of every sort: well-formed ones by the schema, odd ones, and noise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_from_bytes

from graphql import (
    OperationDefinitionNode,
    build_schema,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    parse,
    type_from_ast,
)
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from schema.engine import PUBLISHED
from tests.fuzz.target import ANA, BEN, CHAT, CURSOR, MESSAGE, TOKEN

SCHEMA = build_schema(PUBLISHED.read_text())
DEEPEST = 100_000  # levels; a body has room for more, but not for anything else beside them

# A body is larger than what is allowed once in a while.
_MANY = st.one_of(st.integers(1, 300), st.integers(300, 2000), st.integers(2000, DEEPEST))

OPERATIONS = (
    "{ server { name } }",
    "query($v: ID!) { node(id: $v) { id } }",
    "query($v: [ID!]!) { nodes(ids: $v) { id } }",
    "query($v: ID!) { chat(id: $v) { title messages(last: 3) { nodes { text } } } }",
    "query($v: Int) { viewer { chats(first: $v) { nodes { title } } } }",
    "query($v: String) { viewer { chats(after: $v) { nodes { title } } } }",
    "query($v: ChatFilter) { viewer { cursor chats(filter: $v) { nodes { title } } } }",
    "query($v: String!) { users(search: $v) { nodes { handle } } }",
    "query($v: String!) { user(handle: $v) { id } }",
    "query($v: Boolean!) { server @include(if: $v) { name } viewer @skip(if: $v) { email } }",
    "mutation($v: SendMessageInput!) { sendMessage(input: $v) { errors { code path } } }",
    "mutation($v: CreateChatInput!) { createChat(input: $v) { chat { id } errors { code } } }",
    "mutation($v: UpdateChatInput!) { updateChat(input: $v) { chat { id } errors { code } } }",
    "mutation($v: MarkReadInput!) { markRead(input: $v) { errors { code message } } }",
    "mutation($v: AddReactionInput!) { addReaction(input: $v) { errors { code message } } }",
    "mutation($v: RefreshSessionInput!) { refreshSession(input: $v) { errors { code } } }",
    "subscription($v: Cursor) { events(after: $v) { cursor } }",
    "subscription($v: [ID!]) { events(chatIds: $v) { cursor } }",
    "subscription($v: ID!) { typing(chatId: $v) { typing } }",
)
# logOut would leave the rest of a run to nobody.
_ROOTS = [
    name
    for root in (SCHEMA.query_type, SCHEMA.mutation_type)
    if root is not None
    for name in root.fields
    if name != "logOut"
]


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Return examples of each strategy as often as its weight says; `one_of` knows no weights."""
    pool = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.integers(0, len(pool) - 1).flatmap(pool.__getitem__)


known = st.sampled_from([ANA, BEN, CHAT, MESSAGE, CURSOR])
ids = known | st.text(max_size=40)
# At both ends of the calendar too, where an hour more or less has no name.
_zones = st.sampled_from([None, UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
moments = st.datetimes(timezones=_zones).map(datetime.isoformat)
_documents = from_schema(
    SCHEMA,
    fields=_ROOTS,
    custom_scalars={
        "ID": ids.map(nodes.String),
        "UUID": weighted((4, st.uuids().map(str)), (1, st.text(max_size=40))).map(nodes.String),
        "Cursor": ids.map(nodes.String),
        "DateTime": weighted((4, moments), (1, st.text(max_size=40))).map(nodes.String),
    },
).map(str)


@st.composite
def _brief(draw: st.DrawFn) -> str:
    # Hypothesis prints strategies, and this one holds the whole schema.
    document: str = draw(_documents)
    return document


documents = _brief()

# Lone surrogates, NULs, numbers that no column holds: what JSON can say, and a little more.
_texts = st.text(st.characters(), max_size=60) | st.sampled_from(["\x00", "\ud800", "a" * 11_000])
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400])
    | st.floats()
    | _texts
    | ids
)
odd = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5),
    max_leaves=12,
)
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "Boolean": st.booleans(),
    "Cursor": ids,
    "DateTime": moments,
    "ID": ids,
    "Int": st.integers(-(2**31), 2**31 - 1),
    "String": _texts | ids,
    "UUID": st.uuids().map(str),
}


def _values(type_: Any) -> st.SearchStrategy[Any]:
    """Return values of an input's type, a wrong one at any place once in a while."""
    if is_non_null_type(type_):
        return _values(type_.of_type)
    if is_list_type(type_):
        right: st.SearchStrategy[Any] = st.lists(_values(type_.of_type), max_size=4)
    elif is_enum_type(type_):
        right = st.sampled_from(sorted(type_.values))
    elif is_input_object_type(type_):
        fields = {name: _values(field.type) for name, field in type_.fields.items()}
        needed = {name for name, field in type_.fields.items() if is_required_input_field(field)}
        right = st.fixed_dictionaries(
            {name: fields[name] for name in needed},
            optional={name: fields[name] for name in fields.keys() - needed},
        )
    else:
        right = _SCALARS[type_.name]
    return weighted((24, right), (1, odd))


def _variables(query: str) -> st.SearchStrategy[tuple[str, Any]]:
    """Return an operation with values of its variable `v`, if it has one."""
    (definition,) = parse(query).definitions
    assert isinstance(definition, OperationDefinitionNode)
    if not definition.variable_definitions:
        return st.tuples(st.just(query), odd)
    type_ = type_from_ast(SCHEMA, definition.variable_definitions[0].type)
    return st.tuples(st.just(query), st.fixed_dictionaries({"v": _values(type_)}))


@st.composite
def _asked(draw: st.DrawFn) -> tuple[str, Any]:
    asked: tuple[str, Any] = draw(st.sampled_from(OPERATIONS).flatmap(_variables))
    return asked


asked = _asked()


@dataclass(frozen=True)
class Request:
    """A request, or what somebody takes for one; `whole` where the server has to answer it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def encoded(self) -> bytes:
        """Return its bytes."""
        head = b"%s %s HTTP/1.1\r\nhost: 127.0.0.1\r\n" % (self.method, self.target)
        head += b"".join(b"%s: %s\r\n" % header for header in self.headers)
        if self.body:
            head += b"content-length: %d\r\n" % len(self.body)
        return head + b"connection: close\r\n\r\n" + self.body


def text_of(value: Any) -> str:
    """Return JSON, and of what JSON has no word for, what Python writes instead."""
    return json.dumps(value)


def _deep(pieces: tuple[str, str, str], count: int) -> str:
    opening, inside, closing = pieces
    return opening * count + inside + closing * count


deep_values = st.builds(
    _deep,
    st.sampled_from([("[", "1", "]"), ('{"a":', "1", "}"), ('[{"a":', "[]", "}]"), ("[", "", "")]),
    _MANY,
)
deep_documents = st.builds(
    _deep,
    st.sampled_from(
        [
            ("{a", "", "}"),
            ("{viewer{chats{nodes", "{id}", "}}}"),
            ("{...on Query", "{server{name}}", "}"),
            ("{viewer{chats(filter:", "[]", ")}}"),
            ("{nodes(ids:[", "1", "]){id}}"),
            ("query($a:[", "ID", "]){server{name}}"),
            ("{a:server{name}", "", "}"),
            ("#", "", ""),
            ("{server @skip(if:true)", "{name}", "}"),
        ]
    ),
    _MANY,
)

_texts_of_bodies = weighted(
    (4, documents.map(lambda query: text_of({"query": query}))),
    (6, asked.map(lambda given: text_of({"query": given[0], "variables": given[1]}))),
    (
        1,
        st.builds(
            lambda query, value, name, extensions: text_of(
                {
                    "query": query,
                    "variables": value,
                    "operationName": name,
                    "extensions": extensions,
                }
            ),
            st.sampled_from(OPERATIONS) | _texts,
            odd,
            st.none() | odd,
            st.none() | odd,
        ),
    ),
    (
        1,
        st.builds(
            lambda query, value: f'{{"query": {text_of(query)}, "variables": {{"v": {value}}}}}',
            st.sampled_from(OPERATIONS),
            deep_values,
        ),
    ),
    (1, deep_documents.map(lambda query: text_of({"query": query}))),
    (1, deep_values),
    (1, odd.map(text_of)),
).map(str.encode)
_bodies = weighted((12, _texts_of_bodies), (1, st.binary(max_size=300)))

_accepts = st.sampled_from(
    [
        b"application/graphql-response+json",
        b"application/json",
        b"*/*",
        b"text/event-stream",
        b"multipart/mixed;subscriptionSpec=1.0, application/json",
        b"text/html",
        b"application/json;q=0",
        b"",
    ]
)
_types = st.sampled_from(
    [
        b"application/json",
        b"application/json; charset=utf-16",
        b"text/plain",
        b"multipart/form-data; boundary=x",
        b"application/x-www-form-urlencoded",
        b"",
    ]
)
_anything = st.binary(max_size=40)
# Without line ends a head stays a head, and the server has all that it waits for.
_line = _anything.map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))
_names = st.sampled_from(
    [
        *(b"accept", b"authorization", b"content-type", b"cookie", b"host", b"last-event-id"),
        *(b"origin", b"sec-websocket-key", b"sec-websocket-protocol", b"sec-websocket-version"),
        *(b"upgrade", b"x-forwarded-for", b"x-request-id", b"access-control-request-method"),
    ]
) | _line.filter(lambda name: name.lower() not in (b"content-length", b"transfer-encoding"))
_contents = _line | st.sampled_from([b"websocket", b"13", b"graphql-transport-ws", b"http://evil"])

_nobody: tuple[tuple[bytes, bytes], ...] = ()
_ana = ((b"authorization", b"Bearer " + TOKEN.encode()),)
_signed_in = st.sampled_from(
    [_ana, _ana, _ana, _ana, _nobody, ((b"authorization", b"Bearer nonsense"),)]
)

posts = st.builds(
    lambda body, asking, accept: Request(
        b"POST",
        b"/graphql",
        (*asking, (b"content-type", b"application/json"), (b"accept", accept)),
        body,
    ),
    _bodies,
    _signed_in,
    weighted((5, st.just(b"application/graphql-response+json")), (1, _accepts)),
)


def _parameters(given: dict[str, bytes]) -> bytes:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in given.items()).encode()


_parameter = _bodies | _anything | odd.map(text_of).map(str.encode)
gets = st.builds(
    lambda given, asking, accept: Request(
        b"GET", b"/graphql?" + _parameters(given)[:60_000], (*asking, (b"accept", accept)), b""
    ),
    st.fixed_dictionaries(
        {"query": st.sampled_from(OPERATIONS).map(str.encode) | documents.map(str.encode)}
    )
    | st.dictionaries(
        st.sampled_from(["query", "variables", "operationName", "extensions", "x"]), _parameter
    ),
    _signed_in,
    _accepts,
)
heads = st.builds(
    Request,
    st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"HEAD", b"DELETE", b"PATCH", b"BREW"]),
    st.sampled_from([b"/graphql", b"/graphql/", b"/graphql?", b"/", b"*", b"/graphiql/../graphql"])
    | _line.map(lambda path: b"/graphql?" + path.replace(b" ", b"+"))
    | _line.map(lambda path: b"/" + path.replace(b" ", b"%20")),
    st.lists(
        st.tuples(_names, _contents) | st.tuples(st.just(b"content-type"), _types), max_size=6
    ).map(tuple),
    st.just(b"") | _bodies,
)
noise = st.binary(max_size=600) | st.tuples(
    posts.map(Request.encoded), st.integers(0, 600), st.binary(max_size=20)
).map(lambda given: given[0][: given[1]] + given[2] + given[0][given[1] :])
