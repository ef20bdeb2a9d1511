"""Whatever may listen at a port, connection by connection."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_scrutiny.client import transport
from pytest_scrutiny.client.attempt import Address
from tests.client.peer import Peer
from tests.clock import SECOND

Talk = Callable[[socket.socket], None]
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def listening(*talks: Talk, family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
    """Serve one connection with each talk, in order; give the port."""
    with socket.create_server(
        ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
    ) as server:
        server.settimeout(5 * SECOND)

        def serve() -> None:
            for talk in talks:
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(5 * SECOND)
                        talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def says(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    return talk


def is_mute(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closes(connection: socket.socket) -> None:
    connection.recv(4096)


def slams(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def serve_datagrams(connection: socket.socket) -> None:
    """Answer each status request: no device."""
    peer = Peer(connection)
    with contextlib.suppress(OSError, AssertionError):  # the client has gone
        while True:
            request = peer.next_request()
            if request["cmd"] == "get_server_status":
                peer.push_status(None, reqid=request["reqid"])
            elif request["cmd"] == "get_device_info":
                peer.reply(request, available=False, device_info=None)


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """Give a port that drops packets: a full backlog does on Linux; other systems refuse, an answer too."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextlib.contextmanager
def on_both_loopbacks(v6: Talk | None, v4: Talk, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve one connection on ::1, if it is not to refuse, and one on 127.0.0.1; ``localhost`` is both."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six, contextlib.ExitStack() as stack:
        port = six.getsockname()[1]
        four = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        if v6 is None:
            six.close()
        threads = [
            threading.Thread(target=serve_one, args=(server, talk))
            for server, talk in ((six, v6), (four, v4))
            if talk is not None
        ]
        for thread in threads:
            thread.start()

        def look_up(host: object, port: int, flags: int) -> list[Address]:
            if flags:
                raise OSError("a name")
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 0, ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(transport, "_look_up", look_up)
        yield port
        for thread in threads:
            thread.join()


def serve_one(server: socket.socket, talk: Talk) -> None:
    server.settimeout(5 * SECOND)
    with contextlib.suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5 * SECOND)
            talk(connection)
