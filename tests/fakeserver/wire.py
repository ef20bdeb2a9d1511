"""A tiny client on a plain socket, for tests of the server's own socket."""

import socket
from collections.abc import Callable
from typing import Any, Self

from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.protocol.connection import ClientConnection
from pytest_scrutiny.protocol.framing import DatagramFraming
from pytest_scrutiny.protocol.websocket import ClientWebSocket
from tests.clock import SECOND


class Wire:
    """One connection; everything ends after a second at the latest."""

    def __init__(self, server: FakeServer) -> None:
        self.sock = socket.create_connection((server.host, server.port), timeout=SECOND)
        self._messages: list[dict[str, Any]] = []
        if server.dialect.transport == "tcp":
            self._connection = ClientConnection(DatagramFraming(strict=True))
            return
        framing = ClientWebSocket(server.host, server.port)
        self.sock.sendall(framing.encode_upgrade())
        while not framing.receive_upgrade():
            framing.receive_data(self.sock.recv(65536))
        self._connection = ClientConnection(framing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def send(self, command: str, **fields: object) -> int:
        request_id, data = self._connection.encode_request(command, fields)
        self.sock.sendall(data)
        return request_id

    def wait(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return and forget the first message that is wanted."""
        while True:
            for message in self._messages:
                if wanted(message):
                    self._messages.remove(message)
                    return message
            data = self.sock.recv(65536)
            assert data, "the server closed the connection"
            self._connection.receive_data(data)
            self._messages += self._connection.messages()

    def wait_push(self, command: str) -> dict[str, Any]:
        return self.wait(lambda message: (message["cmd"], message["reqid"]) == (command, None))

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        return self.wait_reply(self.send(command, **fields))

    def wait_reply(self, request_id: int) -> dict[str, Any]:
        return self.wait(lambda message: message["reqid"] == request_id)

    def wait_status(self, word: str) -> dict[str, Any]:
        """Ask until the status has a word in it."""
        while word not in str(status := self.ask("get_server_status")):
            pass
        return status

    def wait_ready(self) -> dict[str, Any]:
        """Return the status once all about a device with a datalogger is known: that comes last."""
        return self.wait_status("standby")
