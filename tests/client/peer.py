"""The server's end of a connection, driven by the test line by line."""

import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pytest_scrutiny.client.attempt import Link
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.status import StatusBoard
from pytest_scrutiny.client.subscriptions import WatchBoard
from pytest_scrutiny.client.write import WriteBoard
from pytest_scrutiny.protocol.connection import ClientConnection, ServerConnection
from pytest_scrutiny.protocol.framing import DatagramFraming
from tests.clock import MS, SECOND

SESSION = "a" * 32
FIRMWARE = "f" * 32


class Peer:
    """One end of a socketpair; the other is the session under test."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(5 * SECOND)
        self._connection = ServerConnection(DatagramFraming(strict=False))
        self._requests: list[dict[str, Any]] = []

    def next_request(self, command: str | None = None) -> dict[str, Any]:
        """Return the next request; with ``command``, the next one of that command, dropping others."""
        deadline = Deadline(5 * SECOND)
        while True:
            assert not deadline.has_passed, f"no {command or 'request'} came"
            while self._requests:
                request = self._requests.pop(0)
                if command in (None, request["cmd"]):
                    return request
            data = self.sock.recv(65536)
            assert data, "the client closed the connection"
            self._connection.receive_data(data)
            self._requests.extend(self._connection.values())

    def encode(self, command: str, reqid: object = None, **fields: object) -> bytes:
        return self._connection.encode_message(command, reqid, fields)

    def push(self, command: str, **fields: object) -> None:
        self.sock.sendall(self.encode(command, None, **fields))

    def reply(self, request: dict[str, Any], **fields: object) -> None:
        self.sock.sendall(self.encode(f"response_{request['cmd']}", request["reqid"], **fields))

    def refuse(self, request: dict[str, Any], msg: str) -> None:
        self.sock.sendall(self.encode("error", request["reqid"], request_cmd=request["cmd"], msg=msg))

    def push_status(self, session: str | None = SESSION, *, reqid: object = None, **changes: object) -> None:
        self.sock.sendall(self.encode("inform_server_status", reqid, **status_fields(session, **changes)))


def status_fields(session: str | None = SESSION, **changes: object) -> dict[str, object]:
    return {
        "device_status": "disconnected" if session is None else "connected_ready",
        "device_session_id": session,
        "loaded_sfd_firmware_id": None if session is None else FIRMWARE,
        "datalogging_status": {"datalogging_state": "standby", "completion_ratio": None},
        "device_comm_link": {
            "link_type": "none",
            "link_config": {},
            "link_operational": True,
            "demo_mode": False,
        },
        **changes,
    }


def device_fields(session: str | None = SESSION) -> dict[str, object]:
    return {
        "device_id": FIRMWARE,
        "display_name": "PSU-3",
        "max_tx_data_size": 256,
        "max_rx_data_size": 128,
        "max_bitrate_bps": None,
        "rx_timeout_us": 50000,
        "heartbeat_timeout_us": 5000000,
        "address_size_bits": 32,
        "protocol_major": 1,
        "protocol_minor": 0,
        "supported_feature_map": {
            "memory_write": True,
            "datalogging": False,
            "user_command": True,
            "_64bits": True,
        },
        "forbidden_memory_regions": [],
        "readonly_memory_regions": [],
        "session_id": session,
        "datalogging_capabilities": None,
    }


def entry_fields(path: str, server_id: str, dtype: str = "float32", **more: object) -> dict[str, object]:
    return {"type": "var", "dtype": dtype, "id": server_id, "path": path, **more}


class Bench:
    """A session with its topics, its peer, and a thread for calls that block."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.messages: list[dict[str, Any]] = []
        link = Link(ours, ClientConnection(DatagramFraming(strict=True)), b"", {})
        self.session = Session(link, self.messages.append)
        self.writes = WriteBoard(self.session)
        self.watches = WatchBoard(self.session, self.writes, 5 * SECOND, 5 * SECOND)
        self.board = StatusBoard(self.session)
        self.board.on_report = self.watches.notice_report
        self.peer = Peer(theirs)
        self._pool = ThreadPoolExecutor(4)

    def call(self, function: Any, *args: Any) -> Future[Any]:
        """Run a call that blocks; ask the future for its outcome."""
        return self._pool.submit(function, *args)

    def call_and_wait(self, function: Any, *args: Any) -> Future[Any]:
        """Run a call that blocks; return when it does."""
        others = {*self.session._waiting}  # also of waits that ended before anything changed
        future = self.call(function, *args)
        pause = threading.Event()
        while not {*self.session._waiting} - others and not future.done():
            pause.wait(MS)
        return future

    def close(self) -> None:
        self.session.close()
        self.peer.sock.close()
        self._pool.shutdown()
