"""Results as server-sent events: GraphQL over SSE, one operation on each connection.

The operation's side is `PROTOCOL.md` of the graphql-sse library, "distinct connections mode"; the
bytes are HTML Standard §9.2. Lines end with LF alone, though CRLF would be allowed: urql looks for
two LFs in a row.

A stream that ends without `complete` was broken off: clients come back by themselves and, if they
are browsers, say in `Last-Event-ID` what they have got.
"""

MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"

# A comment, and the end of an event that has nothing else: HTML Standard §9.2.7 recommends it.
HEARTBEAT = b":\n\n"
OPENING = HEARTBEAT
# A browser drops an event without any `data`; that of graphql-sse's clients may be empty.
COMPLETE = b"event: complete\ndata:\n\n"


def result(payload: bytes, cursor: str | None = None) -> bytes:
    """Return one result, a JSON text in one line, with the place to resume from after it."""
    id_ = f"id: {cursor}\n".encode() if cursor is not None else b""
    return b"event: next\n" + id_ + b"data: " + payload + b"\n\n"


def cut_off(code: str, reason: str) -> bytes:
    """Return the last words to a client that is to come back; they are for people."""
    return f": {code}: {reason}\n\n".encode()
