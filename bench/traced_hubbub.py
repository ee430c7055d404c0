"""`hubbub` with tracemalloc: at SIGUSR2 it collects garbage and writes down what is left."""

import gc
import os
import signal
import tracemalloc
from pathlib import Path

from server.cli import main


def run() -> None:
    """Run the command line; `BENCH_SNAPSHOT` names the file that is written."""
    tracemalloc.start()
    signal.signal(signal.SIGUSR2, lambda *_: _write_down())
    main()


def _write_down() -> None:
    gc.collect()
    target = Path(os.environ["BENCH_SNAPSHOT"])
    unfinished = target.with_suffix(".unfinished")
    tracemalloc.take_snapshot().dump(str(unfinished))
    unfinished.rename(target)  # so that whoever waits for it finds it whole
