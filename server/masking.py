"""A second net under the log: what looks like a secret does not get through.

The first is that nobody logs one. This one is for what comes in an exception's text, or by mistake.
"""

import re
from collections.abc import Mapping
from typing import Any

import structlog

MASK = "***"

_SECRET_NAMES = re.compile(
    r"password|passphrase|secret|token|authorization|cookie|credential|totp|recovery|private_key",
    re.IGNORECASE,
)
_SECRET_TEXTS = [
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)?"), MASK),  # a JSON Web Token
    # What opens something in a path or a text: incoming webhooks, bots' tokens, webhooks' secrets.
    (re.compile(r"(/hooks/)[^\s\"'/?#]+"), rf"\1{MASK}"),
    (re.compile(r"\bhb[stw]_[\w-]+"), MASK),
    (re.compile(r"(://[^\s:/@]*):[^\s@/]+@"), rf"\1:{MASK}@"),  # a database's or a bus's URL
    (
        re.compile(
            r"([?&#;](?:\w*token|code|key|password|secret|sig\w*)=)[^&\s\"']+", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
]


def mask_names(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Mask the values of a log line whose names tell that they are secret."""
    return dict(_masked(event))


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: MASK
        if _SECRET_NAMES.search(name)
        else _masked(value)
        if isinstance(value, Mapping)
        else value
        for name, value in values.items()
    }


def mask_text(text: str) -> str:
    """Return a text without what has the form of a token, or stands where secrets do."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


class Masked:
    """A renderer, and the mask over what it has made: tracebacks come together there at last."""

    def __init__(self, renderer: structlog.typing.Processor) -> None:
        self._renderer = renderer

    def __call__(
        self,
        logger: structlog.typing.WrappedLogger,
        name: str,
        event: structlog.typing.EventDict,
    ) -> str:
        """Return the line."""
        return mask_text(str(self._renderer(logger, name, event)))
