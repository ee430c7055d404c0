"""The limit under uvicorn: one WebSocket frame made per message, written to every transport.

Like `bare` for the rest. Started as `python -m bench.peers.preframed PORT`.
"""

from collections.abc import Iterable

from starlette.types import Send

from bench import frames
from bench.peers.bare import broadcast
from bench.peers.uvicorn_server import serve


async def by_write(text: str, subscribers: Iterable[Send]) -> None:
    """Write a frame, header included, past ASGI and the WebSocket protocol."""
    frame = frames.from_server(text.encode())
    for send in subscribers:
        send.__self__.transport.write(frame)  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve(broadcast(by_write))
