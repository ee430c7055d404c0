"""Assembly: everything is constructed here, once, and handed down."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from accounts.csrf import CsrfTokens
from accounts.keys import KeyMaker
from accounts.links import SignedLinks
from accounts.passkeys import Passkeys, Site
from accounts.password_rules import PasswordRules
from accounts.passwords import Passwords
from accounts.recovery_codes import RecoveryCodes
from accounts.sealing import Sealer
from accounts.tokens import AccessTokens, RefreshTokens, derive_key
from models.database import Database
from models.terms import Terms
from notify.letters import Letters
from notify.mail import Sender
from notify.outbox import Outbox
from notify.smtp import Smtp, SmtpServer
from outbound.addresses import Addresses
from outbound.web import Web
from realtime.cursor import Cursors
from realtime.endpoint import Endpoint
from realtime.node import Node
from resolvers import retention
from resolvers.going_out import GoingOut
from resolvers.inboxes import Inboxes
from resolvers.rates import rates
from resolvers.sending import sending
from resolvers.services import AccountRules, ChatRules, Credentials, Post, Services
from resolvers.signing_keys import SigningKeys
from schema import manifest
from schema.engine import Engine
from server import migrations, pages
from server.addresses import Addresses as Proxies
from server.authentication import SessionAuthenticator
from server.cookies import CSRF_HEADER, MODE_HEADER, Cookies, NotFromHere
from server.export_files import ExportFiles
from server.external_tokens import ExternalTokens, open_external
from server.graphql_http import PREFLIGHTED, GraphQLOverHttp
from server.health import Health
from server.hooks import Hooks
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
        signing_keys = SigningKeys(db, KeyMaker(derive_key(settings.secret_key, "access token")))
        await signing_keys.load()
        terms = Terms(settings.search_languages)
        yield Services(
            db=db,
            terms=terms,
            retention=timedelta(days=settings.retention_days) if settings.retention_days else None,
            node=node,
            sending=await stack.enter_async_context(
                sending(db, terms, node.announce_log, node.announce_receipts)
            ),
            credentials=Credentials(
                passwords=passwords,
                signing_keys=signing_keys,
                access_tokens=AccessTokens(signing_keys.ring),
                password_rules=PasswordRules(settings.password_length, settings.service_name),
                refresh_tokens=RefreshTokens(settings.secret_key),
                cursors=Cursors(derive_key(settings.secret_key, "cursor")),
                content_key=derive_key(settings.secret_key, "message content"),
                totp_secrets=Sealer(derive_key(settings.secret_key, "totp secrets")),
                recovery_codes=RecoveryCodes(derive_key(settings.secret_key, "recovery codes")),
                passkeys=Passkeys(_site(settings)),
                export_links=SignedLinks(derive_key(settings.secret_key, "export link")),
            ),
            rates=await stack.enter_async_context(
                rates(settings.rate_limit_url or settings.bus_url, enabled=settings.rate_limits)
            ),
            sign_up=settings.sign_up,
            post=_post(settings),
            inboxes=Inboxes(db, node.tailer),
            outbound=_going_out(settings),
            rules=AccountRules(
                passwords=settings.passwords,
                issuer=settings.oidc_issuer or None,
                deletion_wait=timedelta(days=settings.deletion_days),
            ),
            chat_rules=ChatRules(
                max_group_members=settings.group_members,
                max_channel_members=settings.channel_members,
            ),
        )


def _going_out(settings: Settings) -> GoingOut:
    return GoingOut(
        web=Web(
            Addresses(settings.outbound_allow),
            # As crawlers say who they are, so that a site may tell them what it wants.
            user_agent=f"Hubbub (+{settings.public_url})",
            ports=settings.outbound_ports,
        ),
        link_previews=settings.link_previews,
        webhook_sealer=Sealer(derive_key(settings.secret_key, "webhooks")),
        public_url=settings.public_url,
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
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        await retention.apply(services)
        signing_keys = services.credentials.signing_keys
        signing_keys.revoked_listeners.append(services.node.sockets.close_signed_in)
        await stack.enter_async_context(services.node.running())
        await stack.enter_async_context(signing_keys.running())
        external = None
        if settings.oidc_issuer:
            external = await stack.enter_async_context(open_external(services, settings))
        yield Program(_application(settings, services, external), services)


def _site(settings: Settings) -> Site:
    """Return whom passkeys are for: WebAuthn §5.1.2 lets pages of the domain and below ask."""
    own = urlsplit(settings.public_url)
    domain = settings.passkey_domain or own.hostname or ""
    origins = [f"{own.scheme}://{own.netloc}", *settings.allowed_origins]
    return Site(domain, "Hubbub", tuple(dict.fromkeys(origins)))


def _application(
    settings: Settings, services: Services, external: ExternalTokens | None
) -> ASGIApp:
    node = services.node
    metrics = Metrics(node, services.outbound.results)
    listed = manifest.read(path) if (path := settings.persisted_operations) else None
    engine = Engine(services, metrics.observe, introspection=settings.introspection, listed=listed)
    authenticator = SessionAuthenticator(services, external)
    node.revoked_listeners.append(authenticator.forget)
    cookies = None
    if settings.cookie_sessions:
        csrf = CsrfTokens(derive_key(settings.secret_key, "csrf"))
        refresh_tokens = services.credentials.refresh_tokens
        cookies = Cookies(csrf, refresh_tokens, authenticator, settings.allowed_origins)
    http = GraphQLOverHttp(engine, authenticator, node.sockets, settings.allowed_origins, cookies)
    health = Health(services.db, node)
    requests = Starlette(
        routes=[
            Route("/graphql", http.answer, methods=["GET", "POST"]),
            Route("/exports/{name}", ExportFiles(services).answer, methods=["GET"]),
            Route("/hooks/{token}", Hooks(services).answer, methods=["POST"]),
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
            Route("/metrics", metrics.page),
            *pages.routes(),
        ],
        middleware=[Middleware(RequestLog, metrics=metrics), *_cors(settings)],
    )
    # Starlette would redirect to whatever host the request names.
    requests.router.redirect_slashes = False
    endpoint = Endpoint(engine, authenticator, node.sockets, node.cork)
    addresses = Proxies(settings.trusted_proxies)
    return _Entrance(requests, endpoint, addresses, settings.allowed_origins, cookies)


def _cors(settings: Settings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    for_cookies = [MODE_HEADER, CSRF_HEADER] if settings.cookie_sessions else []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_credentials=settings.cookie_sessions,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "authorization",
                "content-type",
                "last-event-id",
                "x-request-id",
                *PREFLIGHTED,
                *for_cookies,
            ],
            expose_headers=["retry-after", "x-request-id", *for_cookies[1:]],
            max_age=86400,
        )
    ]


class _Entrance:
    """What comes first: it leaves requests to Starlette, and sockets to their endpoint.

    Every layer around a socket takes memory for as long as it is open, so there is none.
    """

    def __init__(
        self,
        requests: ASGIApp,
        endpoint: Endpoint,
        addresses: Proxies,
        allowed_origins: list[str],
        cookies: Cookies | None,
    ) -> None:
        self._cookies = cookies
        self._requests = requests
        self._endpoint = endpoint
        self._addresses = addresses
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket."""
        self._addresses.resolve(scope)
        if scope["type"] != "websocket":
            await self._requests(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if scope["path"] != "/graphql" or not origin_allowed(headers, self._allowed_origins):
                raise NotFromHere
            authorization = self._cookies.authorization(headers) if self._cookies else None
        except NotFromHere:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accepting: HTTP 403
            return
        name_request(headers)
        del headers
        await self._endpoint.serve(scope, receive, send, authorization)
