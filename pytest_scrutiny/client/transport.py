"""Getting a connection: from a host name to a peer that is known to speak Scrutiny.

Rule 1: connecting is optimistic. The first bytes are the requests for all that a status needs, as datagrams,
    followed by an empty line. A server of 0.4 or later answers with datagrams and skips the empty line as
    garbage; a WebSocket server (0.1 to 0.3) takes them for bad HTTP, answers ``HTTP/1.1 400`` and closes, and
    is asked again with an upgrade. Anything else is not a Scrutiny server, and the error says what it sent.
Rule 2: one deadline covers name resolution, every address of the name, and all of the above.
Rule 3: whatever fails, no socket stays open.

Measured on 0.3.0, 0.4.1 and 0.16.0: the first answer comes after 0.2 to 11 ms; without the empty line a
WebSocket server waits 10 s for the rest of its request.

PYTEST_DONT_REWRITE
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import ConnectionError, ConnectTimeout, RemoteProtocolError
from pytest_scrutiny.protocol.connection import ClientConnection
from pytest_scrutiny.protocol.framing import HEADER_PREFIX, DatagramFraming
from pytest_scrutiny.protocol.sfd import GET_LOADED_SFD
from pytest_scrutiny.protocol.status import GET_DEVICE_INFO, GET_STATUS

if TYPE_CHECKING:
    from pytest_scrutiny.protocol.websocket import ClientWebSocket

Transport: TypeAlias = Literal["auto", "tcp", "websocket"]
TRANSPORTS: tuple[Transport, ...] = ("auto", "tcp", "websocket")

Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, Any]
T = TypeVar("T")


class Link(NamedTuple):
    """A connection to a Scrutiny server, on which questions were asked already.

    :ivar first_bytes: what came of the answers so far.
    :ivar asked: ``{request id: command}``; a status is always among them.
    """

    sock: socket.socket
    connection: ClientConnection
    first_bytes: bytes
    asked: Mapping[int, str]


_RECEIVE_SIZE = 1 << 16
_EMPTY_LINE = b"\r\n\r\n"
_GREETING = (GET_STATUS, GET_DEVICE_INFO, GET_LOADED_SFD)


def open_link(hostname: str, port: int, deadline: Deadline, transport: Transport = "auto") -> Link:
    """Return a connection to a Scrutiny server.

    :raises ConnectTimeout: if that takes longer than the deadline allows.
    :raises RemoteProtocolError: if the peer is something else.
    :raises ConnectionError: if there is none.
    """
    dialer = _Dialer(hostname, port, deadline, transport)
    if transport != "websocket":
        link = dialer.try_datagrams()
        if link is not None:
            return link
    return dialer.open_websocket()


class _Dialer:
    """One attempt to connect; remembers the addresses, so that a second socket needs no second look-up."""

    def __init__(self, hostname: str, port: int, deadline: Deadline, transport: Transport) -> None:
        self._hostname = hostname
        self._port = port
        self._deadline = deadline
        self._transport = transport
        self._addresses: list[Address] = []

    def try_datagrams(self) -> Link | None:
        """Return a connection of datagrams, or None if an HTTP server answered and may be one of ours."""
        sock = self._dial()
        with _closed_on_error(sock):
            connection = ClientConnection(DatagramFraming(strict=True))
            # Device and SFD are not in the status; to ask for all three at once spares a round trip.
            requests = [connection.encode_request(command) for command in _GREETING]
            self._send(sock, b"".join(data for _, data in requests) + _EMPTY_LINE)
            first = self._receive_greeting(sock)
            if first.startswith(HEADER_PREFIX):
                asked = {number: command for (number, _), command in zip(requests, _GREETING, strict=True)}
                return Link(sock, connection, first, asked)
            # Of a refusal that comes byte by byte, the rest may be lost with the connection.
            is_http = first != b"" and b"HTTP/".startswith(first[:5])
            if self._transport == "tcp" or not is_http:
                raise RemoteProtocolError(self._wrong_peer(describe_stranger(first)))
        sock.close()
        return None

    def open_websocket(self) -> Link:
        """Return a connection of WebSocket messages."""
        from pytest_scrutiny.protocol.websocket import ClientWebSocket

        sock = self._dial()
        with _closed_on_error(sock):
            framing = ClientWebSocket(self._hostname, self._port)
            self._send(sock, framing.encode_upgrade())
            try:
                self._receive_upgrade(sock, framing)
            except RemoteProtocolError as exc:
                was_http = self._transport == "auto"
                what = f"an HTTP server is there, but not a Scrutiny one: {exc}" if was_http else str(exc)
                raise RemoteProtocolError(self._wrong_peer(what)) from exc
            connection = ClientConnection(framing)
            # Nobody speaks first here, and a server broadcasts only to clients that spoke (0.1.0, 0.3.0).
            number, request = connection.encode_request(GET_STATUS)
            self._send(sock, request)
            return Link(sock, connection, b"", {number: GET_STATUS})

    def _receive_upgrade(self, sock: socket.socket, framing: "ClientWebSocket") -> None:
        head = b""
        while True:
            data = self._receive(sock)
            if not data:
                raise ConnectionError(self._failure("it closed the connection during the WebSocket upgrade"))
            head += data
            if head.startswith(HEADER_PREFIX):
                raise RemoteProtocolError("it speaks TCP datagrams, as Scrutiny servers from 0.4 on do")
            status_line, end_of_line, _ = head.partition(b"\r\n")
            if end_of_line and not status_line.startswith(b"HTTP/1.1 101"):
                # Said at once: the rest of a refusal may never come.
                answer = status_line.decode("latin-1").partition(" ")[2]
                raise RemoteProtocolError(f"it refused the WebSocket upgrade with {answer!r}")
            framing.receive_data(data)
            if framing.receive_upgrade():
                return

    def _dial(self) -> socket.socket:
        """Return a connected socket, of the first address that answers."""
        if not self._addresses:
            self._addresses = self._resolve()
        error: OSError | None = None
        for position, (family, kind, proto, address) in enumerate(self._addresses):
            try:
                sock = socket.socket(family, kind, proto)
            except OSError as exc:  # a name may have addresses of a family that this machine lacks
                error = exc
                continue
            with _closed_on_error(sock):
                # What is left is shared out, so that an address that drops packets leaves time for the next.
                sock.settimeout(self._remaining("connect") / (len(self._addresses) - position))
                try:
                    sock.connect(address)
                    _refuse_self_connection(sock)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                except OSError as exc:
                    error = exc
                    sock.close()
                    continue
            return sock
        if isinstance(error, TimeoutError):
            raise ConnectTimeout(self._late("nothing answers at that address")) from error
        reason = "refused" if isinstance(error, ConnectionRefusedError) else str(error)
        raise ConnectionError(self._failure(reason)) from error

    def _resolve(self) -> list[Address]:
        # As bytes: for a str the interpreter loads its IDNA codec first, 2.5 ms and 750 kB.
        host: str | bytes = self._hostname.encode() if self._hostname.isascii() else self._hostname
        try:
            return _look_up(host, self._port, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            pass  # not an address, so a name
        outcome: list[list[Address] | Exception] = []

        def look_up() -> None:
            try:
                outcome.append(_look_up(host, self._port, 0))
            except (OSError, UnicodeError) as exc:
                outcome.append(exc)

        # Name resolution has no timeout of its own; the thread ends when the system's resolver gives up.
        thread = threading.Thread(target=look_up, name="scrutiny-resolver", daemon=True)
        thread.start()
        thread.join(self._remaining("resolve the name"))
        if not outcome:
            raise ConnectTimeout(self._late("the host name is still not resolved"))
        if isinstance(outcome[0], Exception):
            raise ConnectionError(
                f"cannot connect to {self._where}: unknown host ({outcome[0]}); "
                "expected a name or an address. Check the spelling of the host."
            ) from outcome[0]
        return outcome[0]

    def _receive_greeting(self, sock: socket.socket) -> bytes:
        """Return the peer's first bytes, enough of them to tell what it is."""
        data = b""
        while HEADER_PREFIX.startswith(data[: len(HEADER_PREFIX)]) and len(data) < len(HEADER_PREFIX):
            more = self._receive(sock, f"sent only {data!r}" if data else "says nothing")
            if not more:
                word = f"after {data!r}" if data else "without a word"
                raise ConnectionError(self._failure(f"it accepted the connection and closed it {word}"))
            data += more
        return data

    def _send(self, sock: socket.socket, data: bytes) -> None:
        self._within_time(sock, lambda: sock.sendall(data), "takes no data")

    def _receive(self, sock: socket.socket, otherwise: str = "says nothing") -> bytes:
        return self._within_time(sock, lambda: sock.recv(_RECEIVE_SIZE), otherwise)

    def _within_time(self, sock: socket.socket, action: Callable[[], T], otherwise: str) -> T:
        sock.settimeout(self._remaining(otherwise))
        try:
            return action()
        except TimeoutError as exc:
            raise ConnectTimeout(self._late(f"it accepted the connection and {otherwise}")) from exc
        except OSError as exc:
            raise ConnectionError(self._failure(f"it dropped the connection ({exc})")) from exc

    def _remaining(self, doing: str) -> float:
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise ConnectTimeout(self._late(f"no time was left ({doing})"))
        return remaining

    @property
    def _where(self) -> str:
        return (
            f"[{self._hostname}]:{self._port}" if ":" in self._hostname else f"{self._hostname}:{self._port}"
        )

    def _failure(self, reason: str) -> str:
        return (
            f"cannot connect to {self._where}: {reason}; expected a Scrutiny server there. "
            "Start one, or check host and port."
        )

    def _wrong_peer(self, what: str) -> str:
        failure = self._failure(what)
        if self._transport != "auto":
            failure += f" Only {self._transport} was tried, as asked for: name no transport to try both."
        return failure

    def _late(self, reason: str) -> str:
        return self._failure(f"{reason} within {self._deadline.timeout:g} s")


def _look_up(host: str | bytes, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, kind, proto, address) for family, kind, proto, _, address in found]


def _refuse_self_connection(sock: socket.socket) -> None:
    # A loopback port in the ephemeral range that nobody listens on can connect to itself.
    try:
        is_own = sock.getsockname() == sock.getpeername()
    except OSError:
        return  # it is closed already; the next call tells how
    if is_own:
        raise ConnectionRefusedError("nobody listens on that port")


@contextlib.contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise


def describe_stranger(first: bytes) -> str:
    """Return what a peer that sent these first bytes probably is."""
    shown = repr(first[:60])
    if first.startswith(b"SSH-"):
        return f"an SSH server is there ({shown})"
    if first.startswith((b"HTTP/", b"<!DOCTYPE", b"<html")):
        return f"an HTTP server is there ({shown})"
    if first[:2] in (b"\x15\x03", b"\x16\x03"):
        return "a TLS server is there"
    return f"it sent {shown}"
