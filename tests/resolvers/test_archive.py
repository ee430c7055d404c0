"""The ZIP file of an export, written without going back."""

import io
import json
import zipfile
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from resolvers.archive import Archive

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_what_is_fetched_in_pieces_is_an_archive_when_put_together():
    pieces, key = [], uuid4()
    with Archive(NOW) as archive:
        archive.text("README.txt", "Hej, Åsa")
        archive.open("messages.jsonl")
        for number in range(200):
            archive.rows(
                [{"id": key, "at": NOW, "text": f"{number} “é”\n\N{SLICE OF PIZZA}", "none": None}]
            )
            pieces += archive.fetch(512)
        archive.open("empty.jsonl")
    pieces += archive.fetch(512, rest=True)
    assert {len(piece) for piece in pieces[:-1]} == {512}
    assert 0 < len(pieces[-1]) <= 512
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["README.txt", "messages.jsonl", "empty.jsonl"]
        assert opened.read("README.txt").decode() == "Hej, Åsa"
        assert opened.read("empty.jsonl") == b""
        lines = [json.loads(line) for line in opened.read("messages.jsonl").splitlines()]
    assert len(lines) == 200
    assert lines[7] == {
        "id": str(key),
        "at": "2026-05-01T12:00:00+00:00",
        "text": "7 “é”\n\N{SLICE OF PIZZA}",
        "none": None,
    }


def test_what_nobody_meant_to_hand_out_is_not():
    with Archive(NOW) as archive:
        archive.open("sessions.jsonl")
        with pytest.raises(TypeError):
            archive.rows([{"refresh_hash": b"secret"}])
