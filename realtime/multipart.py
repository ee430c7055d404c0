"""Results as parts of one body: Apollo's multipart protocol for subscriptions.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol; the
bytes are RFC 2046 §5.1.1. A reader knows that a part is over when the next delimiter has come, so
each part brings along the delimiter behind it and none is held back until the next one.
"""

import orjson

MEDIA_TYPE = "multipart/mixed"
VERSION = "1.0"  # of `subscriptionSpec`, the only one
BOUNDARY = "graphql"  # as the protocol has it; JSON holds no line breaks, so never a delimiter
CONTENT_TYPE = f'{MEDIA_TYPE};boundary="{BOUNDARY}";subscriptionSpec={VERSION}'

_DELIMITER = f"\r\n--{BOUNDARY}".encode()


def _part(body: bytes) -> bytes:
    return b"\r\ncontent-type: application/json\r\n\r\n" + body + _DELIMITER


HEARTBEAT = _part(b"{}")
OPENING = _DELIMITER + HEARTBEAT
COMPLETE = b"--\r\n"


def result(payload: bytes, cursor: str | None = None) -> bytes:
    """Return one result, a JSON text."""
    return _part(b'{"payload":' + payload + b"}")


def cut_off(code: str, reason: str) -> bytes:
    """Return the last part to a client that is to come back, and the end.

    The protocol calls it a transport error, and ends with it.
    """
    error = {"message": reason, "extensions": {"code": code}}
    return _part(orjson.dumps({"payload": None, "errors": [error]})) + COMPLETE
