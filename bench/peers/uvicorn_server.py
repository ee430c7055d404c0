"""Serve a peer exactly as `server/run.py` serves Hubbub."""

import gc
import signal
import sys

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp) -> None:
    """Serve on 127.0.0.1, on the port that the command line names, until a signal."""
    # Whoever weighs idle sockets asks for it first, so that no garbage is weighed with them.
    signal.signal(signal.SIGUSR2, lambda *_: gc.collect())
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
