"""Structured logs, for people or for collectors; each line with its node and its request."""

import logging
import sys
import warnings
from typing import Literal

import structlog

from server.masking import Masked, mask_names


def configure(format_: Literal["auto", "console", "json"], level: str, node_id: str) -> None:
    """Send our own and the libraries' logs to standard error in one format, under a node's name."""

    def name_node(
        _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["node"] = node_id
        return event

    console = sys.stderr.isatty() if format_ == "auto" else format_ == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        mask_names,
        name_node,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows local variables: passwords, tokens, what people wrote.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    renderers: list[structlog.typing.Processor] = [Masked(renderer)]
    if not console:
        renderers.insert(0, structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # A client that hangs up while an operation's first fields are about to begin has them
    # cancelled, and Python warns that nobody has run them. The fuzzer found it.
    warnings.filterwarnings("ignore", message="coroutine .*_async_resolver' was never awaited")
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # They say at `info` what our own lines say better.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "asyncio", "aiosqlite"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    # A lost broker is a line every 100 ms to it; `bus_lost` says that better, too.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
