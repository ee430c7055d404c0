"""The WebSocket endpoint: what all sockets share, and how one is accepted."""

from collections.abc import Awaitable, Callable

from models.client import MAX_USER_AGENT, Client
from realtime.connection import Connection
from realtime.operations import Authenticator, Renderer
from realtime.protocol import SUBPROTOCOL, CloseCode
from realtime.sockets import Sockets
from realtime.wire import EXTENSION, AsgiWire, Cork, DirectWire, Message, Send


def client_of(scope: Message) -> Client:
    """Return where a request or a socket comes from, by its ASGI scope."""
    address = scope["client"][0] if scope.get("client") else None
    user_agent = next((value for name, value in scope["headers"] if name == b"user-agent"), None)
    if user_agent is not None:
        user_agent = "".join(c for c in user_agent.decode("latin-1") if c.isprintable())
    return Client(address, user_agent[:MAX_USER_AGENT] if user_agent else None)


class Endpoint:
    """Called once per socket."""

    def __init__(
        self, renderer: Renderer, authenticator: Authenticator, sockets: Sockets, cork: Cork
    ) -> None:
        self.renderer = renderer
        self.authenticator = authenticator
        self.sockets = sockets
        self._cork = cork

    async def serve(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send
    ) -> None:
        """Serve one socket from its `websocket.connect` until it is gone."""
        await receive()  # websocket.connect
        if SUBPROTOCOL not in scope["subprotocols"]:
            # Accepted first: a browser shows a client the close code, but never an HTTP status.
            await send({"type": "websocket.accept"})
            await send(
                {
                    "type": "websocket.close",
                    "code": CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE,
                    "reason": f"Speak {SUBPROTOCOL}",
                }
            )
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        client = client_of(scope)
        connection = (scope.get("extensions") or {}).get(EXTENSION)
        if connection is not None:
            connection.forget_handshake()
            await Connection(self, receive, DirectWire(connection, send, self._cork), client).run()
            return
        wire = AsgiWire(send)
        try:
            await Connection(self, receive, wire, client).run()
        finally:
            await wire.ended()
