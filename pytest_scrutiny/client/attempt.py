"""One address: connect to it, and find out what is there; see client/transport.py, Rule 1.

PYTEST_DONT_REWRITE
"""

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

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

_RECEIVE_SIZE = 1 << 16
_EMPTY_LINE = b"\r\n\r\n"
_GREETING = (GET_STATUS, GET_DEVICE_INFO, GET_LOADED_SFD)

START = "Start one, or check host and port."
_WAIT = (
    "Start one, or check host and port; a server that hangs, or is loading a large firmware description, "
    "says nothing either: look into its log, or give it more time."
)
_TELL_EVERY = 1.0  # seconds


class Link(NamedTuple):
    """A connection to a Scrutiny server, on which questions were asked already.

    :ivar first_bytes: what came of the answers so far.
    :ivar asked: ``{request id: command}``; a status is always among them.
    :ivar asked_at: when that was; None if nobody noted it.
    """

    sock: socket.socket
    connection: ClientConnection
    first_bytes: bytes
    asked: Mapping[int, str]
    asked_at: float | None = None


class Refusal(Exception):
    """Why one address gave no connection.

    :ivar is_silent: it took the connection and said nothing.
    """

    def __init__(
        self,
        reason: str,
        kind: type[ConnectionError] = ConnectionError,
        *,
        advice: str = START,
        is_silent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.advice, self.is_silent = reason, kind, advice, is_silent


class Attempt:
    """One address; it raises Refusal if there is no Scrutiny server.

    :ivar dial: by when the connection must be made.
    :ivar listen: by when the peer must have said what it is.
    :ivar tell: called every second while it says nothing.
    """

    dial: Deadline
    listen: Deadline
    tell: Callable[[str], None]

    def __init__(self, address: Address, hostname: str, port: int, transport: Transport) -> None:
        self._address = address
        self._hostname = hostname
        self._port = port
        self._transport = transport
        self._asked_at: float | None = None
        self._taken = "it accepted the connection"
        self._otherwise = "says nothing"  # what is seen while nothing comes

    def open(self) -> Link:
        """Return a connection to the server."""
        if self._transport != "websocket":
            link = self._try_datagrams()
            if link is not None:
                return link
            self._otherwise = "says nothing to the WebSocket upgrade"
            self._taken = "it refused datagrams as an HTTP server does"
        return self._open_websocket()

    def _try_datagrams(self) -> Link | None:
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
                return Link(sock, connection, first, asked, self._asked_at)
            # Of a refusal that comes byte by byte, the rest may be lost with the connection.
            is_http = first != b"" and b"HTTP/".startswith(first[:5])
            if self._transport == "tcp" or not is_http:
                raise self._stranger(describe_stranger(first))
        sock.close()
        return None

    def _open_websocket(self) -> Link:
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
                raise self._stranger(what) from exc
            connection = ClientConnection(framing)
            # Nobody speaks first here, and a server broadcasts only to clients that spoke (0.1.0, 0.3.0).
            number, request = connection.encode_request(GET_STATUS)
            self._send(sock, request)
            return Link(sock, connection, b"", {number: GET_STATUS}, self._asked_at)

    def _receive_upgrade(self, sock: socket.socket, framing: "ClientWebSocket") -> None:
        head = b""
        while True:
            data = self._receive(sock, self._otherwise)
            if not data:
                raise Refusal("it closed the connection during the WebSocket upgrade")
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
        """Return a connected socket."""
        family, kind, proto, address = self._address
        try:
            sock = socket.socket(family, kind, proto)
        except OSError as exc:  # a name may have addresses of a family that this machine lacks
            raise Refusal(str(exc)) from exc
        with _closed_on_error(sock):
            try:
                sock.settimeout(max(self.dial.remaining(), 0.001))
                sock.connect(address)
                _refuse_self_connection(sock)
            except TimeoutError as exc:
                raise Refusal("nothing answers at that address", ConnectTimeout) from exc
            except OSError as exc:
                reason = "refused" if isinstance(exc, ConnectionRefusedError) else str(exc)
                raise Refusal(reason) from exc
            with contextlib.suppress(OSError):  # it has gone already, which the first message tells
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _receive_greeting(self, sock: socket.socket) -> bytes:
        """Return the peer's first bytes, enough of them to tell what it is."""
        data = b""
        while HEADER_PREFIX.startswith(data[: len(HEADER_PREFIX)]) and len(data) < len(HEADER_PREFIX):
            more = self._receive(sock, f"sent only {data!r}" if data else self._otherwise)
            if not more:
                word = f"after {data!r}" if data else "without a word"
                raise Refusal(f"it accepted the connection and closed it {word}")
            data += more
        return data

    def _send(self, sock: socket.socket, data: bytes) -> None:
        self._asked_at = monotonic() if self._asked_at is None else self._asked_at
        sock.settimeout(max(self.listen.remaining(), 0.001))
        try:
            sock.sendall(data)
        except OSError as exc:
            raise self._dropped(exc, "takes no data") from exc

    def _receive(self, sock: socket.socket, otherwise: str) -> bytes:
        while True:
            sock.settimeout(max(min(self.listen.remaining(), _TELL_EVERY), 0.001))
            try:
                return sock.recv(_RECEIVE_SIZE)
            except OSError as exc:
                if not isinstance(exc, TimeoutError) or self.listen.has_passed:
                    raise self._dropped(exc, otherwise) from exc
                self.tell(f"{self._taken} and {otherwise}")

    def _dropped(self, exc: OSError, otherwise: str) -> Refusal:
        if isinstance(exc, TimeoutError):
            reason = f"{self._taken} and {otherwise}"
            return Refusal(reason, ConnectTimeout, advice=_WAIT, is_silent=True)
        return Refusal(f"it dropped the connection ({exc})")

    def _stranger(self, what: str) -> Refusal:
        advice = START
        if self._transport != "auto":
            advice += f" Only {self._transport} was tried, as asked for: name no transport to try both."
        return Refusal(what, RemoteProtocolError, advice=advice)


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
