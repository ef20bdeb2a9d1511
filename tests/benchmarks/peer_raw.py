"""The limit: one blocking socket, no thread, no checks; the best that pure Python can do.

PYTEST_DONT_REWRITE
"""

import hashlib
import json
import re
import socket
import zlib
from typing import Any

from tests.benchmarks.worker import obey

_HEADER = re.compile(rb"<SCRUTINY size=([0-9a-f]+) flags=(c?h?)>")


class RawPeer:
    """A socket that speaks just enough."""

    def connect(self, host: str, port: int) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.connect((host, port))
        self._received = b""
        self._send({"cmd": "get_server_status", "reqid": 0})
        self._receive("inform_server_status")

    def disconnect(self) -> None:
        self._sock.close()

    def echo(self) -> None:
        self._send({"cmd": "echo", "reqid": 1, "payload": "hello"})
        self._receive("response_echo")

    def watch(self, path: str) -> None:
        self._send({"cmd": "subscribe_watchable", "reqid": 2, "watchables": [path]})
        self._id = self._receive("response_subscribe_watchable")["subscribed"][path]["id"]
        self.wait_update()

    def write(self, value: float) -> None:
        update = {"batch_index": 0, "watchable": self._id, "value": value}
        self._send({"cmd": "write_watchable", "reqid": 3, "updates": [update]})
        self._receive("inform_write_completion")

    def wait_update(self) -> float:
        updates: list[dict[str, float]] = self._receive("watchable_update")["updates"]
        return updates[0]["v"]

    def _send(self, message: dict[str, Any]) -> None:
        payload = json.dumps(message).encode()
        digest = hashlib.md5(payload).digest()
        self._sock.sendall(b"<SCRUTINY size=%x flags=h>" % len(payload) + payload + digest)

    def _receive(self, command: str) -> dict[str, Any]:
        while True:
            header = _HEADER.match(self._received)
            if header:
                end = header.end() + int(header[1], 16)
                if len(self._received) >= end + 16:
                    message: dict[str, Any] = json.loads(zlib.decompress(self._received[header.end() : end]))
                    self._received = self._received[end + 16 :]
                    if message["cmd"] == command:
                        return message
                    continue
            data = self._sock.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._received += data


if __name__ == "__main__":
    obey(RawPeer())
