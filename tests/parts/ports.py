"""Ports that nobody listens on."""

from __future__ import annotations

import os
import random
import socket

# Linux hands out 32768 and above to outgoing connections: a port found free up there may be taken
# a moment later. Each worker of pytest-xdist keeps to its own stretch, so they never meet.
LOWEST, HIGHEST, STRETCH = 10_000, 32_767, 2_000

# What browsers and Node's fetch do not speak HTTP to (Fetch Standard §2.9); others are below.
REFUSED = {10_080}

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_first = LOWEST + _worker * STRETCH % (HIGHEST - LOWEST - STRETCH)
_random = random.Random(os.getpid())
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that is free now and was not given out before."""
    for _ in range(1_000):
        port = _random.randrange(_first, _first + STRETCH)
        if port not in _given and port not in REFUSED and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_first} and {_first + STRETCH}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a past test that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
