"""What is kept of the documents that clients send."""

import gc
import tracemalloc

import pytest
from graphql import GraphQLError

from schema import documents
from schema.documents import Documents


@pytest.mark.parametrize(
    "text",
    [
        "{a}#" + "x" * 60_000,
        "{a}#" + "\N{PILE OF POO}" * 15_000,
        '{a(b: "' + "x" * 60_000 + '")}',
        "{" + "a " * 900 + "}",
        "{" + "a{b}" * 200 + "}",
        "{" + "a(b:[1,2,3])" * 80 + "}",
        "{" + "...on A{b @c}" * 100 + "}",
    ],
)
def test_however_many_documents_come_no_more_is_kept_than_was_meant(monkeypatch, text):
    monkeypatch.setattr(documents, "KEPT_BYTES", 2_000_000)
    kept = Documents()
    tracemalloc.start()
    try:
        for number in range(30):
            kept.read(f"query Q{number} {text}")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_document_that_was_asked_for_lately_is_not_parsed_again(monkeypatch):
    monkeypatch.setattr(documents, "KEPT", 2)
    kept = Documents()
    first = kept.read("{ a }")
    kept.read("{ b }")
    assert kept.read("{ a }") is first
    kept.read("{ c }")
    assert kept.read("{ a }") is first
    assert kept.read("{ b }") is not first


def test_a_document_that_cannot_be_parsed_is_not_kept():
    kept = Documents()
    for _ in range(2):
        with pytest.raises(GraphQLError):
            kept.read("{ unclosed")
