"""Some hundred odd examples of each sort, always the same ones; `make fuzz` tries others."""

import pytest

from tests.fuzz.answers import leaks, result_problems
from tests.fuzz.expected import GOES_ON, Expected
from tests.fuzz.properties import PROPERTIES
from tests.fuzz.target import fuzzed_server
from tests.fuzz.wire import BINARY, CLOSE, CONT, PING, TEXT, Frame

EXAMPLES = 120  # of each sort; all together take some twenty seconds
SEED = 1

INIT = Frame(TEXT, b'{"type":"connection_init"}')


@pytest.fixture(scope="module")
def target():
    """A server to be fuzzed by all the tests, as one that lives long is."""
    with fuzzed_server() as target:
        yield target


@pytest.fixture
def doomed():
    """A server that the test may kill."""
    with fuzzed_server() as target:
        yield target


@pytest.mark.parametrize("name", PROPERTIES)
def test_whatever_is_sent_is_answered_as_documented(target, name):
    target.refresh()
    PROPERTIES[name].run(target, EXAMPLES, SEED)
    assert target.problems() == []


def test_the_examples_reach_what_they_are_made_for(target):
    for name in ("posts", "sockets"):
        PROPERTIES[name].run(target, EXAMPLES, SEED)
    assert {"HTTP 200", "HTTP 400", "BAD_REQUEST", "GRAPHQL_PARSE_FAILED"} <= target.met.keys()
    assert {"closed with 1002", "closed with 4400", "closed with 4401"} <= target.met.keys()


def test_a_server_that_dies_is_noticed(doomed):
    doomed.server.kill()
    assert doomed.problems() == ["the server ended with -9"]


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last)",
        "'NoneType' object has no attribute 'id'",
        "<coroutine object Query.viewer at 0x7f52b81c2a40>",
        "(sqlite3.OperationalError) no such table: users",
        "SELECT users.id FROM users",
        "KeyError: 'chat'",
    ],
)
def test_a_word_of_the_inside_is_noticed(text):
    assert leaks(text)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"errors": []},
        {"errors": [{"message": "No."}]},
        {"errors": [{"message": "No.", "extensions": {"code": "NO"}}]},
        {"errors": [{"message": "No.", "extensions": {"code": "INTERNAL"}}]},
        {"errors": [{"message": "", "extensions": {"code": "BAD_REQUEST"}}]},
    ],
)
def test_a_result_that_is_not_as_documented_is_noticed(payload):
    assert list(result_problems(payload))


@pytest.mark.parametrize(
    ("frames", "codes"),
    [
        ([INIT, Frame(PING)], {GOES_ON}),
        ([INIT, INIT], {4429}),
        ([Frame(TEXT, b"nonsense")], {4400}),
        ([Frame(BINARY, b"{}")], {4400}),
        ([Frame(TEXT, b'{"type":"subscribe"}')], {4401}),
        ([Frame(TEXT, b"{", fin=False), Frame(TEXT, b"}")], {1002}),
        ([Frame(TEXT, b"{", fin=False), Frame(CONT, b"}")], {4400}),
        ([Frame(TEXT, b"\xff")], {1007}),
        ([Frame(TEXT, declared=2**40)], {1009}),
        ([Frame(CLOSE, (4000).to_bytes(2))], {4000}),
        ([Frame(TEXT, b"nonsense"), Frame(TEXT, masked=False)], {4400, 1002}),
    ],
)
def test_the_expectations_are_those_of_the_protocol(frames, codes):
    assert Expected("token").read(frames) == codes
