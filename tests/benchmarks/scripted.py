"""A server that answers at once, in its own process: what is measured against it is the client.

It speaks as release 0.16.0 and knows one ready device with one float64, ``/bench/value``. It has no model of
anything and none of our code: messages are built where they are needed.

Rule 1: stdout has one line, ``READY <api port> <control port>``; a closed stdin ends the process.
Rule 2: a byte on the control port pushes one update to every subscriber a few milliseconds later. Its value
    is the moment it was sent, in seconds of ``time.perf_counter``, a clock that all processes share.

PYTEST_DONT_REWRITE
"""

import hashlib
import heapq
import json
import random
import re
import selectors
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

PATH = "/bench/value"
SESSION = "5e551011" * 4
FIRMWARE = "f1f1f1f1" * 4

_HEADER = re.compile(rb"<SCRUTINY size=([0-9a-fA-F]+) flags=(c?h?)>")
_STATUS = {
    "device_status": "connected_ready",
    "device_session_id": SESSION,
    "loaded_sfd_firmware_id": None,
    "datalogging_status": {"datalogging_state": "standby", "completion_ratio": None},
    "device_comm_link": {
        "link_type": "udp",
        "link_config": {"host": "127.0.0.1", "port": 1},
        "link_operational": True,
        "demo_mode": False,
    },
}
_DEVICE = {
    "session_id": SESSION,
    "device_id": FIRMWARE,
    "display_name": "scripted",
    "max_tx_data_size": 256,
    "max_rx_data_size": 256,
    "max_bitrate_bps": None,
    "rx_timeout_us": 50000,
    "heartbeat_timeout_us": 5000000,
    "address_size_bits": 32,
    "protocol_major": 1,
    "protocol_minor": 0,
    "supported_feature_map": {
        "memory_write": True,
        "datalogging": False,
        "user_command": False,
        "_64bits": True,
    },
    "forbidden_memory_regions": [],
    "readonly_memory_regions": [],
    "datalogging_capabilities": None,
    "char_bit": 8,
}
_ENTRY = {
    "type": "var", "dtype": "float64", "id": "1", "path": PATH,
    "address": 4096, "bitoffset": None, "bitsize": None,
}  # fmt: skip


def encode(message: dict[str, Any]) -> bytes:
    """Return a datagram as real servers send it: compressed, with its hash."""
    # A small window: zlib.compress costs 40 us in some processes, this 2 us in all.
    deflate = zlib.compressobj(1, zlib.DEFLATED, 9, 1)
    payload = deflate.compress(json.dumps(message).encode()) + deflate.flush()
    return b"<SCRUTINY size=%x flags=ch>" % len(payload) + payload + hashlib.md5(payload).digest()


