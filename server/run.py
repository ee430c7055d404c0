"""Run the server until a signal ends it."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Iterator

import typer
import uvicorn
from starlette.types import ASGIApp

from realtime.tasks import end
from server import worker
from server.app import Program, open_program, open_services
from server.connections import HttpConnection, SocketConnection
from server.graphql_http import MAX_BODY
from server.settings import Settings

# How long open requests may take to end after a signal.
SHUTDOWN_TIMEOUT = 10  # seconds
# How long a connection stays open that nobody uses: longer than proxies keep theirs, of which nginx
# and others take a minute. Who sends on a connection that is being closed gets no answer, and a
# proxy does not repeat a mutation.
KEEP_ALIVE = 75  # seconds
# Objects made beyond those freed before the youngest are looked at, and how many such looks before
# older ones are: by default 700, 10 and 10.
GC_THRESHOLDS = (50_000, 20, 50)


class _Server(uvicorn.Server):
    """uvicorn's server, telling sockets to come back before it lets go of them."""

    def __init__(self, config: uvicorn.Config, program: Program) -> None:
        super().__init__(config)
        self._program = program

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End cleanly on a signal, at once on a second Ctrl-C.

        uvicorn's own version raises the signal again afterwards, which would kill the process
        before the database and the bus are closed.
        """
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close sockets with a code that makes clients reconnect, then end."""
        open_sockets = self._program.services.node.sockets
        open_sockets.going_down = True
        await open_sockets.close_all()
        await super().shutdown(sockets)


class AddressInUse(Exception):
    """Something else listens there already."""


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening socket, before anything else is started for nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise AddressInUse(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            "Stop what listens there, or set HUBBUB_HOST and HUBBUB_PORT."
        ) from None


def _print_welcome(address: str, port: int, settings: Settings) -> None:
    local = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - only compared with
    host = "localhost" if address in local else f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}"
    outbox = settings.data_dir / "outbox"
    mail = (
        "" if settings.smtp_url else f"  Mail       {outbox}/   (to send it, set HUBBUB_SMTP_URL)\n"
    )
    typer.echo(
        f"\n  Hubbub is ready.\n\n"
        f"  GraphiQL   {url}/graphiql/\n"
        f"  API        {url}/graphql   (the same address for WebSockets: ws://{host}:{port}/graphql)\n"
        f"{mail}"
        f"\n  Ctrl-C stops it.\n"
    )


def configuration(app: ASGIApp) -> uvicorn.Config:
    """Return how uvicorn serves the application."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        loop="none",  # it runs in the loop that is there
        http=HttpConnection,
        ws=SocketConnection,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,  # 13 µs a delivery, and 60 to 250 KB a socket
        ws_ping_interval=None,  # the protocol's own pings reach through every proxy
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # server/addresses.py reads them, and needs no layer around sockets
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )


async def serve(settings: Settings, *, with_worker: bool) -> None:
    """Serve the API, with the background worker if asked, until a signal.

    Raises `AddressInUse`, and `NotMigrated` as `open_services` does.
    """
    with _listening(settings.host, settings.port) as listener:
        await _serve_on(listener, settings, with_worker=with_worker)


def _leave_alone_what_stays() -> None:
    """Have the garbage collector look at what comes and goes, seldom, and at nothing else.

    A server that has just started holds 150,000 objects that never become garbage, and a full
    collection visits all of them, during which everybody waits: 47 ms, on the machine of
    bench/RESULTS.md. Sockets and subscriptions stay for hours as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _serve_on(listener: socket.socket, settings: Settings, *, with_worker: bool) -> None:
    async with open_program(settings) as program:
        config = configuration(program.app)
        _leave_alone_what_stays()
        background = (
            asyncio.create_task(worker.run(program.services, settings), name="worker")
            if with_worker
            else None
        )
        try:
            address, bound = listener.getsockname()[:2]
            _print_welcome(address, bound, settings)
            await _Server(config, program).serve(sockets=[listener])
        finally:
            if background is not None:
                await end([background])


async def work(settings: Settings) -> None:
    """Run the background worker alone until a signal."""
    async with open_services(settings) as services:
        task = asyncio.create_task(worker.run(services, settings), name="worker")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        typer.echo("The background worker runs. Ctrl-C stops it.")
        with contextlib.suppress(asyncio.CancelledError):
            await task
