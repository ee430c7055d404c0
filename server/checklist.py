"""What stands between the present settings and people using them: `hubbub check`.

A check looks at one thing and says what it found. Those that only look at settings come first, then
those that reach out. What cannot be seen from here is said at the end.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from models import sign_up
from models.database import Database
from models.sign_up import SignUpPolicy
from resolvers.rates import reachable
from server import migrations
from server.environment import misspelt
from server.settings import MIN_SECRET, Settings

REACH_TIMEOUT = 5.0  # seconds
# OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB at the very least.
LEAST_PASSWORD_MEMORY = 19 * 1024  # KiB
# Of random characters, 48 have more than 20 different ones; a word that is repeated has not.
LEAST_VARIETY = 16
FROM_DOCS = "random-characters"


class Mark(Enum):
    """How it stands with one thing."""

    GOOD = "✔"
    LOOK = "▲"  # may be meant so
    BAD = "✘"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found, and what to do about it unless it is good."""

    mark: Mark
    subject: str
    found: str
    advice: str = ""


UNSEEN = [
    "That browsers and phones come by https alone, and are redirected from http.",
    "Backups of the database and of the secret, and that one was restored for a try.",
    "That /metrics, the database, and Redis are reached by your own machines only.",
    "That updates are installed: of the system, of Python's packages, of Hubbub.",
]


def _names(_: Settings) -> Iterator[Finding]:
    for sentence in misspelt(os.environ):
        yield Finding(Mark.BAD, "settings", sentence, "Correct or remove it.")


def _secret(settings: Settings) -> Iterator[Finding]:
    what, kept = "secret", settings.data_dir / "secret_key"
    another = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    secret = settings.secret_key
    if not secret and not kept.exists():
        yield Finding(Mark.GOOD, what, f"is made at the first start, in {kept}")
        return
    where = "in HUBBUB_SECRET_KEY" if secret else f"in {kept}"
    secret = secret or kept.read_text().strip()
    if FROM_DOCS in secret:
        yield Finding(Mark.BAD, what, f"the example of the documentation, {where}", another)
    elif len(secret) < MIN_SECRET or len(set(secret)) < LEAST_VARIETY:
        yield Finding(Mark.BAD, what, f"easy to guess, {where}", another)
    elif where.endswith(str(kept)) and kept.stat().st_mode & 0o077:
        yield Finding(Mark.BAD, what, f"{kept} can be read by others", f"chmod 600 {kept}")
    else:
        yield Finding(Mark.GOOD, what, f"{len(secret)} characters, {where}")


def _listening(settings: Settings) -> Iterator[Finding]:
    what, place = "listening", f"{settings.host} port {settings.port}"
    if _of_this_machine(settings.host):
        yield Finding(Mark.GOOD, what, f"{place}: a proxy on this machine lets others in")
    else:
        yield Finding(
            Mark.LOOK,
            what,
            f"{place}, in plain HTTP",
            "Let nobody but your proxy reach it: by a firewall, or by listening on a network of "
            "its own.",
        )


def _public(settings: Settings) -> Iterator[Finding]:
    what, url = "address", settings.public_url
    local = _of_this_machine(urlsplit(url).hostname or "")
    if not local and not url.startswith("https://"):
        yield Finding(
            Mark.BAD,
            what,
            f"{url} has no TLS: passwords and tokens can be read on the way",
            "Put a proxy with a certificate in front, and write https:// in HUBBUB_PUBLIC_URL.",
        )
    elif local and _deployed(settings):
        yield Finding(
            Mark.LOOK,
            what,
            f"{url}: passkeys are for this machine alone",
            "Set HUBBUB_PUBLIC_URL to where browsers reach the server, by https.",
        )
    else:
        yield Finding(Mark.GOOD, what, url)


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.smtp_url:
        yield Finding(Mark.GOOD, "mail", f"by SMTP, from {settings.mail_from}")
    elif _deployed(settings):
        yield Finding(
            Mark.LOOK,
            "mail",
            f"kept in {settings.data_dir / 'outbox'}: nobody can reset a password",
            "Set HUBBUB_SMTP_URL and HUBBUB_MAIL_FROM.",
        )
    else:
        yield Finding(Mark.GOOD, "mail", f"kept in {settings.data_dir / 'outbox'}")


