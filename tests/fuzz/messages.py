"""What is said over a socket: messages in every order, in every sort of frame, and noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from server.graphql_http import MAX_BODY
from tests.fuzz.requests import (
    OPERATIONS,
    asked,
    deep_documents,
    deep_values,
    documents,
    odd,
    text_of,
    weighted,
)
from tests.fuzz.target import TOKEN, Target
from tests.fuzz.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame


@dataclass(frozen=True)
class Said:
    """A text in one frame or, cut, in several, perhaps with a ping between them."""

    text: str
    cuts: tuple[int, ...] = ()
    ping_between: bool = False

    def frames(self, target: Target) -> Iterable[Frame]:
        """Yield the frames, with what only this server knows filled in."""
        data = target.filled(self.text).encode()
        places = sorted({min(cut, len(data)) for cut in self.cuts})
        pieces = [
            data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)
        ]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            yield Frame(TEXT if number == 0 else CONT, piece, fin=last)
            if self.ping_between and not last:
                yield Frame(PING, b"between")


Step = Said | Frame

_ids = st.sampled_from(["1", "2", "3"]) | st.text(max_size=5)
_tokens = st.sampled_from([f"Bearer {TOKEN}", f"Bearer {TOKEN}", "Bearer nonsense", "", "Bearer "])
_payloads = weighted(
    (4, asked.map(lambda given: {"query": given[0], "variables": given[1]})),
    (2, documents.map(lambda query: {"query": query})),
    (
        1,
        st.builds(
            lambda query, variables: {"query": query, "variables": variables},
            st.sampled_from(OPERATIONS),
            odd,
        ),
    ),
)
_init = st.builds(
    lambda payload: text_of({"type": "connection_init", **payload}),
    st.just({})
    | _tokens.map(lambda token: {"payload": {"authorization": token}})
    | odd.map(lambda value: {"payload": {"Authorization": value}})
    | odd.map(lambda value: {"payload": value}),
)
_subscribe = st.builds(
    lambda id_, payload: text_of({"type": "subscribe", "id": id_, "payload": payload}),
    _ids,
    _payloads,
)
_deep_subscribe = st.builds(
    lambda query, value: (
        '{"type": "subscribe", "id": "deep", "payload": '
        f'{{"query": {text_of(query)}, "variables": {{"v": {value}}}}}}}'
    ),
    st.sampled_from(OPERATIONS) | deep_documents,
    deep_values | odd.map(text_of),
)
_others = st.one_of(
    odd.map(lambda value: text_of({"type": "ping", "payload": value})),
    deep_values.map(lambda value: f'{{"type": "ping", "payload": {value}}}'),
    odd.map(lambda value: text_of({"type": "pong", "payload": value})),
    _ids.map(lambda id_: text_of({"type": "complete", "id": id_})),
    st.builds(
        lambda type_, id_, payload: text_of({"type": type_, "id": id_, "payload": payload}),
        st.sampled_from(["connection_init", "subscribe", "complete", "next", "error", "start"])
        | odd,
        _ids | odd,
        _payloads | odd,
    ),
    odd.map(text_of),
    st.text(st.characters(codec="utf-8"), max_size=40),
    deep_values,
)
_cuts = st.lists(st.integers(0, 200), max_size=4).map(tuple)

# Text that JSON has no way to write is left out by `text_of`, so that frames of text are UTF-8.
_messages = st.one_of(_subscribe, _subscribe, _others, _init, _deep_subscribe)
said = st.builds(Said, _messages, _cuts, st.booleans())
polite = st.builds(
    lambda token, steps: [Said(text_of({"type": "connection_init", **token})), *steps],
    st.sampled_from([{}, {"payload": {"authorization": f"Bearer {TOKEN}"}}]),
    st.lists(
        st.builds(Said, weighted((6, _subscribe), (1, _deep_subscribe), (1, _others))), max_size=6
    ),
)

_closing = st.builds(
    lambda code, reason: code.to_bytes(2) + reason,
    st.sampled_from([0, 999, 1000, 1001, 1005, 1006, 1015, 1016, 2999, 3000, 4999, 5000, 65535]),
    st.sampled_from([b"", b"bye", b"\xff\xfe", b"x" * 123]),
)
_short = st.binary(max_size=125)
frames = st.one_of(
    st.builds(Frame, st.integers(0, 15), _short, st.booleans(), st.integers(0, 7), st.booleans()),
    st.builds(Frame, st.just(TEXT), st.binary(max_size=40), st.booleans()),
    st.builds(Frame, st.just(BINARY), _short, st.booleans()),
    st.builds(Frame, st.just(CONT), _short, st.booleans()),
    st.builds(Frame, st.sampled_from([PING, PONG]), st.binary(max_size=200)),
    st.builds(Frame, st.just(CLOSE), _closing | st.binary(max_size=3)),
    st.builds(
        Frame,
        st.sampled_from([TEXT, BINARY]),
        st.just(b""),
        declared=st.sampled_from([MAX_BODY + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1]),
    ),
    st.just(Frame(TEXT, b" " * (MAX_BODY + 1))),
)
scripts = weighted((2, polite), (1, st.lists(said | frames, min_size=1, max_size=7)))
noise = st.binary(min_size=1, max_size=200)
