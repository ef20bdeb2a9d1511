"""One client's socket on the fake server's side.

PYTEST_DONT_REWRITE
"""

import contextlib
import logging
import socket

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.watchables import Client
from pytest_scrutiny.protocol.connection import ServerConnection
from pytest_scrutiny.protocol.framing import MTU, DatagramFraming

logger = logging.getLogger(__name__)

MOST_OWED = 8 << 20
"""Bytes kept for a client that does not read: more than any list of names we know of."""

_CHUNK = 1 << 16


class Peer:
    """One client: its socket, its framing, and the bytes it is owed. Nothing here blocks.

    :ivar sock: non-blocking.
    """

    def __init__(self, sock: socket.socket, api: Api) -> None:
        self.sock = sock
        self._api = api
        self._client = Client()
        self._owed = bytearray()
        self._is_closing = False
        self._is_upgraded = api.dialect.transport == "tcp"
        if self._is_upgraded:
            self._connection = ServerConnection(DatagramFraming(strict=False, max_payload=MTU))
            api.open(self._client)
        else:
            from pytest_scrutiny.protocol.websocket import ServerWebSocket

            self._upgrade = ServerWebSocket()
            self._connection = ServerConnection(self._upgrade)

    @property
    def is_owed(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return bool(self._owed)

    def receive(self, now: float) -> bool:
        """Take what the client sent; return whether the connection goes on."""
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self._connection.receive_data(data)
        self._digest(now)
        self._owed += self._connection.data_to_send()
        return True

    def _digest(self, now: float) -> None:
        if not self._is_upgraded:
            self._is_upgraded = self._upgrade.receive_upgrade()
            self._is_closing = self._upgrade.is_refused
            if not self._is_upgraded:
                return
            self._owed += self._connection.data_to_send()
        try:
            for value in self._connection.values():
                self._api.receive(self._client, value, now)
        except ConnectionError as exc:
            logger.debug("= a client is gone: %s", exc)
            self._is_closing = True

    def flush(self) -> bool:
        """Send what is owed, as far as the socket takes it; return whether the connection goes on."""
        messages = self._api.take(self._client)
        try:
            if not self._is_closing:
                for message in messages:
                    self._owed += self._encode(*message)
            while self._owed:
                del self._owed[: self.sock.send(memoryview(self._owed)[:_CHUNK])]
        except BlockingIOError:
            if len(self._owed) <= MOST_OWED:
                return True
            logger.warning("! dropped a client that did not read %d bytes", len(self._owed))
            return False
        except OSError:  # the peer is gone; so is a WebSocket that it has closed
            return False
        return not self._is_closing

    def _encode(self, command: str, request_id: object, fields: dict[str, object]) -> bytes:
        try:
            return self._connection.encode_message(command, request_id, fields)
        except ValueError as exc:  # larger than a server sends
            logger.debug("! %s: %s", command, exc)
            return self._connection.encode_message(
                "error", request_id, {"request_cmd": command, "msg": "Internal error"}
            )

    def close(self) -> None:
        """Close the socket, with a farewell if the socket takes it at once."""
        self._api.close(self._client)
        with contextlib.suppress(ConnectionError, OSError):
            self.sock.send(self._connection.encode_close())
        self.sock.close()