def _proxies(settings: Settings) -> Iterator[Finding]:
    what, trusted = "proxies", settings.trusted_proxies
    named = ", ".join(map(str, trusted)) or "none"
    if any(network.prefixlen == 0 for network in trusted):
        yield Finding(
            Mark.BAD,
            what,
            "anybody may claim any address",
            "Name your proxies alone in HUBBUB_TRUSTED_PROXIES.",
        )
    elif _of_this_machine(settings.host) or not all(each.is_loopback for each in trusted):
        yield Finding(Mark.GOOD, what, f"believed: {named}")
    else:
        yield Finding(
            Mark.LOOK,
            what,
            f"believed: {named}",
            "If a proxy on another machine is in front, name it in HUBBUB_TRUSTED_PROXIES: else "
            "everybody has its address, and shares one limit.",
        )


def _origins(settings: Settings) -> Iterator[Finding]:
    what, origins = "origins", settings.allowed_origins
    plain = [origin for origin in origins if origin.startswith("http://")]
    abroad = [each for each in plain if not _of_this_machine(urlsplit(each).hostname or "")]
    if abroad:
        yield Finding(
            Mark.BAD,
            what,
            f"{', '.join(abroad)} without TLS: whoever is on the way may change the page",
            "Serve it by https, and name it so in HUBBUB_ALLOWED_ORIGINS.",
        )
    elif plain:
        yield Finding(
            Mark.LOOK,
            what,
            f"{', '.join(plain)}: pages of a developer's machine",
            "Take it out of HUBBUB_ALLOWED_ORIGINS where people use this server.",
        )
    else:
        yield Finding(Mark.GOOD, what, ", ".join(origins) or "the server's own pages only")


def _database(settings: Settings) -> Iterator[Finding]:
    what, url = "database", settings.database_url
    if settings.embedded:
        yield Finding(Mark.GOOD, what, "SQLite: one machine, one file")
    elif _unprotected(url) and "sslmode=" not in url:
        yield Finding(
            Mark.LOOK,
            what,
            f"PostgreSQL on {urlsplit(url).hostname}, without TLS",
            "End HUBBUB_DATABASE_URL with ?sslmode=require, unless the network is yours alone.",
        )
    else:
        yield Finding(Mark.GOOD, what, "PostgreSQL")


def _bus(settings: Settings) -> Iterator[Finding]:
    what, url = "bus", settings.bus_url
    kind = urlsplit(url).scheme
    if kind == "memory" and not settings.embedded:
        yield Finding(
            Mark.LOOK,
            what,
            "in memory: other nodes hear of a message after a second, and never of typing",
            "With more than one node, set HUBBUB_BUS_URL, to Redis for example.",
        )
    elif kind == "redis" and _unprotected(url):
        yield Finding(
            Mark.LOOK,
            what,
            f"Redis on {urlsplit(url).hostname}, without TLS",
            "Use rediss://, unless the network is yours alone.",
        )
    else:
        yield Finding(Mark.GOOD, what, {"memory": "in memory, for one node"}.get(kind, kind))


def _limits(settings: Settings) -> Iterator[Finding]:
    what, url = "rate limits", _counting_url(settings)
    if not settings.rate_limits:
        yield Finding(
            Mark.BAD,
            what,
            "off: passwords may be guessed as fast as the machine can",
            "Take HUBBUB_RATE_LIMITS out; only load tests need it.",
        )
    elif url.startswith("redis"):
        yield Finding(Mark.GOOD, what, "counted for all nodes together")
    elif settings.embedded:
        yield Finding(Mark.GOOD, what, "counted in memory")
    else:
        yield Finding(
            Mark.LOOK,
            what,
            "counted by each node for itself: who guesses gets as many tries as there are nodes",
            "With more than one node, set HUBBUB_RATE_LIMIT_URL to a Redis.",
        )


def _operations(settings: Settings) -> Iterator[Finding]:
    if settings.persisted_operations:
        yield Finding(Mark.GOOD, "operations", f"those in {settings.persisted_operations} only")
    else:
        yield Finding(Mark.GOOD, "operations", "any, within the limits of depth and cost")
    if settings.introspection and not _of_this_machine(settings.host):
        yield Finding(
            Mark.LOOK,
            "introspection",
            "everybody may read the schema, and use GraphiQL with it",
            "HUBBUB_INTROSPECTION=false hides it. It protects nothing: it only says less.",
        )


def _passwords(settings: Settings) -> Iterator[Finding]:
    what, memory = "passwords", settings.password_memory_kib
    if memory < LEAST_PASSWORD_MEMORY:
        yield Finding(
            Mark.BAD,
            what,
            f"hashed with {memory} KiB: a stolen table is guessed through quickly",
            "Take HUBBUB_PASSWORD_MEMORY_KIB out, or set 65536.",
        )
    else:
        yield Finding(Mark.GOOD, what, f"argon2id with {memory} KiB")


