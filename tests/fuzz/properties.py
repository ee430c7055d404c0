"""What has to hold, as functions of one example: they raise `Wrong` with all that was."""

from __future__ import annotations

import contextlib
import http.client
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from tests.fuzz import messages, requests
from tests.fuzz.answers import codes_of, http_problems, leaks, message_problems
from tests.fuzz.expected import GOES_ON, Expected
from tests.fuzz.messages import Said, Step
from tests.fuzz.requests import Request
from tests.fuzz.target import TOKEN, Target, exchanged
from tests.fuzz.wire import CONT, PING, PONG, TEXT, Closed, Frame, Wire

STREAMS = ("text/event-stream", "multipart/mixed")


class Wrong(AssertionError):
    """Something that may not happen did."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


def request_is_answered(target: Target, request: Request) -> None:
    """A request is answered in time, with a status and errors as documented."""
    with exchanged(target.port, target.filled_bytes(request.encoded())) as connection:
        check(target, answer_problems(target, connection, method=request.method.decode()))


def noise_is_survived(target: Target, data: bytes) -> None:
    """Bytes that are no request are answered, or the connection is closed; nothing more."""
    with exchanged(target.port, target.filled_bytes(data)) as connection:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        check(target, answer_problems(target, connection, silence=True))


def answer_problems(
    target: Target, connection: socket.socket, *, method: str = "GET", silence: bool = False
) -> list[str]:
    """Return what is wrong with the answer to a request; `silence` says that none is fine too."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        streams = response.headers.get_content_type() in STREAMS
        # A subscription's goes on: its beginning has to come in time.
        body = response.read1() if streams else response.read()
    except TimeoutError:
        return ["no answer in time"]
    except (http.client.HTTPException, ConnectionError) as error:
        return [] if silence else [f"no answer: {error!r}"]
    finally:
        response.close()
    target.met.update([f"HTTP {response.status}", *codes_of(body)])
    if streams and method != "HEAD":
        return list(leaks(body.decode()))
    # The answer to HEAD says of which type its body would be.
    media_type = "" if method == "HEAD" else response.headers.get_content_type()
    return list(http_problems(response.status, media_type, body))


def socket_answers_as_told(target: Target, script: list[Step]) -> None:
    """Frames are answered as `expected.py` has it: with the right close code, or not closed."""
    frames = [
        frame
        for step in script
        for frame in (step.frames(target) if isinstance(step, Said) else [step])
    ]
    expected = Expected(target.filled(TOKEN))
    codes = expected.read(frames)
    wire = target.wire()
    try:
        for frame in frames:
            wire.send(frame.encoded())
        if GOES_ON in codes:
            if expected.in_pieces:
                wire.send(Frame(CONT, b"", fin=True).encoded())
                codes = expected.read([Frame(CONT, b"", fin=True)])
            wire.send(Frame(PING, b"the end").encoded())
            wire.send(Frame(TEXT, b'{"type": "ping", "payload": {"the": "end"}}').encoded())
        check(target, _heard(target, wire, codes))
    finally:
        wire.close()


def _heard(target: Target, wire: Wire, codes: set[int]) -> list[str]:
    """Return what is wrong with what a socket says until it is closed, or says that it lives."""
    problems: list[str] = []
    while True:
        try:
            got = wire.receive()
        except TimeoutError:
            return [*problems, f"neither answered nor closed; may be closed with {codes}"]
        if isinstance(got, Closed):
            target.met[f"closed with {got.code}"] += 1
            if got.code not in codes:
                problems.append(f"closed with {got}, and may be with {codes}")
            return problems
        if got.opcode == TEXT:
            problems += message_problems(got.payload)
            target.met.update(codes_of(got.payload))
            if got.payload == b'{"type":"pong","payload":{"the":"end"}}':
                return problems if GOES_ON in codes else [*problems, f"goes on in spite of {codes}"]
        elif got.opcode != PONG:
            problems.append(f"sent {got}")


def noise_ends_a_socket(target: Target, data: bytes) -> None:
    """Bytes that are no frames end the socket alone, as soon as no more of them come."""
    wire = target.wire()
    try:
        wire.send(data)
        wire.end()
        problems: list[str] = []
        while not isinstance(got := wire.receive(), Closed):
            if got.opcode == TEXT:
                problems += message_problems(got.payload)
        check(target, problems)
    except TimeoutError:
        check(target, ["the connection stays open"])
    finally:
        wire.close()


def check(target: Target, problems: list[str]) -> None:
    """Raise `Wrong` for these problems and for those that the server shows elsewhere."""
    if problems := [*problems, *target.problems()]:
        raise Wrong(problems)


@dataclass(frozen=True)
class Property:
    """A function of one example, and where its examples come from."""

    holds: Callable[[Target, Any], None]
    examples: st.SearchStrategy[Any]

    def run(self, target: Target, count: int, number: int) -> None:
        """Try so many examples, which the number determines; raises with the simplest bad one."""

        @seed(number)
        @settings(
            max_examples=count,
            deadline=None,  # the server's patience is what is tested, not its speed
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(self.examples)
        def tried(example: Any) -> None:
            self.holds(target, example)

        with warnings.catch_warnings():
            # Some examples are a megabyte, which it is loath to print.
            warnings.simplefilter("ignore", HypothesisWarning)
            tried()


PROPERTIES = {
    "posts": Property(request_is_answered, requests.posts),
    "gets": Property(request_is_answered, requests.gets),
    "heads": Property(request_is_answered, requests.heads),
    "noise": Property(noise_is_survived, requests.noise),
    "sockets": Property(socket_answers_as_told, messages.scripts),
    "socket-noise": Property(noise_ends_a_socket, messages.noise),
}
