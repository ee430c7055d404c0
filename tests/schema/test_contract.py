"""The published schema: complete, described, and made to the same rules throughout."""

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from schema.engine import PUBLISHED, printed
from schema.engine import build_schema as build_ours

SCHEMA = build_schema(PUBLISHED.read_text())
TYPES = [
    type_
    for type_ in SCHEMA.type_map.values()
    if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
]
COMPOSITE = [t for t in TYPES if isinstance(t, (GraphQLObjectType, GraphQLInterfaceType))]
INPUTS = [t for t in TYPES if isinstance(t, GraphQLInputObjectType)]

assert SCHEMA.mutation_type is not None
MUTATIONS = SCHEMA.mutation_type.fields


def described():
    """Yield everything that GraphiQL shows a description of, by its path."""
    for type_ in TYPES:
        yield type_.name, type_.description
        if isinstance(type_, GraphQLEnumType):
            for name, value in type_.values.items():
                yield f"{type_.name}.{name}", value.description
    for type_ in COMPOSITE:
        for name, field in type_.fields.items():
            yield f"{type_.name}.{name}", field.description
            for argument, details in field.args.items():
                yield f"{type_.name}.{name}({argument}:)", details.description
    for input_ in INPUTS:
        for name, details in input_.fields.items():
            yield f"{input_.name}.{name}", details.description


def test_the_published_schema_is_what_the_code_makes():
    assert printed(build_ours()) == PUBLISHED.read_text()


def test_every_type_field_argument_and_value_is_described():
    assert [path for path, description in described() if not description] == []


def test_descriptions_are_sentences():
    loose = [path for path, text in described() if text and not text.endswith((".", "?", ")"))]
    assert loose == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_takes_one_input_and_returns_a_payload_with_errors(name):
    field = MUTATIONS[name]
    assert list(field.args) in (["input"], [])
    if field.args:
        assert str(field.args["input"].type) == f"{name[0].upper()}{name[1:]}Input!"
    assert isinstance(field.type, GraphQLNonNull)
    payload = field.type.of_type
    assert payload.name.endswith("Payload")
    assert str(payload.fields["errors"].type) == "[UserError!]!"
    # What was done is null when it was refused; a list of it is empty.
    for other, details in payload.fields.items():
        if other != "errors":
            assert not isinstance(details.type, GraphQLNonNull) or "[" in str(details.type)


def test_no_argument_or_input_has_null_for_a_default():
    # "Absent" and "null" would be told apart by nobody who reads the schema.
    assert "= null" not in PUBLISHED.read_text()


def test_connections_have_edges_nodes_and_page_info():
    connections = [t for t in COMPOSITE if t.name.endswith("Connection")]
    assert len(connections) >= 4
    for connection in connections:
        assert list(connection.fields) == ["edges", "nodes", "pageInfo"], connection.name


PROMISED = {
    "Query": "viewer node nodes user users chat server",
    "Viewer": "user email session sessions chats unreadCount cursor",
    "Chat": "id kind title description members memberCount messages message lastMessage "
    "viewerMembership",
    "Membership": "role unreadCount readSeq",
    "Message": "id chat seq sender kind text replyTo createdAt editedAt deletedAt clientMessageId "
    "reactions viewerReactions",
    "Mutation": "register logIn refreshSession logOut createChat addMembers sendMessage "
    "editMessage deleteMessage addReaction removeReaction markRead markDelivered setTyping",
    "Subscription": "events typing",
    "Event": "occurredAt chat seq",
    "ChatCreated": "chat",
    "ChatChanged": "chat",
    "MemberJoined": "membership",
    "MemberLeft": "membership",
    "MessageSent": "message",
    "MessageEdited": "message",
    "MessageDeleted": "messageId",
    "ReactionsChanged": "message",
    "ReceiptsAdvanced": "user deliveredSeq readSeq",
    "AuthPayload": "session accessToken refreshToken expiresIn errors",
    "UserError": "message code path",
}


@pytest.mark.parametrize("name", PROMISED)
def test_the_names_that_clients_were_promised_are_there(name):
    (type_,) = (each for each in COMPOSITE if each.name == name)
    assert set(PROMISED[name].split()) <= set(type_.fields)
