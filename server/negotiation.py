"""Content negotiation: how a client wants its answer, by its `accept` (RFC 9110 §12.5.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

from realtime import event_stream, multipart
from server.streaming import Framing

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes: `plain` for one answer, `framing` for a stream of results."""

    plain: str | None = JSON
    framing: Framing | None = None
    # Also one answer is to be sent so: nothing else is accepted, or not as gladly.
    streams_all: bool = False


@dataclass(frozen=True, slots=True)
class _Range:
    media_type: str
    parameters: dict[str, str]
    quality: float


def negotiated(accept: str | None) -> Accepted:
    """Return what an `accept` header leaves; both are None where it leaves nothing of ours.

    A stream has to be asked for by name: who takes just anything waits for the end of the answer.
    For the same reason a `multipart/mixed` that is meant for `@defer` is none of ours; Apollo
    Client sends that one with every query.
    """
    if accept is None:
        return Accepted()
    plain = framing = None
    plain_quality = framing_quality = 0.0
    for each in _ranges(accept):
        if (media_type := _plain(each)) is not None:
            better = each.quality > plain_quality
            if better or (each.quality == plain_quality and media_type == GRAPHQL):
                plain, plain_quality = media_type, each.quality
        elif (found := _framing(each)) is not None and each.quality > framing_quality:
            framing, framing_quality = found, each.quality
    return Accepted(
        plain, framing, streams_all=framing is not None and framing_quality > plain_quality
    )


def _plain(accepted: _Range) -> str | None:
    if accepted.media_type == GRAPHQL:
        return GRAPHQL
    return JSON if accepted.media_type in (JSON, "application/*", "*/*") else None


def _framing(accepted: _Range) -> Framing | None:
    if accepted.media_type == event_stream.MEDIA_TYPE:
        return event_stream
    of_apollo = accepted.parameters.get("subscriptionspec") == multipart.VERSION
    return multipart if accepted.media_type == multipart.MEDIA_TYPE and of_apollo else None


def _ranges(accept: str) -> Iterator[_Range]:
    """Yield the media ranges of a header, without those that are declined."""
    for part in accept.split(","):
        media_type, *rest = (piece.strip() for piece in part.split(";"))
        pairs = (piece.partition("=") for piece in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        quality = _quality(parameters.pop("q", "1"))
        if quality > 0:
            yield _Range(media_type.lower(), parameters, quality)


def _quality(text: str) -> float:
    try:
        return min(float(text), 1.0)
    except ValueError:
        return 1.0
