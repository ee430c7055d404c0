"""Matrix Synapse as a peer: installed by lock into an environment of its own, on PostgreSQL.

It gets what its documentation asks for and nothing is slowed down: no rate limits, no federation,
no presence, which Hubbub does not have either.
"""

import asyncio
import hashlib
import hmac
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson

from bench import processes
from bench.processes import CannotRun
from tests.parts.ports import free_port
from tests.parts.postgres import OWNER, Postgres
from tests.parts.process import Process

LOCK = processes.ROOT / "requirements" / "synapse.txt"
HOME = processes.ROOT / "build" / "synapse"  # git-ignored, and made anew when the lock changes
SHARED_SECRET = "no-secret-at-all"
PATIENCE = 90.0  # seconds; it makes a hundred tables first
AT_ONCE = 8  # requests while people and rooms are made

_UNLIMITED = {"per_second": 1_000_000, "burst_count": 1_000_000}


@dataclass(frozen=True, slots=True)
class Rooms:
    """People who are signed in and the rooms that they are in."""

    tokens: Sequence[str]
    room_ids: Sequence[str]


def install() -> Path:
    """Return the Python of Synapse's environment, made the first time; raises `CannotRun`."""
    python = HOME / "bin" / "python"
    stamp = HOME / "lock"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print("Installing Matrix Synapse", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    into = ["--quiet", "--python", str(python), "--require-hashes", "--no-deps", "-r", str(LOCK)]
    for command in (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(HOME)],
        [*uv, "pip", "install", *into],
    ):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise CannotRun(f"Synapse could not be installed:\n{done.stderr[-2000:]}")
    stamp.write_text(wanted)
    return python


def version(python: Path) -> str:
    """Return the version that is installed."""
    program = "from importlib.metadata import version; print(version('matrix-synapse'))"
    done = subprocess.run(
        [str(python), "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return str(done.stdout).strip()


@contextmanager
def running(python: Path, server: Postgres, directory: Path) -> Iterator[tuple[Process, int, str]]:
    """Yield Synapse's process, its port and its database's name."""
    database, port = "synapse", free_port()
    # Its documentation asks for this collation: https://element-hq.github.io/synapse/latest/postgres.html
    server.sql(
        f"CREATE DATABASE {database} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    config = directory / "homeserver.yaml"
    config.write_bytes(orjson.dumps(_config(server.port, database, port, directory)))  # YAML too
    command = [str(python), "-m", "synapse.app.homeserver", "--config-path", str(config)]
    subprocess.run([*command, "--generate-keys"], capture_output=True, check=True, timeout=60)
    process = Process("Synapse", command, log=directory / "synapse.log", cwd=directory)
    try:
        process.wait_until(lambda: _answers(port), patience=PATIENCE)
        yield process, port, database
    finally:
        process.terminate(patience=30)


def _config(postgres_port: int, database: str, port: int, directory: Path) -> dict[str, object]:
    log = {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }
    (directory / "log.yaml").write_bytes(orjson.dumps(log))
    return {
        "server_name": "localhost",
        "report_stats": False,
        "registration_shared_secret": SHARED_SECRET,
        "macaroon_secret_key": SHARED_SECRET,
        "form_secret": SHARED_SECRET,
        "signing_key_path": str(directory / "signing.key"),
        "media_store_path": str(directory / "media"),
        "pid_file": str(directory / "synapse.pid"),
        "log_config": str(directory / "log.yaml"),
        "trusted_key_servers": [],
        "presence": {"enabled": False},
        "bcrypt_rounds": 4,  # signing people up is no part of what is measured
        "listeners": [
            {
                "port": port,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"]}],
            }
        ],
        "database": {
            "name": "psycopg2",
            "args": {
                "host": "127.0.0.1",
                "port": postgres_port,
                "user": OWNER,
                "dbname": database,
                "cp_min": 5,
                "cp_max": 10,
            },
        },
        "rc_message": _UNLIMITED,
        "rc_joins": {"local": _UNLIMITED},
        "rc_joins_per_room": _UNLIMITED,
        "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED},
        "rc_room_creation": _UNLIMITED,
    }


def _answers(port: int) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == 200


async def fill(port: int, *, people: int, circles: Sequence[Sequence[int]]) -> Rooms:
    """Sign up people and make a room for each circle of them; the first one creates it."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE, limits=limits
    ) as http:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def create(circle: Sequence[int]) -> str:
            owner, *others = [tokens[number] for number in circle]
            async with at_once:
                body = {"preset": "public_chat"}
                made = await _post(http, "/_matrix/client/v3/createRoom", body, owner)
                room_id = str(made["room_id"])
                for token in others:
                    await _post(http, f"/_matrix/client/v3/join/{quote(room_id)}", {}, token)
            return room_id

        tokens = await asyncio.gather(*(_register(http, at_once, n) for n in range(people)))
        return Rooms(tokens, await asyncio.gather(*(create(circle) for circle in circles)))


async def _register(http: httpx.AsyncClient, at_once: asyncio.Semaphore, number: int) -> str:
    # https://element-hq.github.io/synapse/latest/admin_api/register_api.html
    path, name, password = "/_synapse/admin/v1/register", f"person_{number}", "password"
    async with at_once:
        nonce = (await http.get(path)).raise_for_status().json()["nonce"]
        signed = "\0".join([nonce, name, password, "notadmin"]).encode()
        mac = hmac.new(SHARED_SECRET.encode(), signed, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": password, "admin": False, "mac": mac}
        return str((await _post(http, path, body, None))["access_token"])


async def _post(
    http: httpx.AsyncClient, path: str, body: Mapping[str, object], token: str | None
) -> dict[str, object]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = (await http.post(path, json=body, headers=headers)).raise_for_status()
    parsed: dict[str, object] = answer.json()
    return parsed


def send_request(token: str, room_id: str, text: str, transaction_id: str) -> bytes:
    """Return the request that sends a message, as it goes over the wire."""
    body = orjson.dumps({"msgtype": "m.text", "body": text})
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{transaction_id}"
    head = (
        f"PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def stored(server: Postgres, database: str) -> int:
    """Return how many messages are in its database."""
    return int(server.sql("SELECT count(*) FROM events WHERE type = 'm.room.message'", database))
