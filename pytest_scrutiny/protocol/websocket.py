"""WebSocket messages: how releases 0.1 to 0.3 cut a TCP stream into messages.

The library ``websockets`` does the work with its I/O-free half; here it gets the methods of Framing.
Text and binary messages are the same to a Scrutiny server: it takes both and answers with text.

Rule 1: this module is imported only when a WebSocket server was met (or is faked); it costs 24 ms.
Rule 2: no compression is offered: nothing here is large, and less can go wrong.

PYTEST_DONT_REWRITE
"""

from collections import deque
from collections.abc import Iterator
from typing import NoReturn

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from pytest_scrutiny.errors import ConnectionError, RemoteProtocolError
from pytest_scrutiny.protocol.framing import MAX_PAYLOAD, MTU, check_size


class WebSocketFraming:
    """The messages of one WebSocket connection that is open; what both sides share."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._events: deque[Event] = deque()  # what the library has read and nobody has looked at yet
        self._partial: bytearray | None = None  # the fragments of a message whose end is still to come

    @property
    def is_open(self) -> bool:
        """Whether the opening handshake is done and nobody has said goodbye."""
        return self._protocol.state is State.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether the peer said goodbye, or broke the protocol."""
        return self._protocol.state in (State.CLOSING, State.CLOSED)

    def encode(self, payload: bytes) -> bytes:
        """Return the bytes to send for one payload.

        :raises ConnectionError: if the connection is not open, or not any more.
        """
        if not self.is_open:
            self._raise_closed()
        self._protocol.send_text(payload)
        return self.data_to_send()

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer, in any chunking; ``data`` may be reused afterwards."""
        if not self.is_closed:
            self._protocol.receive_data(bytes(data))

    def payloads(self) -> Iterator[bytes]:
        """Return the payloads that are complete, each once.

        :raises RemoteProtocolError: after the payloads before the fault, and again on every later call.
        :raises ConnectionError: likewise, if the peer said goodbye as it should.
        """
        self._events += self._protocol.events_received()
        while self._events:
            event = self._events.popleft()
            payload = self._collect(event) if isinstance(event, Frame) else None
            if payload is not None:
                yield payload
        if self.is_closed:
            self._raise_closed()

    def _collect(self, frame: Frame) -> bytes | None:
        """Return the message that ``frame`` completes, if it does."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if self._partial is None:
            if frame.fin:
                return bytes(frame.data)
            self._partial = bytearray()
        self._partial += frame.data  # bytes, not a list of parts: any number of empty ones costs nothing
        if not frame.fin:
            return None
        message, self._partial = bytes(self._partial), None
        return message

    def _raise_closed(self) -> NoReturn:
        fault = self._protocol.parser_exc
        if fault is not None and not isinstance(fault, EOFError):
            raise RemoteProtocolError(f"the peer broke the WebSocket protocol: {fault}") from fault
        raise ConnectionError(
            f"the peer closed the WebSocket: {self._protocol.close_rcvd or 'without a word'}"
        )

    @property
    def rest(self) -> str:
        """Return ``""``: the library does not tell what it has of a message."""
        return ""

    def data_to_send(self) -> bytes:
        """Return what the framing itself owes the peer: pongs and the close frame."""
        return b"".join(self._protocol.data_to_send())

    def encode_close(self) -> bytes:
        """Return the close frame; ``b""`` if the connection is not open."""
        if self.is_open:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        return self.data_to_send()

    def forget(self) -> None:
        """Free the memory of what was received; the connection has ended."""
        self._events.clear()
        self._partial = None


class ClientWebSocket(WebSocketFraming):
    """The client's end.

    :param hostname: as the user wrote it, for the Host header.
    """

    def __init__(self, hostname: str, port: int) -> None:
        host = f"[{hostname}]" if ":" in hostname else hostname
        self._client = ClientProtocol(parse_uri(f"ws://{host}:{port}/"), max_size=MAX_PAYLOAD)
        super().__init__(self._client)

    def encode(self, payload: bytes) -> bytes:
        """Return the bytes to send for one payload.

        :raises ValueError: if the payload is larger than a server takes: it would close the connection.
        :raises ConnectionError: if the connection is not open, or not any more.
        """
        check_size(payload)
        return super().encode(payload)

    def encode_upgrade(self) -> bytes:
        """Return the HTTP request that opens the WebSocket."""
        self._client.send_request(self._client.connect())
        return self.data_to_send()

    def receive_upgrade(self) -> bool:
        """Return whether the upgrade is complete; call after ``receive_data``.

        :raises RemoteProtocolError: if the peer is an HTTP server but not a WebSocket one, or speaks no HTTP.
        """
        exc = self._client.handshake_exc
        if isinstance(exc, InvalidStatus):
            response = exc.response
            answer = f"{response.status_code} {response.reason_phrase}"
            raise RemoteProtocolError(f"an HTTP server refused the WebSocket upgrade with {answer}") from exc
        if exc is not None:
            raise RemoteProtocolError(f"the WebSocket upgrade failed: {_chain(exc)}") from exc
        return self.is_open


class ServerWebSocket(WebSocketFraming):
    """The server's end, with a real server's message limit.

    :ivar is_refused: the peer spoke no HTTP, or no WebSocket: send ``data_to_send`` and close.
    """

    def __init__(self) -> None:
        self._server = ServerProtocol(max_size=MTU)
        super().__init__(self._server)
        self.is_refused = False
        self._last_words = b""

    def receive_upgrade(self) -> bool:
        """Return whether the upgrade is complete; call after ``receive_data``, then send ``data_to_send``."""
        if self._server.state is not State.CONNECTING:
            return self.is_open
        self._events += self._server.events_received()
        while self._events and not self.is_open:
            event = self._events.popleft()
            if isinstance(event, Request) and not self._is_broken:
                self._server.send_response(self._server.accept(event))
        if self._is_broken and not self.is_refused:
            self.is_refused = True
            self._last_words = b"".join(self._server.data_to_send()) or BAD_REQUEST
        return self.is_open

    @property
    def _is_broken(self) -> bool:
        # The library reads on behind the request before we have answered it, and fails if that is no frame.
        return self._server.handshake_exc is not None or self._server.parser_exc is not None

    def data_to_send(self) -> bytes:
        """Return what the framing itself owes the peer: the upgrade's answer, pongs, the close frame."""
        data, self._last_words = self._last_words + super().data_to_send(), b""
        return data


BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
"""What a WebSocket server says to a peer that speaks no HTTP; the library only closes."""


def _chain(exc: BaseException) -> str:
    """Return the text of an exception and of what caused it: the library hides the reason in the cause."""
    texts = []
    cause: BaseException | None = exc
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    return ": ".join(texts)
