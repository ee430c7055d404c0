"""The server that is fuzzed: a real one, with people, a chat, and somebody else's socket."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.fuzz.wire import Wire
from tests.parts.hubbub import COMMAND, ORDERLY, ServerProcess
from tests.parts.people import PASSWORD

PATIENCE = 10.0  # seconds; a server that has not answered by then hangs

# Strategies name what only a running server knows; `filled` puts it in.
ANA, BEN, CHAT, MESSAGE, TOKEN, CURSOR = "$ANA", "$BEN", "$CHAT", "$MESSAGE", "$TOKEN", "$CURSOR"


class Target:
    """One server, and what is known of it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._http = httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE)
        self.met: Counter[str] = Counter()  # what came back, to see that much of it was reached
        self._log_read = 0
        self._values: dict[str, str] = {}
        self._bystander: Wire | None = None
        self._handles = (f"ana_{uuid4().hex[:8]}", f"ben_{uuid4().hex[:8]}")
        self._values[BEN] = self._sign_in("register", self._handles[1])[1]
        self._sign_in("register", self._handles[0])
        self.refresh()

    @property
    def port(self) -> int:
        return self.server.port

    def refresh(self) -> None:
        """Sign in anew, and start a chat: what was fuzzed may have ended or left the last ones."""
        self._values[TOKEN], self._values[ANA] = self._sign_in("logIn", self._handles[0])
        group = {"kind": "GROUP", "title": "Fuzz", "memberIds": [self._values[BEN]]}
        chat = self._do("createChat", "chat { id }", group)["chat"]
        self._values[CHAT] = chat["id"]
        text = {"chatId": chat["id"], "text": "Hello", "clientMessageId": str(uuid4())}
        self._values[MESSAGE] = self._do("sendMessage", "message { id }", text)["message"]["id"]
        viewer = self._ask("{ viewer { cursor } }", {})["viewer"]
        self._values[CURSOR] = viewer["cursor"]

    def filled(self, text: str) -> str:
        """Return a text with the server's own values in it."""
        for name, value in self._values.items():
            text = text.replace(name, value)
        return text

    def filled_bytes(self, data: bytes) -> bytes:
        """Return bytes with the server's own values in them."""
        return self.filled(data.decode("latin-1")).encode("latin-1")

    def wire(self) -> Wire:
        """Return a socket whose handshake is done."""
        return Wire.opened(self.port, PATIENCE)

    def problems(self) -> list[str]:
        """Return what has gone wrong beside the answers since it was last asked."""
        if (code := self.server.process.exit_code) is not None:
            return [f"the server ended with {code}"]
        return [*self._logged(), *self._bystanders()]

    def _bystanders(self) -> list[str]:
        if self._bystander is None:
            self._bystander = self.wire()
            self._bystander.say({"type": "connection_init"})
            self._bystander.says("connection_ack")
        try:
            self._bystander.say({"type": "ping", "payload": {"are": "you there?"}})
            self._bystander.says("pong")
        except (OSError, EOFError) as error:
            self._bystander = None
            return [f"a socket of somebody else suffered: {error!r}"]
        return []

    def _logged(self) -> list[str]:
        with self.server.process.log.open("rb") as log:
            log.seek(self._log_read)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]
        self._log_read += len(new)
        return [f"logged: {line[:2000]}" for line in new.decode().splitlines() if _is_a_bug(line)]

    def _sign_in(self, how: str, handle: str) -> tuple[str, str]:
        given = {"handle": handle, "password": PASSWORD}
        if how == "register":
            given["displayName"] = handle
        self._values.pop(TOKEN, None)
        payload = self._do(how, "accessToken session { user { id } }", given)
        return payload["accessToken"], payload["session"]["user"]["id"]

    def _do(self, mutation: str, selection: str, given: dict[str, Any]) -> Any:
        type_ = mutation[0].upper() + mutation[1:] + "Input"
        query = f"mutation($input: {type_}!) {{ {mutation}(input: $input) {{ {selection} }} }}"
        return self._ask(query, {"input": given})[mutation]

    def _ask(self, query: str, variables: dict[str, Any]) -> Any:
        token = self._values.get(TOKEN)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        return self._http.post("/graphql", json=body, headers=headers).json()["data"]

    def close(self) -> None:
        self._http.close()
        if self._bystander is not None:
            self._bystander.close()


def _is_a_bug(line: str) -> bool:
    """Whether a line of the log is none of ours, such as a traceback's, or speaks of a bug."""
    try:
        event = json.loads(line)
    except ValueError:
        return not line.startswith("  ") and bool(line.strip())  # the welcome is indented
    return event.get("level") not in ("debug", "info", "warning")


@contextlib.contextmanager
def fuzzed_server(**given: str) -> Iterator[Target]:
    """Start a server on an empty database of its own; it has to end in order with the block."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "HUBBUB_PASSWORD_MEMORY_KIB": "8192",
            "HUBBUB_LOG_FORMAT": "json",
            "HUBBUB_LOG_LEVEL": "warning",
        }
        server = ServerProcess(Path(folder), COMMAND, ("serve",), settings | given)
        try:
            server.wait_ready()
            target = Target(server)
            try:
                yield target
            finally:
                target.close()
                if server.process.exit_code is None:
                    code = server.stop()
                    assert code in ORDERLY, f"it ended with {code}: {server.process.output()}"
        finally:
            server.kill()


def exchanged(port: int, data: bytes) -> socket.socket:
    """Return a socket on which these bytes were sent, as far as the server took them."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    with contextlib.suppress(ConnectionError):  # it has answered and gone, before it had it all
        connection.sendall(data)
    return connection
