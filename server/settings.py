"""Settings: from the environment (`HUBBUB_…`) and an optional `.env`, checked at start."""

import difflib
import importlib.util
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from accounts.password_rules import MIN_LENGTH
from notify.mail import BadSender, Sender
from notify.smtp import BadSmtpUrl, SmtpServer
from schema import manifest

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
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Web origins, separated by commas, whose pages may use the API from a "
        "browser, such as https://chat.example.org. The server's own is always allowed.",
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
    rate_limits: bool = Field(
        True, description="Whether anybody is kept from trying things too often."
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
        if not self.secret_key and not self.embedded:
            raise ValueError(
                "HUBBUB_SECRET_KEY is required with PostgreSQL: "
                f"at least {MIN_SECRET} random characters, the same on every node."
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


def load() -> Settings:
    """Return the settings, with a secret; raises `SettingsError` with a sentence for people."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from None
    if not settings.secret_key:
        settings.secret_key = _kept_secret(settings.data_dir)
    return settings


def misspelt(environment: Iterable[str]) -> list[str]:
    """Return a sentence for each name that looks like a setting and is none."""
    known = {f"HUBBUB_{name.upper()}" for name in Settings.model_fields}
    sentences = []
    for name in sorted(environment):
        # Kubernetes describes a service called hubbub to every container in such variables.
        if not name.startswith("HUBBUB_") or name in known or "_SERVICE_" in name or "_TCP" in name:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        sentences.append(f"{name} is not a setting{hint}")
    return sentences


def _sentence(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = f"HUBBUB_{str(problem['loc'][0]).upper()}"
    return f"{name} is wrong: {message[0].lower()}{message[1:]}."


def _kept_secret(data_dir: Path) -> str:
    """Return the data directory's secret, made on first use and readable by its owner only."""
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = path.read_text().strip()
        else:
            secret = secrets.token_urlsafe(48)
            with os.fdopen(descriptor, "w") as file:
                file.write(secret + "\n")
    except OSError as error:
        raise SettingsError(
            f"HUBBUB_DATA_DIR is wrong: cannot keep a secret in {data_dir}: {error.strerror}."
        ) from None
    if len(secret) < MIN_SECRET:
        raise SettingsError(f"{path} is damaged: delete it to make a new one (all log in again).")
    return secret
