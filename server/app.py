"""Assembly: everything is constructed here, once, and handed down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from limits.aio.storage import MemoryStorage
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from accounts.password_rules import PasswordRules
from accounts.passwords import Passwords
from accounts.sealing import Sealer
from accounts.tokens import AccessTokens, RefreshTokens, derive_key
from models.database import Database
from notify.letters import Letters
from notify.mail import Sender
from notify.outbox import Outbox
from notify.smtp import Smtp, SmtpServer
from realtime.cursor import Cursors
from realtime.endpoint import Endpoint
from realtime.node import Node
from resolvers.rates import Rates
from resolvers.sending import sending
from resolvers.services import Credentials, Post, Services
from schema import manifest
from schema.engine import Engine
from server import migrations, pages
from server.authentication import SessionAuthenticator
from server.graphql_http import PREFLIGHTED, GraphQLOverHttp
from server.health import Health
from server.metrics import Metrics
from server.middleware import RequestLog, name_request, origin_allowed
from server.settings import Settings


class NotMigrated(Exception):
    """The database is not at the revision that this program needs."""


@dataclass(frozen=True, slots=True)
class Program:
    """The parts of one running server that its owner may need to reach."""

    app: ASGIApp
    services: Services


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Yield services on the settings' database, migrated; for the server, commands and tests.

    A SQLite file is brought up to date on the way. PostgreSQL is not: several nodes share it, and
    when it changes is their owner's decision. Raises `NotMigrated`.
    """
    db = Database(settings.database_url)
    passwords = Passwords(memory_kib=settings.password_memory_kib)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        stack.callback(passwords.close)
        if db.dialect == "sqlite":
            await migrations.migrate(db)
        elif await migrations.current(db) != migrations.newest():
            raise NotMigrated(
                "The database is not up to date: run `hubbub migrate` with the same settings."
            )
        node = Node(db, settings.bus_url, settings.node_id)
        stack.push_async_callback(node.close)
        yield Services(
            db=db,
            node=node,
            sending=await stack.enter_async_context(
                sending(db, node.announce_log, node.announce_receipts)
            ),
            credentials=Credentials(
                passwords=passwords,
                password_rules=PasswordRules(settings.password_length, settings.service_name),
                access_tokens=AccessTokens(settings.secret_key),
                refresh_tokens=RefreshTokens(settings.secret_key),
                cursors=Cursors(derive_key(settings.secret_key, "cursor")),
                content_key=derive_key(settings.secret_key, "message content"),
            ),
            rates=Rates(MemoryStorage(), enabled=settings.rate_limits),
            post=_post(settings),
        )


def _post(settings: Settings) -> Post:
    return Post(
        letters=Letters(settings.service_name, settings.client_url or None),
        sender=Sender.read(settings.mail_from)
        if settings.mail_from
        else Sender(settings.service_name, "hubbub@localhost"),
        sealer=Sealer(derive_key(settings.secret_key, "mail")),
        transport=Smtp(SmtpServer.read(settings.smtp_url))
        if settings.smtp_url
        else Outbox(settings.data_dir / "outbox"),
    )


@asynccontextmanager
async def open_program(settings: Settings) -> AsyncIterator[Program]:
    """Yield the ASGI application with its real-time side running."""
    async with open_services(settings) as services, services.node.running():
        yield Program(_application(settings, services), services)


def _application(settings: Settings, services: Services) -> ASGIApp:
    node = services.node
    metrics = Metrics(node)
    listed = manifest.read(path) if (path := settings.persisted_operations) else None
    engine = Engine(services, metrics.observe, introspection=settings.introspection, listed=listed)
    authenticator = SessionAuthenticator(services.db, services.credentials.access_tokens)
    node.revoked_listeners.append(authenticator.forget)
    http = GraphQLOverHttp(engine, authenticator, node.sockets, settings.allowed_origins)
    health = Health(services.db, node)
    requests = Starlette(
        routes=[
            Route("/graphql", http.answer, methods=["GET", "POST"]),
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
            Route("/metrics", metrics.page),
            *pages.routes(),
        ],
        middleware=[Middleware(RequestLog, metrics=metrics), *_cors(settings.allowed_origins)],
    )
    endpoint = Endpoint(engine, authenticator, node.sockets, node.cork)
    return _Entrance(requests, endpoint, settings.allowed_origins)


def _cors(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "authorization",
                "content-type",
                "last-event-id",
                "x-request-id",
                *PREFLIGHTED,
            ],
            expose_headers=["x-request-id"],
            max_age=86400,
        )
    ]


class _Entrance:
    """What comes first: it leaves requests to Starlette, and sockets to their endpoint.

    Every layer around a socket takes memory for as long as it is open, so there is none.
    """

    def __init__(self, requests: ASGIApp, endpoint: Endpoint, allowed_origins: list[str]) -> None:
        self._requests = requests
        self._endpoint = endpoint
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket."""
        if scope["type"] != "websocket":
            await self._requests(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] != "/graphql" or not origin_allowed(headers, self._allowed_origins):
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accepting: HTTP 403
            return
        name_request(headers)
        del headers
        await self._endpoint.serve(scope, receive, send)
