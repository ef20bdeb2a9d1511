"""Getting a connection: from a host name to a peer that is known to speak Scrutiny.

Rule 1: connecting is optimistic. The first bytes are the requests for all that a status needs, as datagrams,
    followed by an empty line. A server of 0.4 or later answers with datagrams and skips the empty line as
    garbage; a WebSocket server (0.1 to 0.3) takes them for bad HTTP, answers ``HTTP/1.1 400`` and closes, and
    is asked again with an upgrade. Anything else is not a Scrutiny server, and the error says what it sent.
Rule 2: one deadline covers name resolution, every address of the name, and all of the above. An address that
    is no Scrutiny server leaves the next one its turn; one that takes the connection and says nothing may be
    a server that is busy, so it is asked once more when the others are through.
Rule 3: whatever fails, no socket stays open. Of a name with several addresses, the error tells of each.

Measured on 0.3.0, 0.4.1 and 0.16.0: the first answer comes after 0.2 to 11 ms; without the empty line a
WebSocket server waits 10 s for the rest of its request.

PYTEST_DONT_REWRITE
"""

import contextlib
import socket
import threading
from collections import deque
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


class Patience(NamedTuple):
    """More time for a peer that takes the connection and says nothing, as a server does that loads an SFD.

    :ivar deadline: counts instead of the usual one, once the connection is made.
    :ivar tell: called every second with what is seen.
    """

    deadline: Deadline
    tell: Callable[[str], None]


_RECEIVE_SIZE = 1 << 16
_EMPTY_LINE = b"\r\n\r\n"
_GREETING = (GET_STATUS, GET_DEVICE_INFO, GET_LOADED_SFD)


def open_link(
    hostname: str,
    port: int,
    deadline: Deadline,
    transport: Transport = "auto",
    patience: Patience | None = None,
) -> Link:
    """Return a connection to a Scrutiny server.

    :raises ConnectTimeout: if that takes longer than the deadline allows.
    :raises RemoteProtocolError: if the peer is something else.
    :raises ConnectionError: if there is none.
    """
    return _Search(hostname, port, deadline, transport, patience).find()


_START = "Start one, or check host and port."
_WAIT = (
    "Start one, or check host and port; a server that hangs, or is loading a large firmware description, "
    "says nothing either: look into its log, or give it more time."
)
_TELL_EVERY = 1.0  # seconds


class _Refusal(Exception):
    """Why one address gave no connection.

    :ivar is_silent: it took the connection and said nothing.
    """

    def __init__(
        self,
        reason: str,
        kind: type[ConnectionError] = ConnectionError,
        *,
        advice: str = _START,
        is_silent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.advice, self.is_silent = reason, kind, advice, is_silent


class _Search:
    """One call of ``open_link``: the name, its addresses, and what each of them said."""

    def __init__(
        self, hostname: str, port: int, deadline: Deadline, transport: Transport, patience: Patience | None
    ) -> None:
        self._hostname = hostname
        self._port = port
        self._deadline = deadline
        self._transport = transport
        self._patience = patience or Patience(deadline, lambda _: None)

    def find(self) -> Link:
        """Return the first connection that an address gives."""
        addresses = deque(self._resolve())
        refusals: dict[str, _Refusal] = {}
        asked_again: set[str] = set()
        while addresses:
            address = addresses.popleft()
            shown = _show(address)
            try:
                return self._try(address, len(addresses) + 1)
            except _Refusal as refusal:
                refusals[shown] = refusal
                if refusal.is_silent and addresses and shown not in asked_again:
                    asked_again.add(shown)
                    addresses.append(address)
        raise self._complaint(refusals)

    def _try(self, address: Address, count: int) -> Link:
        """Try an address, with its share of the time; the last one of ``count`` has all that is left."""
        dial = listen = Deadline(self._deadline.remaining() / count)
        if count == 1:
            dial, listen = self._deadline, self._patience.deadline
        attempt = _Attempt(address, self._hostname, self._port, self._transport)
        attempt.dial, attempt.listen, attempt.tell = dial, listen, self._patience.tell
        try:
            return attempt.open()
        except _Refusal as refusal:
            if refusal.kind is ConnectTimeout:
                seconds = (listen if refusal.is_silent else dial).timeout
                refusal.reason += f" within {round(seconds, 1) if count > 1 else seconds:g} s"
            raise

    def _complaint(self, refusals: Mapping[str, _Refusal]) -> ConnectionError:
        silent = [refusal for refusal in refusals.values() if refusal.is_silent]
        order = (ConnectTimeout, RemoteProtocolError, ConnectionError)  # what cost time tells most
        worst = silent[0] if silent else min(refusals.values(), key=lambda refusal: order.index(refusal.kind))
        reasons = [refusal.reason for refusal in refusals.values()]
        if len(refusals) > 1:
            reasons = [f"{shown}: {refusal.reason}" for shown, refusal in refusals.items()]
        error = worst.kind(self._text("; ".join(reasons), worst.advice))
        if isinstance(error, ConnectTimeout):
            error.is_silent = worst.is_silent
        error.__cause__ = worst.__cause__
        return error

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
        thread.join(self._deadline.remaining())
        if not outcome:
            late = f"the host name is still not resolved within {self._deadline.timeout:g} s"
            raise ConnectTimeout(self._text(late, _START))
        if isinstance(outcome[0], Exception):
            raise ConnectionError(
                f"cannot connect to {self._where}: unknown host ({outcome[0]}); "
                "expected a name or an address. Check the spelling of the host."
            ) from outcome[0]
        return outcome[0]

    @property
    def _where(self) -> str:
        host = f"[{self._hostname}]" if ":" in self._hostname else self._hostname
        return f"{host}:{self._port}"

    def _text(self, reason: str, advice: str) -> str:
        return f"cannot connect to {self._where}: {reason}; expected a Scrutiny server there. {advice}"


class _Attempt:
    """One address; it raises _Refusal if there is no Scrutiny server.

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
                raise _Refusal("it closed the connection during the WebSocket upgrade")
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
            raise _Refusal(str(exc)) from exc
        with _closed_on_error(sock):
            try:
                sock.settimeout(max(self.dial.remaining(), 0.001))
                sock.connect(address)
                _refuse_self_connection(sock)
            except TimeoutError as exc:
                raise _Refusal("nothing answers at that address", ConnectTimeout) from exc
            except OSError as exc:
                reason = "refused" if isinstance(exc, ConnectionRefusedError) else str(exc)
                raise _Refusal(reason) from exc
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
                raise _Refusal(f"it accepted the connection and closed it {word}")
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

    def _dropped(self, exc: OSError, otherwise: str) -> _Refusal:
        if isinstance(exc, TimeoutError):
            reason = f"{self._taken} and {otherwise}"
            return _Refusal(reason, ConnectTimeout, advice=_WAIT, is_silent=True)
        return _Refusal(f"it dropped the connection ({exc})")

    def _stranger(self, what: str) -> _Refusal:
        advice = _START
        if self._transport != "auto":
            advice += f" Only {self._transport} was tried, as asked for: name no transport to try both."
        return _Refusal(what, RemoteProtocolError, advice=advice)


def _show(address: Address) -> str:
    host = str(address[3][0])
    return f"[{host}]" if ":" in host else host


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