def _logs(settings: Settings) -> Iterator[Finding]:
    if settings.log_level == "debug":
        yield Finding(
            Mark.LOOK,
            "log",
            "debug: a line for every request",
            "HUBBUB_LOG_LEVEL=info says what matters.",
        )
    else:
        yield Finding(Mark.GOOD, "log", settings.log_level)


async def _reached_database(settings: Settings) -> Finding:
    what = "tables"
    if (missing := _missing_file(settings)) is not None:
        return Finding(Mark.GOOD, what, f"are made at the first start, in {missing}")
    db = Database(settings.database_url)
    try:
        async with asyncio.timeout(REACH_TIMEOUT):
            revision = await migrations.current(db)
    except (TimeoutError, OSError, sa.exc.SQLAlchemyError) as error:
        return Finding(
            Mark.BAD,
            what,
            f"the database is not reached: {type(error).__name__}",
            "Is HUBBUB_DATABASE_URL right, and is the database up?",
        )
    finally:
        await db.close()
    if revision == migrations.newest():
        return Finding(Mark.GOOD, what, f"up to date ({revision})")
    if settings.embedded:
        return Finding(Mark.GOOD, what, f"are brought up to date from {revision} at the next start")
    return Finding(Mark.BAD, what, f"at {revision or 'nothing'}, not up to date", "hubbub migrate")


async def _reached_sign_up(settings: Settings) -> Finding:
    policy = settings.sign_up
    if _missing_file(settings) is None:
        db = Database(settings.database_url)
        try:
            async with asyncio.timeout(REACH_TIMEOUT), db.reading() as connection:
                policy = await sign_up.policy(connection) or policy
        except (TimeoutError, OSError, sa.exc.SQLAlchemyError):
            pass  # another check says that it is not reached, or not up to date
        finally:
            await db.close()
    if policy is SignUpPolicy.OPEN and _deployed(settings):
        return Finding(
            Mark.LOOK,
            "sign-up",
            "open: anybody may register",
            "HUBBUB_SIGN_UP=invitation or closed, or an administrator, keeps strangers out.",
        )
    return Finding(Mark.GOOD, "sign-up", policy.value)


async def _reached_redis(settings: Settings) -> Finding | None:
    urls = {settings.bus_url, _counting_url(settings)}
    wanted = sorted(url for url in urls if url.startswith("redis"))
    for url in wanted:
        if not await reachable(url):
            return Finding(
                Mark.BAD,
                "Redis",
                f"{urlsplit(url).hostname} not reached",
                "Is HUBBUB_BUS_URL or HUBBUB_RATE_LIMIT_URL right, and is Redis up?",
            )
    return Finding(Mark.GOOD, "Redis", "reached") if wanted else None


Check = Callable[[Settings], Iterator[Finding]]

CHECKS: list[Check] = [
    _names,
    _secret,
    _listening,
    _public,
    _proxies,
    _origins,
    _database,
    _bus,
    _limits,
    _operations,
    _passwords,
    _mail,
    _logs,
]
REACHING: list[Callable[[Settings], Awaitable[Finding | None]]] = [
    _reached_database,
    _reached_sign_up,
    _reached_redis,
]


async def findings(settings: Settings) -> list[Finding]:
    """Return what every check finds with these settings, and with what they lead to."""
    found = [finding for check in CHECKS for finding in check(settings)]
    reached = await asyncio.gather(*(reach(settings) for reach in REACHING))
    return [*found, *(finding for finding in reached if finding is not None)]


def in_words(found: Sequence[Finding]) -> str:
    """Return how many things there are to do, and to look at."""
    bad = sum(finding.mark is Mark.BAD for finding in found)
    look = sum(finding.mark is Mark.LOOK for finding in found)
    if not bad and not look:
        return "Nothing to mend."
    parts = [f"{bad} to mend" if bad else "", f"{look} to look at" if look else ""]
    return ", ".join(part for part in parts if part) + "."


def _missing_file(settings: Settings) -> Path | None:
    """Return where the SQLite file will be, if it is not there yet."""
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    return path if settings.embedded and not path.exists() else None


def _counting_url(settings: Settings) -> str:
    return settings.rate_limit_url or settings.bus_url


def _deployed(settings: Settings) -> bool:
    """Whether others than who sits at this machine are to reach the server, as far as is seen."""
    named = urlsplit(settings.public_url).hostname or ""
    return not (_of_this_machine(settings.host) and _of_this_machine(named))


def _of_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unprotected(url: str) -> bool:
    """Whether a server is spoken to over a network that others may listen on."""
    return not _of_this_machine(urlsplit(url).hostname or "localhost")
