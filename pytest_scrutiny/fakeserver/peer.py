"""One client's socket on the fake server's side.

PYTEST_DONT_REWRITE
"""

import contextlib
import logging
import os
import socket
import struct
from typing import Literal, TypeAlias

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.entries import Client, Message
from pytest_scrutiny.fakeserver.faults import Fault
from pytest_scrutiny.fakeserver.lane import Lane
from pytest_scrutiny.protocol.connection import ServerConnection
from pytest_scrutiny.protocol.framing import MTU, DatagramFraming

logger = logging.getLogger(__name__)

MOST_OWED = 8 << 20
"""Bytes kept for a client that does not read: more than any list of names we know of."""

_CHUNK = 1 << 16

Ending: TypeAlias = Literal["farewell", "end", "reset"]
"""How a connection ends: as the release's server does, as the end of the stream, or as a reset."""


def _linger(*, resets: bool) -> bytes:
    return struct.pack("hh" if os.name == "nt" else "ii", resets, 0)


class Peer:
    """One client: its socket, its framing, its faults, and the bytes it is owed. Nothing here blocks.

    :ivar sock: non-blocking.
    :ivar lane: its faults, and the bytes.
    """

    def __init__(self, sock: socket.socket, api: Api, faults: tuple[Fault, ...] = ()) -> None:
        self.sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From 0.12 on a real server's farewell is a reset of the connection.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(resets=api.dialect.resets_on_close))
        self._api = api
        self._client = Client()
        self.lane = Lane(api.dialect.transport, faults)
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
        return bool(self.lane.owed)

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
        self.lane.send_bytes(self._connection.data_to_send(), now)
        return True

    def _digest(self, now: float) -> None:
        if not self._is_upgraded:
            self._is_upgraded = self._upgrade.receive_upgrade()
            self._is_closing = self._upgrade.is_refused
            if not self._is_upgraded:
                return
            self.lane.send_bytes(self._connection.data_to_send(), now)
        try:
            for value in self._connection.values():
                if self._admit(value):
                    self._api.receive(self._client, value, now)
        except ConnectionError as exc:
            logger.debug("= a client is gone: %s", exc)
            self._is_closing = True

    def _admit(self, value: object) -> bool:
        """Return whether no fault keeps a request from the server."""
        data = value if isinstance(value, dict) else {}
        command = data.get("cmd", "")
        arrival = self.lane.admit(command)
        if arrival is None:
            return True
        if not arrival.is_swallowed and arrival.refusal is not None:
            error: Message = ("error", data.get("reqid"), {"request_cmd": command, "msg": arrival.refusal})
            self._client.outbox.append(error)
            return False
        return not arrival.is_swallowed

    def flush(self, now: float) -> bool:
        """Send what is owed, as far as the socket takes it; return whether the connection goes on."""
        messages = self._api.take(self._client)
        lane = self.lane
        try:
            if not self._is_closing:
                for message in messages:
                    lane.send(message, self._encode, now)
            while lane.take_due(now):
                del lane.owed[: self.sock.send(memoryview(lane.owed)[:_CHUNK])]
        except BlockingIOError:
            return self._may_wait()
        except OSError:  # the peer is gone; so is a WebSocket that it has closed
            return False
        if lane.size:
            return self._may_wait()
        return not (self._is_closing or lane.is_ending)

    def _may_wait(self) -> bool:
        if self.lane.size <= MOST_OWED:
            return True
        logger.warning("! dropped a client that did not read %d bytes", self.lane.size)
        return False

    def _encode(self, message: Message) -> bytes:
        command, request_id, fields = message
        try:
            return self._connection.encode_message(command, request_id, fields)
        except ValueError as exc:  # larger than a server sends
            logger.debug("! %s: %s", command, exc)
            return self._connection.encode_message(
                "error", request_id, {"request_cmd": command, "msg": "Internal error"}
            )

    def close(self, ending: Ending = "farewell") -> None:
        """Close the socket; a farewell is sent if the socket takes it at once."""
        self._api.close(self._client)
        with contextlib.suppress(ConnectionError, OSError):
            if ending == "farewell" and not self.lane.is_over:
                self.sock.send(self._connection.encode_close())
            elif ending == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(resets=True))
            else:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(resets=False))
                self.sock.shutdown(socket.SHUT_WR)
        self.sock.close()
