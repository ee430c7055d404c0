"""Settings: from the environment (`HUBBUB_…`) and an optional `.env`, checked at start."""

import importlib.util
import re
import secrets
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from accounts.issuer_keys import trustworthy
from accounts.password_rules import MIN_LENGTH
from models.sign_up import SignUpPolicy
from models.terms import DEFAULT_LANGUAGES, LANGUAGES, SIMPLE
from notify.mail import BadSender, Sender
from notify.smtp import BadSmtpUrl, SmtpServer
from schema import manifest
from server.addresses import Network

MIN_SECRET = 32  # characters
# Safe in a log line, a metric's label and a key; as long as a host's name may be (RFC 1035 §2.3.4).
NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class SettingsError(Exception):
    """A setting is wrong; the message says which, and what to set."""


class Settings(BaseSettings):
    """Everything that can be set. What is left out makes an embedded server on this machine."""

    model_config = SettingsConfigDict(
        env_prefix="HUBBUB_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    data_dir: Path = Field(
        Path("data"), description="Where the embedded database, files and secret are kept."
    )
    database_url: str = Field(
        "", description="sqlite:///path or postgresql://…; a file in the data directory if unset."
    )
    bus_url: str = Field(
        "memory://",
        description="memory:// for one node; redis://…, postgresql://… or kafka://… for several.",
    )
    node_id: str = Field(
        "",
        description="What this node is called in logs, metrics and the connection registry; no two "
        "that run may share a name. Made up at each start if unset.",
    )
    storage_url: str = Field(
        "",
        description="Where files will go: a folder as file://… or a bucket as s3://…; the data "
        "directory if unset. Nothing is stored there yet.",
    )
    secret_key: str = Field(
        "",
        description=f"At least {MIN_SECRET} random characters, the same on every node. Made and "
        "kept in the data directory with SQLite, required with PostgreSQL.",
    )
    public_url: str = Field(
        "",
        description="Where browsers reach the server, such as https://chat.example.org; passkeys "
        "are bound to it. http://localhost and the port if unset.",
    )
    passkey_domain: str = Field(
        "",
        description="The domain that passkeys are for, if it is not that of the public URL: one "
        "above it, such as example.org, so that pages on other hosts of it may use them too. "
        "Passkeys are good for the domain they were made for, and lost when it changes.",
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Web origins, separated by commas, whose pages may use the API from a "
        "browser, such as https://chat.example.org. The server's own is always allowed.",
    )
    cookie_sessions: bool = Field(
        False,
        description="Whether pages may have their sessions kept in cookies, see docs/PROTOCOL.md.",
    )
    introspection: bool = Field(
        True, description="Whether clients may ask for the schema; without it, no suggestions too."
    )
    persisted_operations: Path | None = Field(
        None,
        description="A JSON file of persisted operations, as the build tools of Apollo and Relay "
        "write it; if set, nothing else runs.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console for people, json for collectors; auto looks at the terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much to log."
    )
    log_days: int = Field(
        30, ge=1, description="For how many days a subscription can be resumed from a cursor."
    )
    log_events: int = Field(
        10_000_000, ge=1000, description="How many events are kept to resume from, at most."
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="For how many days what is said is kept; for good if unset.",
    )
    search_languages: Annotated[list[str], NoDecode] = Field(
        default_factory=lambda: [*DEFAULT_LANGUAGES],
        description="Languages, separated by commas, whose words are found in any of their forms; "
        "simple finds them as they are. After a change run hubbub search reindex.",
    )
    sign_up: SignUpPolicy = Field(
        SignUpPolicy.OPEN,
        description="Who may register, unless an administrator decides otherwise: open, "
        "invitation or closed.",
    )
    group_members: int = Field(
        10_000, ge=2, le=1_000_000, description="How many members a group has at most."
    )
    channel_members: int = Field(
        200_000, ge=2, le=1_000_000, description="How many members a channel has at most."
    )
    rate_limits: bool = Field(
        True, description="Whether anybody is kept from trying things too often."
    )
    passwords: bool = Field(
        True,
        description="Whether people may register and log in with a password; without, another "
        "issuer vouches for them.",
    )
    oidc_issuer: str = Field(
        "", description="The issuer whose tokens are accepted beside our own: its https address."
    )
    oidc_audience: str = Field(
        "", description="Whom the issuer's tokens must be for; mostly the client's id there."
    )
    oidc_jwks_url: str = Field(
        "", description="Where the issuer's keys are; asked of its discovery document if unset."
    )
    oidc_handle_claim: str = Field(
        "preferred_username", description="The claim that a new person's handle is made of."
    )
    oidc_roles_claim: str = Field(
        "roles", description="The claim that lists roles, such as realm_access.roles."
    )
    oidc_admin_role: str = Field(
        "", description="The role that makes an administrator; if unset, none does."
    )
    deletion_days: int = Field(
        14,
        ge=0,
        le=365,
        description="How many days after the request an account is deleted.",
    )
    rate_limit_url: str = Field(
        "",
        description="redis://… where nodes count together how often things are tried; the bus if "
        "that is Redis and this is unset, else each node counts for itself.",
    )
    link_previews: bool = Field(
        True,
        description="Whether the server looks at the pages that messages link to, and shows what "
        "they are called.",
    )
    outbound_allow: Annotated[list[Network], NoDecode] = Field(
        default_factory=list,
        description="Addresses and networks, separated by commas, that link previews and webhooks "
        "may reach although they are not public, such as 10.1.2.0/24; and without TLS.",
    )
    outbound_ports: Annotated[list[int], NoDecode] = Field(
        default_factory=list,
        description="Ports, separated by commas, that they may name besides 80 and 443.",
    )
    trusted_proxies: Annotated[list[Network], NoDecode] = Field(
        default_factory=lambda: [ip_network("127.0.0.0/8"), ip_network("::1")],
        description="Addresses and networks, separated by commas, of the proxies that tell whom a "
        "connection is from.",
    )
    password_memory_kib: int = Field(
        65536,
        ge=8192,
        le=4194304,
        description="Memory that argon2id takes per password, in KiB.",
    )

    password_length: int = Field(
        MIN_LENGTH,
        ge=MIN_LENGTH,
        le=64,
        description="How many characters a password has at least.",
    )
    service_name: str = Field(
        "Hubbub", min_length=1, max_length=64, description="What mails call this server."
    )
    client_url: str = Field(
        "",
        description="Where people use the chat: links in mails lead there, such as "
        "https://chat.example.org. Without it mails have codes to paste.",
    )
    smtp_url: str = Field(
        "",
        repr=False,
        description="The server that takes our mail: smtp://user:password@host:587 or smtps://…; "
        "without it mail is written to outbox/ in the data directory.",
    )
    mail_from: str = Field(
        "",
        description="Whom mail comes from: Chat <chat@example.org>. Required with HUBBUB_SMTP_URL.",
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("use sqlite:///path/to/file.db or postgresql://user@host/name")
        return value

    @field_validator("bus_url")
    @classmethod
    def _known_bus(cls, value: str) -> str:
        known = ("memory", "redis", "rediss", "postgresql", "kafka")
        if urlsplit(value).scheme not in known:
            raise ValueError("use memory://, redis://host, postgresql://host/name or kafka://host")
        if value.startswith("kafka") and importlib.util.find_spec("aiokafka") is None:
            raise ValueError("Kafka needs an extra package: `pip install 'hubbub[kafka]'`")
        return value

    @field_validator("rate_limit_url")
    @classmethod
    def _known_counts(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("redis", "rediss", "memory"):
            raise ValueError("use redis://host, rediss://host, or memory:// for each node alone")
        return value

    @field_validator("outbound_ports", mode="before")
    @classmethod
    def _ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ports = [each.strip() for each in value.split(",") if each.strip()]
        if not all(port.isdecimal() and 1 <= int(port) <= 65535 for port in ports):
            raise ValueError("write numbers of ports, 8443")
        return [int(port) for port in ports]

    @field_validator("trusted_proxies", "outbound_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return [ip_network(each.strip()) for each in value.split(",") if each.strip()]
        except ValueError as error:
            raise ValueError(f"{error}; write addresses or networks, 10.0.0.0/8") from None

    @field_validator("node_id")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if value and not NODE_ID.fullmatch(value):
            raise ValueError(
                "use at most 63 letters, digits, dots, hyphens and underscores, "
                "a letter or digit first"
            )
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("file", "s3"):
            raise ValueError("use file:// and a path, or s3:// and a bucket")
        return value

    @field_validator("search_languages", mode="before")
    @classmethod
    def _languages(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = [each.strip().lower() for each in value.split(",") if each.strip()]
        for language in named:
            if language not in LANGUAGES:
                raise ValueError(f"{language!r} is not one of {', '.join(sorted(LANGUAGES))}")
        return named or [SIMPLE]

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = [origin.strip().rstrip("/") for origin in value.split(",") if origin.strip()]
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
                raise ValueError(f"{origin!r} is not an origin: write https://chat.example.org")
        return origins

    @field_validator("public_url")
    @classmethod
    def _whole_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or value != f"{parts.scheme}://{parts.netloc}"
            or "@" in parts.netloc
        ):
            raise ValueError("write an address without a path, such as https://chat.example.org")
        return value.lower()

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _trustworthy_issuer(cls, value: str) -> str:
        if value and not trustworthy(value):
            raise ValueError("write an address that begins with https://, without user or fragment")
        return value

    @field_validator("persisted_operations", mode="before")
    @classmethod
    def _readable_manifest(cls, value: str | Path | None) -> Path | None:
        if value is None or value == "":
            return None
        try:
            manifest.read(Path(value))
        except manifest.ManifestError as error:
            raise ValueError(
                f"{error}; name a file that Apollo's generate-persisted-query-manifest or "
                "relay-compiler has written, or leave it out to let every operation run"
            ) from None
        return Path(value)

    @field_validator("service_name")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable() or not value.strip():
            raise ValueError("use letters on one line")
        return value.strip()

    @field_validator("client_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.query
            or parts.fragment
        ):
            raise ValueError("write the client's address: https://chat.example.org")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _known_mail_server(cls, value: str) -> str:
        if value:
            try:
                SmtpServer.read(value)
            except BadSmtpUrl as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("mail_from")
    @classmethod
    def _known_sender(cls, value: str) -> str:
        if value:
            try:
                Sender.read(value)
            except BadSender as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_secret(cls, value: str) -> str:
        if value and len(value) < MIN_SECRET:
            raise ValueError(
                f"use at least {MIN_SECRET} characters; "
                "`python3 -c 'import secrets; print(secrets.token_urlsafe(48))'` makes one"
            )
        return value

    @model_validator(mode="after")
    def _fill_in(self) -> "Settings":
        if not self.database_url:
            self.database_url = f"sqlite:///{self.data_dir.absolute() / 'hubbub.db'}"
        if not self.node_id:
            self.node_id = f"node-{secrets.token_hex(4)}"
        if not self.public_url:
            # WebAuthn knows localhost, and no addresses in numbers.
            self.public_url = f"http://localhost:{self.port}"
        host = urlsplit(self.public_url).hostname or ""
        if self.passkey_domain and not f".{host}".endswith(f".{self.passkey_domain}"):
            raise ValueError(
                f"HUBBUB_PASSKEY_DOMAIN is wrong: {host}, of HUBBUB_PUBLIC_URL, is not within it."
            )
        if not self.secret_key and not self.embedded:
            raise ValueError(
                "HUBBUB_SECRET_KEY is required with PostgreSQL: "
                f"at least {MIN_SECRET} random characters, the same on every node."
            )
        if bool(self.oidc_issuer) != bool(self.oidc_audience):
            raise ValueError("HUBBUB_OIDC_ISSUER and HUBBUB_OIDC_AUDIENCE are set together.")
        if not self.passwords and not self.oidc_issuer:
            raise ValueError(
                "HUBBUB_PASSWORDS=off leaves no way in: set HUBBUB_OIDC_ISSUER, or leave it out."
            )
        if self.smtp_url and not self.mail_from:
            raise ValueError(
                "HUBBUB_MAIL_FROM is required with HUBBUB_SMTP_URL: whom mail comes from, such as "
                "Chat <chat@example.org>."
            )
        return self

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of this machine's."""
        return self.database_url.startswith("sqlite")
