"""The net under the log: what looks like a secret does not get through, and the rest does."""

import json
import logging

import pytest
import structlog

from server import logs
from server.masking import mask_names, mask_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("authorization: Bearer abc.def-ghi_123", "authorization: Bearer ***"),
        ("basic dXNlcjpwYXNz", "basic ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "got *** here"),
        ("postgresql://hubbub:hunter2@db/hubbub", "postgresql://hubbub:***@db/hubbub"),
        ("redis://:hunter2@redis:6379/0", "redis://:***@redis:6379/0"),
        ("GET /reset?token=abc123&next=x", "GET /reset?token=***&next=x"),
        ("https://x/#code=abc123 and more", "https://x/#code=*** and more"),
        ("code=NOT_FOUND mutation=log_in", "code=NOT_FOUND mutation=log_in"),
        ("refresh_token_reused", "refresh_token_reused"),
        ("http://127.0.0.1:8000/graphql", "http://127.0.0.1:8000/graphql"),
        ("the bearer of news", "the bearer of news"),
    ],
)
def test_what_has_the_form_of_a_secret_is_masked(text, masked):
    assert mask_text(text) == masked


def test_what_is_called_a_secret_is_masked():
    event = {"event": "x", "newPassword": "p", "headers": {"Cookie": "c", "host": "h"}, "code": "C"}
    assert mask_names(None, "", event) == {
        "event": "x",
        "newPassword": "***",
        "headers": {"Cookie": "***", "host": "h"},
        "code": "C",
    }


@pytest.fixture
def configured():
    """Loggers as they were, afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


@pytest.mark.parametrize("format_", ["json", "console"])
def test_the_log_masks_in_both_formats_tracebacks_and_librariess_lines_too(
    configured, format_, capsys
):
    logs.configure(format_, "debug", "kitchen")
    try:
        raise RuntimeError("cannot reach redis://:hunter2@redis")
    except RuntimeError:
        structlog.get_logger("ours").exception("broken", access_token="hunter2")
    logging.getLogger("theirs").warning("header %s", "Bearer hunter2hunter2")
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert told.count("***") == 4  # the traceback quotes the line as well
    assert "Traceback" in told
    if format_ == "json":
        assert all(json.loads(line)["node"] == "kitchen" for line in told.splitlines())
