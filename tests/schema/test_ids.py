"""Global ids: what is encoded comes back, and nothing else is taken for one."""

from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import InvalidId, Kind, decode, decode_message, encode, encode_message, kind_of


@given(st.sampled_from(Kind), st.uuids())
def test_an_id_comes_back_as_its_key_and_for_no_other_kind(kind, key):
    text = encode(kind, key)
    assert decode(kind, text) == key
    assert kind_of(text) is kind
    for other in Kind:
        if other is not kind:
            with pytest.raises(InvalidId):
                decode(other, text)


@given(st.uuids(), st.integers(min_value=0, max_value=2**48 - 1))
def test_a_message_id_comes_back_as_its_key(chat_id, seq):
    assert decode_message(encode_message((chat_id, seq))) == (chat_id, seq)


@given(st.text(max_size=60))
def test_text_is_refused_unless_it_is_the_very_id_of_something(text):
    with suppress(InvalidId):
        assert encode(Kind.USER, decode(Kind.USER, text)) == text


@pytest.mark.parametrize("change", ["=", "\n", " ", "A", "!"])
def test_an_id_has_one_spelling(change):
    text = encode(Kind.USER, uuid4())
    with pytest.raises(InvalidId):
        decode(Kind.USER, text + change)


def test_the_path_of_the_input_is_reported():
    with pytest.raises(InvalidId) as refusal:
        decode(Kind.CHAT, encode(Kind.USER, UUID(int=1)), path="chatId")
    assert refusal.value.path == ("chatId",)
