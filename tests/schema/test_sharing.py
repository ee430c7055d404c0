"""The list of fields that may be rendered once for many: it is right about each of them."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from graphql import is_interface_type, is_leaf_type, is_object_type

from schema.documents import Document
from schema.engine import build_schema
from schema.sharing import SHAREABLE, sharing
from tests.parts.people import until_subscribed

SCHEMA = build_schema()._schema
TYPES: dict[str, Any] = SCHEMA.type_map


def of(text):
    document = Document(text)
    return sharing(SCHEMA, document, document.operation(None))


def test_every_listed_field_is_one_of_the_schema_and_takes_no_arguments():
    for type_name, fields in SHAREABLE.items():
        for name in fields:
            field = TYPES[type_name].fields[name]
            assert not field.args, f"{type_name}.{name}"


def test_every_type_of_event_is_listed():
    events = SCHEMA.get_possible_types(TYPES["Event"])
    assert {type_.name for type_ in events} <= SHAREABLE.keys()


@pytest.mark.parametrize(
    ("selection", "shareable"),
    [
        ("{ __typename seq chat { id title } actor { handle } }", True),
        ("{ ... on MessageSent { message { id chat { id } reactions { emoji } } } }", True),
        ("{ ... on Event { ... on MemberLeft { membership { user { id } } } } }", True),
        ("{ ...F } } fragment F on MessageSent { message { text }", True),
        ("{ ... on MessageSent { message { replyTo { id } } } }", False),
        ("{ ... on MessageSent { message { viewerReactions } } }", False),
        ("{ chat { lastMessage { id } } }", False),
        ("{ chat { viewerMembership { id } } }", False),
        ("{ chat { messages { nodes { id } } } }", False),
        ("{ ... on MemberJoined { membership { unreadCount } } }", False),
        ("{ ...F } } fragment F on Event { chat { ...G } } fragment G on Chat { members", False),
    ],
)
def test_a_selection_is_shared_if_all_of_it_is_listed(selection, shareable):
    assert of(f"subscription {{ events {selection} }}").shareable is shareable


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("subscription($a: Cursor) { events(after: $a) { seq } }", set()),
        ("subscription($x: Boolean!) { events { seq @skip(if: $x) } }", {"x"}),
        (
            """subscription($x: Boolean!) { events { ...F } }
            fragment F on Event { chat { id @include(if: $x) } }""",
            {"x"},
        ),
        (
            """subscription($a: Cursor) { ...F }
            fragment F on Subscription { events(after: $a) { seq } }""",
            set(),
        ),
        (
            "subscription($n: Int) { events { chat { messages(first: $n) { nodes { id } } } } }",
            {"n"},
        ),
    ],
)
def test_what_is_shown_depends_on_the_variables_below_the_root_field(document, variables):
    assert of(document).variables == variables


@pytest.mark.parametrize(
    ("selection", "shows"),
    [
        ("{ seq }", False),
        ("{ cursor }", True),
        ("{ ... on MessageSent { cursor } }", True),
        ("{ chat { messages { edges { cursor } } } }", False),
    ],
)
def test_only_the_cursor_of_an_event_ties_a_group_to_its_chats(selection, shows):
    assert of(f"subscription {{ events {selection} }}").shows_cursor is shows


def shared_selection(type_, fragments, depth=3, *, without=frozenset()):
    """Return everything listed of a type, as far down as it goes; each type is in a fragment."""
    selected = ["__typename"]
    for name in sorted(SHAREABLE[type_.name] - without):
        field_type = type_.fields[name].type
        while not hasattr(field_type, "name"):
            field_type = field_type.of_type
        if is_leaf_type(field_type):
            selected.append(name)
        elif depth and (is_object_type(field_type) or is_interface_type(field_type)):
            spread = f"{field_type.name}{depth}"
            if spread not in fragments:
                of_type = shared_selection(field_type, fragments, depth - 1)
                fragments[spread] = f"fragment {spread} on {field_type.name} {of_type}"
            selected.append(f"{name} {{ ...{spread} }}")
    return "{ " + " ".join(selected) + " }"


def everything(extra=""):
    """Return a subscription to all that is listed of every event, and something more.

    Fragments on as many types that all have the same fields are more to compare than a document
    may be, so what all of them have stands once.
    """
    common = frozenset({"cursor", "seq", "occurredAt", "actor"})
    fragments: dict[str, str] = {}
    chat = shared_selection(TYPES["Event"], fragments, without=SHAREABLE["Event"] - {"chat"})
    parts = [shared_selection(TYPES["Event"], fragments, without=frozenset({"chat"}))[1:-1]]
    for type_ in SCHEMA.get_possible_types(TYPES["Event"]):
        own = shared_selection(type_, fragments, without=common | {"chat"})
        parts.append(f"... on {type_.name} {own}")
        if "chat" in SHAREABLE[type_.name]:
            parts.append(f"... on {type_.name} {chat}")
    document = f"subscription {{ events {{ {' '.join(parts)} {extra} }} }}"
    return " ".join([document, *fragments.values()])


# What is heard of it: of the new title and of the new member the history tells as well.
EVENTS = 11


async def happen(ana, ben, chat_id):
    """Do one of everything that people in a chat hear of."""
    message = await ana.send(chat_id, "Pizza?")
    await ana.done("editMessage", "message { id }", messageId=message["id"], text="Pizza!")
    await ben.done("addReaction", "message { id }", messageId=message["id"], emoji="🍕")
    await ben.done("markRead", "chat { id }", chatId=chat_id, seq=1)
    await ana.done("updateChat", "chat { id }", chatId=chat_id, title="Team two")
    await ana.done("deleteMessage", "deletedMessageId", messageId=message["id"])
    poll = await ana.done(
        "sendMessage",
        "message { id }",
        chatId=chat_id,
        clientMessageId=str(uuid4()),
        poll={"question": "When?", "options": ["Now", "Later"]},
    )
    await ben.done("votePoll", "", messageId=poll["message"]["id"], options=[1])


async def test_what_is_rendered_for_all_is_what_each_viewer_would_get_alone(server):
    """The same events, once from a shared rendering and once from each viewer's own."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    cid = await server.registered("cid")
    chat_id = await ana.group("Team", ben)
    own = everything("chat { viewerMembership { id } }")
    async with AsyncExitStack() as stack:
        sockets = {}
        for person in (ana, ben):
            socket = sockets[person.handle] = await stack.enter_async_context(person.socket())
            for id_, query in (("shared", everything()), ("own", own)):
                await socket.subscribe(id_, query)
        await until_subscribed(server.url, 4)
        await happen(ana, ben, chat_id)
        await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[cid.user_id])
        seen = set()
        for handle, socket in sockets.items():
            heard: dict[str, list[Any]] = {"shared": [], "own": []}
            while min(len(each) for each in heard.values()) < EVENTS:
                message = await socket.receive()
                assert "errors" not in message["payload"], message
                event = message["payload"]["data"]["events"]
                if message["id"] == "own" and event["chat"]:
                    assert event["chat"].pop("viewerMembership")["id"], handle
                heard[message["id"]].append(event)
            assert heard["shared"] == heard["own"]
            seen |= {event["__typename"] for event in heard["own"]}
    assert seen == {
        "MessageSent",
        "MessageEdited",
        "MessageDeleted",
        "ReactionsChanged",
        "PollChanged",
        "ReceiptsAdvanced",
        "ChatChanged",
        "MemberJoined",
    }
