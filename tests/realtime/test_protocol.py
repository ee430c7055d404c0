"""The socket protocol as rows: what is received, and what is done about it."""

import json

import pytest

from realtime.operations import OperationRequest
from realtime.protocol import (
    Authenticate,
    Close,
    CloseCode,
    Protocol,
    Send,
    Start,
    Stop,
)

SUBSCRIBE = {"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}}


def text(message):
    return json.dumps(message)


def sent(effects):
    """Return the messages of effects that only send."""
    assert all(isinstance(effect, Send) for effect in effects)
    return [json.loads(effect.text) for effect in effects]


def closed(effects):
    (effect,) = effects
    assert isinstance(effect, Close)
    return effect.code


def ready(max_operations=3):
    protocol = Protocol(max_operations=max_operations)
    protocol.receive(text({"type": "connection_init"}))
    protocol.accepted()
    return protocol


def test_a_connection_is_acknowledged_once_it_is_accepted():
    protocol = Protocol(max_operations=1)
    init = {"type": "connection_init", "payload": {"authorization": "Bearer x"}}
    assert protocol.receive(text(init)) == [Authenticate({"authorization": "Bearer x"})]
    assert sent(protocol.accepted()) == [{"type": "connection_ack"}]


@pytest.mark.parametrize("payload", [None, {}])
def test_init_needs_no_payload(payload):
    protocol = Protocol(max_operations=1)
    message = {"type": "connection_init", "payload": payload}
    assert protocol.receive(text(message)) == [Authenticate({})]


def test_an_operation_runs_and_completes():
    protocol = ready()
    payload = {"query": "query A($x: Int) { a }", "variables": {"x": 1}, "operationName": "A"}
    assert protocol.receive(text({**SUBSCRIBE, "payload": payload})) == [
        Start("1", OperationRequest("query A($x: Int) { a }", {"x": 1}, "A"))
    ]
    assert sent(protocol.next("1", b'{"data":{"a":1}}')) == [
        {"id": "1", "type": "next", "payload": {"data": {"a": 1}}}
    ]
    assert sent(protocol.complete("1")) == [{"id": "1", "type": "complete"}]
    assert protocol.receive(text(SUBSCRIBE))[0] == Start("1", OperationRequest("{ a }"))


def test_an_operation_that_fails_says_so_and_leaves_the_socket_alone():
    protocol = ready()
    protocol.receive(text(SUBSCRIBE))
    assert sent(protocol.error("1", [{"message": "no"}])) == [
        {"id": "1", "type": "error", "payload": [{"message": "no"}]}
    ]
    assert protocol.complete("1") == []
    assert protocol.receive(text(SUBSCRIBE)) != []


def test_nothing_is_sent_for_an_operation_the_client_has_completed():
    protocol = ready()
    protocol.receive(text(SUBSCRIBE))
    assert protocol.receive(text({"type": "complete", "id": "1"})) == [Stop("1")]
    assert protocol.next("1", b"{}") == []
    assert protocol.error("1", []) == []
    assert protocol.complete("1") == []


def test_completing_what_is_not_running_is_normal():
    assert ready().receive(text({"type": "complete", "id": "gone"})) == []


def test_one_operation_too_many_is_refused_and_the_others_go_on():
    protocol = ready(max_operations=1)
    protocol.receive(text(SUBSCRIBE))
    (refusal,) = sent(protocol.receive(text({**SUBSCRIBE, "id": "2"})))
    assert (refusal["type"], refusal["id"]) == ("error", "2")
    assert refusal["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
    assert protocol.next("1", b"{}") != []


@pytest.mark.parametrize("state", ["connected", "ready"])
def test_a_ping_is_answered_in_every_state_with_its_payload(state):
    protocol = ready() if state == "ready" else Protocol(max_operations=1)
    assert sent(protocol.receive(text({"type": "ping", "payload": {"t": 1}}))) == [
        {"type": "pong", "payload": {"t": 1}}
    ]
    assert sent(protocol.receive(text({"type": "ping"}))) == [{"type": "pong"}]
    assert protocol.receive(text({"type": "pong"})) == []


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "not json",
        "[]",
        "1",
        "null",
        '"text"',
        "{}",
        text({"type": "start"}),
        text({"type": 3}),
        text({"type": ["connection_init"]}),
        text({"type": "connection_init", "payload": []}),
        text({"type": "subscribe", "payload": {"query": "{ a }"}}),
        text({"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}),
        text({"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}),
        text({"type": "subscribe", "id": "x" * 129, "payload": {"query": "{ a }"}}),
        text({"type": "subscribe", "id": "1"}),
        text({"type": "subscribe", "id": "1", "payload": "{ a }"}),
        text({"type": "subscribe", "id": "1", "payload": {}}),
        text({"type": "subscribe", "id": "1", "payload": {"query": None}}),
        text({"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}),
        text({"type": "subscribe", "id": "1", "payload": {"query": "", "operationName": 1}}),
        text({"type": "complete"}),
        text({"type": "complete", "id": 5}),
        "[" * 100_000,
    ],
)
def test_what_is_not_a_message_closes_the_socket_as_bad(frame):
    assert closed(ready().receive(frame)) is CloseCode.BAD_MESSAGE


def test_a_ping_that_is_too_deep_to_be_sent_back_closes_the_socket_as_bad():
    payload = "[" * 300 + "]" * 300
    effects = ready().receive(f'{{"type": "ping", "payload": {payload}}}')
    assert closed(effects) is CloseCode.BAD_MESSAGE


def test_a_binary_frame_closes_the_socket_as_bad():
    assert closed(ready().receive_binary()) is CloseCode.BAD_MESSAGE


@pytest.mark.parametrize(
    ("before", "message", "code"),
    [
        ([], SUBSCRIBE, CloseCode.SUBSCRIBED_BEFORE_INIT),
        ([{"type": "connection_init"}], SUBSCRIBE, CloseCode.SUBSCRIBED_BEFORE_INIT),
        (
            [{"type": "connection_init"}],
            {"type": "connection_init"},
            CloseCode.TOO_MANY_INITS,
        ),
    ],
)
def test_messages_out_of_turn_close_the_socket(before, message, code):
    protocol = Protocol(max_operations=1)
    for earlier in before:
        protocol.receive(text(earlier))
    assert closed(protocol.receive(text(message))) is code


def test_a_second_init_after_the_acknowledgement_closes_the_socket():
    assert closed(ready().receive(text({"type": "connection_init"}))) is CloseCode.TOO_MANY_INITS


def test_an_id_in_use_closes_the_socket():
    protocol = ready()
    protocol.receive(text(SUBSCRIBE))
    assert closed(protocol.receive(text(SUBSCRIBE))) is CloseCode.DUPLICATE_OPERATION


def test_a_client_that_never_initialises_is_closed_and_one_that_did_is_not():
    protocol = Protocol(max_operations=1)
    assert closed(protocol.init_overdue()) is CloseCode.INIT_TIMEOUT
    assert ready().init_overdue() == []


def test_a_closed_socket_does_nothing_any_more():
    protocol = ready()
    protocol.receive(text(SUBSCRIBE))
    assert closed(protocol.close(CloseCode.RESTARTING, "bye")) is CloseCode.RESTARTING
    assert protocol.close(CloseCode.BAD_MESSAGE, "again") == []
    assert protocol.receive(text(SUBSCRIBE)) == []
    assert protocol.ping() == []
    assert protocol.next("1", b"{}") == []


def test_a_long_reason_is_cut_to_what_a_close_frame_holds():
    (close,) = ready().close(CloseCode.BAD_MESSAGE, "ü" * 100)
    assert len(close.reason.encode()) <= 123
    assert close.reason == "ü" * 61