class Client:
    """One connection, and what it has asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_subscribed = False
        self._received = bytearray()
        self._tokens = 0

    def send(self, command: str, request_id: int | None, **fields: Any) -> None:
        self.sock.sendall(encode({"cmd": command, "reqid": request_id, **fields}))

    def push(self, value: float) -> None:
        time_us = time.perf_counter() * 1e6
        self.send(
            "watchable_update", None, updates=[{"id": "1", "v": value, "t": time_us, "d": "AAAAAAAAAAA="}]
        )

    def receive(self) -> bool:
        """Answer what came; return whether the connection is still open."""
        try:
            data = self.sock.recv(1 << 16)
            self._received += data
            for message in self._messages():
                self._answer(message["cmd"], message.get("reqid"), message)
        except OSError:
            return False
        return bool(data)

    def _messages(self) -> Iterator[dict[str, Any]]:
        while header := _HEADER.search(self._received):
            size, flags = int(header[1], 16), header[2]
            end = header.end() + size + (16 if b"h" in flags else 0)
            if len(self._received) < end:
                return
            payload = bytes(self._received[header.end() : header.end() + size])
            del self._received[:end]
            yield json.loads(zlib.decompress(payload) if b"c" in flags else payload)

    def _answer(self, command: str, request_id: int | None, message: dict[str, Any]) -> None:
        answer: Callable[..., None] | None = getattr(self, f"_on_{command}", None)
        if answer is None:
            self.send("error", request_id, request_cmd=command, msg=f"Unsupported command {command}")
        else:
            answer(request_id, message)

    def _on_get_server_status(self, request_id: int | None, _: dict[str, Any]) -> None:
        self.send("inform_server_status", request_id, **_STATUS)

    def _on_get_device_info(self, request_id: int | None, _: dict[str, Any]) -> None:
        self.send("response_get_device_info", request_id, available=True, device_info=_DEVICE)

    def _on_get_loaded_sfd(self, request_id: int | None, _: dict[str, Any]) -> None:
        self.send("response_get_loaded_sfd", request_id, sfd=None)

    def _on_echo(self, request_id: int | None, message: dict[str, Any]) -> None:
        self.send("response_echo", request_id, payload=message["payload"])

    def _on_subscribe_watchable(self, request_id: int | None, message: dict[str, Any]) -> None:
        self.is_subscribed = True
        self.send(
            "response_subscribe_watchable",
            request_id,
            subscribed=dict.fromkeys(message["watchables"], _ENTRY),
        )
        self.push(0.0)

    def _on_unsubscribe_watchable(self, request_id: int | None, message: dict[str, Any]) -> None:
        self.is_subscribed = False
        self.send("response_unsubscribe_watchable", request_id, unsubscribed=message["watchables"])

    def _on_change_subscription_update_rate(self, request_id: int | None, message: dict[str, Any]) -> None:
        rates = {change["id"]: change["rate"] for change in message["changes"]}
        self.send("response_change_subscription_update_rate", request_id, effective_rates=rates)

    def _on_write_watchable(self, request_id: int | None, message: dict[str, Any]) -> None:
        self._tokens += 1
        token = f"{self._tokens:032x}"
        self.send("response_write_watchable", request_id, request_token=token, count=len(message["updates"]))
        for update in message["updates"]:
            self.send(
                "inform_write_completion",
                None,
                watchable=update["watchable"],
                request_token=token,
                batch_index=update["batch_index"],
                success=True,
                completion_server_time_us=time.perf_counter() * 1e6,
                failure_reason="",
            )

    def _on_write_single_watchable(self, request_id: int | None, _: dict[str, Any]) -> None:
        self.send("response_write_single_watchable", request_id, success=True, failure_reason="")


class Server:
    """The loop: connections, requests, and pushes that are due."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._clients: list[Client] = []
        self._due: list[float] = []
        api = self._listen(self._accept)
        control = self._listen(self._accept_control)
        self._selector.register(sys.stdin, selectors.EVENT_READ, lambda: sys.exit(0))
        sys.stdout.write(f"READY {api} {control}\n")
        sys.stdout.flush()

    def run(self) -> None:
        """Serve until stdin is closed."""
        while True:
            timeout = max(self._due[0] - time.perf_counter(), 0) if self._due else None
            for key, _ in self._selector.select(timeout):
                key.data()
            if self._due and self._due[0] <= time.perf_counter():
                heapq.heappop(self._due)
                for client in self._clients:
                    if client.is_subscribed:
                        client.push(time.perf_counter())

    def _listen(self, accept: Callable[[socket.socket], None]) -> int:
        sock = socket.create_server(("127.0.0.1", 0))
        self._selector.register(sock, selectors.EVENT_READ, lambda: accept(sock.accept()[0]))
        return int(sock.getsockname()[1])

    def _accept(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        self._clients.append(client)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._serve(client))
        client.send("welcome", None, server_time_zero_timestamp=time.time() - time.perf_counter())

    def _serve(self, client: Client) -> None:
        if not client.receive():
            self._selector.unregister(client.sock)
            self._clients.remove(client)
            client.sock.close()

    def _accept_control(self, sock: socket.socket) -> None:
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._control(sock))

    def _control(self, sock: socket.socket) -> None:
        if sock.recv(1):
            heapq.heappush(self._due, time.perf_counter() + random.uniform(0.002, 0.008))
        else:
            self._selector.unregister(sock)
            sock.close()


if __name__ == "__main__":
    Server().run()
