"""Datagrams: how releases 0.4 and later cut a TCP stream into messages.

A datagram is ``<SCRUTINY size=HEX flags=FLAGS>`` and then ``size`` bytes of payload: zlib data if FLAGS
has ``c``, plain otherwise; then 16 bytes of MD5 over the payload as sent if FLAGS has ``h``.

Rule 1: a client is strict. Whatever is not a datagram ends the connection with RemoteProtocolError,
    because the skipped bytes may be a reply that somebody waits for.
Rule 2: a server is lenient, as real servers are: it drops what it cannot use and looks for the next header.
Rule 3: sizes are bounded before memory is spent, also after inflation.

Source: scrutinydebugger 0.16.0, tools/stream_datagrams.py and server/api/tcp_client_handler.py.

PYTEST_DONT_REWRITE
"""

import hashlib
import logging
import re
import zlib
from collections.abc import Iterator
from typing import Protocol

from pytest_scrutiny.errors import RemoteProtocolError

MTU = 1 << 20
"""The largest payload, as sent, that a real server takes or sends (0.4.1 to 0.16.0, observed)."""

MAX_PAYLOAD = 16 << 20
"""What a client takes: sixteen times a real server's limit, in case a later server raises it."""

MAX_INFLATED = 64 << 20
"""What a payload may inflate to: the largest reply seen is 6 MB (0.16.0, 100,000 variables on one page)."""

COMPRESS_FROM = 200
"""Payload bytes from which deflate pays: below it costs more time than the bytes it saves."""

HEADER_PREFIX = b"<SCRUTINY size="
_HEADER = re.compile(rb"<SCRUTINY size=([0-9a-fA-F]{1,16}) flags=(c?h?)>")
_HEADER_LIMIT = len(b"<SCRUTINY size=0123456789abcdef flags=ch>")
_HASH_SIZE = 16
_PIECE = 4 << 20  # bytes inflated at a time
_DEFLATE_RATIO = 1032  # deflate cannot do better, so a small payload needs no watching while it inflates

logger = logging.getLogger(__name__)


class Framing(Protocol):
    """What cuts a byte stream into payloads; datagrams and websockets are the two kinds."""

    def encode(self, payload: bytes) -> bytes:
        """Return the bytes to send for one payload."""

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer, in any chunking; ``data`` may be reused afterwards."""

    def payloads(self) -> Iterator[bytes]:
        """Return the payloads that are complete, each once.

        :raises RemoteProtocolError: after the payloads before the fault, and again on every later call.
        """

    def data_to_send(self) -> bytes:
        """Return what the framing itself owes the peer (pongs); ``b""`` mostly."""

    @property
    def rest(self) -> str:
        """What there is of a message whose end has not come; ``""`` if nothing, or if nobody knows."""

    def encode_close(self) -> bytes:
        """Return the farewell to send before the socket is closed; ``b""`` where there is none."""

    def forget(self) -> None:
        """Free the memory of what was received; the connection has ended."""


def encode_datagram(payload: bytes, *, compress: bool | None = None, with_hash: bool = True) -> bytes:
    """Return ``payload`` as one datagram.

    :param compress: None compresses from COMPRESS_FROM bytes on.
    :raises ValueError: if the payload is larger, as sent, than any server takes.
    """
    if compress is None:
        compress = len(payload) >= COMPRESS_FROM
    if compress:
        payload = zlib.compress(payload, 1)
    check_size(payload)
    flags = ("c" if compress else "") + ("h" if with_hash else "")
    header = f"<SCRUTINY size={len(payload):x} flags={flags}>".encode()
    if with_hash:
        return b"".join((header, payload, hashlib.md5(payload, usedforsecurity=False).digest()))
    return header + payload


def check_size(payload: bytes) -> None:
    """Check that a server takes a payload of this size.

    :raises ValueError: if no server does.
    """
    if len(payload) > MTU:
        raise ValueError(
            f"a message of {len(payload)} bytes does not fit; "
            f"expected {MTU} at most, a Scrutiny server's limit; send less at once"
        )


class DatagramFraming:
    """The datagrams of one TCP connection, both directions.

    :param strict: Rule 1 (a client) or Rule 2 (a server).
    :param max_payload: bytes of one payload as sent; a larger one is refused at its header.
    """

    def __init__(
        self, *, strict: bool, max_payload: int = MAX_PAYLOAD, max_inflated: int = MAX_INFLATED
    ) -> None:
        self._strict = strict
        self._find_header = _HEADER.match if strict else _HEADER.search
        self._max_payload = max_payload
        self._max_inflated = max_inflated
        self._buffer = bytearray()
        self._start = 0  # bytes of the buffer that are done with
        self._size = -1  # payload size announced by the header before _start; -1 between datagrams
        self._flags = b""
        self._fault = ""  # what the peer did wrong; set once, for good

    def encode(self, payload: bytes) -> bytes:
        """Return the bytes to send for one payload."""
        return encode_datagram(payload)

    def data_to_send(self) -> bytes:
        """Return ``b""``: datagrams need no answers of their own."""
        return b""

    def encode_close(self) -> bytes:
        """Return ``b""``: a TCP server takes the end of the stream as farewell."""
        return b""

    def forget(self) -> None:
        """Free the memory of what was received; the connection has ended."""
        self._buffer, self._start = bytearray(), 0

    @property
    def rest(self) -> str:
        """What there is of a datagram whose end has not come; ``""`` if nothing."""
        count = len(self._buffer) - self._start
        if self._size >= 0:
            return f"{count} bytes of a message of {self._size + (_HASH_SIZE if b'h' in self._flags else 0)}"
        return f"{count} bytes of a header" if count else ""

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer, in any chunking; ``data`` may be reused afterwards."""
        if self._fault:
            return
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def payloads(self) -> Iterator[bytes]:
        """Return the payloads that are complete, each once.

        :raises RemoteProtocolError: after the payloads before the fault, and again on every later call.
        """
        while True:
            if self._fault:
                raise RemoteProtocolError(self._fault)
            if self._size < 0 and not self._read_header():
                return
            end = self._start + self._size
            after = end + (_HASH_SIZE if b"h" in self._flags else 0)
            if len(self._buffer) < after:
                return
            payload = self._read_payload(end, after)
            self._start = after
            self._size = -1
            if payload is not None:
                yield payload

    def _read_header(self) -> bool:
        while (match := self._find_header(self._buffer, self._start)) is not None:
            size, self._flags, self._start = int(match[1], 16), match[2], match.end()
            if size <= self._max_payload:
                self._size = size
                return True
            self._refuse(f"it announced a message of {size} bytes; expected {self._max_payload} at most")
            # lenient: what follows is garbage up to the next header
        if self._strict:
            self._check_header_prefix()
        else:
            self._start = max(self._start, len(self._buffer) - _HEADER_LIMIT)
        return False

    def _check_header_prefix(self) -> None:
        """Fail as soon as the bytes cannot become a header."""
        head = bytes(self._buffer[self._start : self._start + _HEADER_LIMIT])
        known = min(len(head), len(HEADER_PREFIX))
        if head[:known] != HEADER_PREFIX[:known] or b">" in head or len(head) == _HEADER_LIMIT:
            self._refuse(f"it sent {head!r}; expected a header like b'<SCRUTINY size=1f flags=ch>'")

    def _read_payload(self, end: int, after: int) -> bytes | None:
        with memoryview(self._buffer) as view, view[self._start : end] as data:
            if after > end and hashlib.md5(data, usedforsecurity=False).digest() != view[end:after]:
                fault = f"the checksum of a message of {end - self._start} bytes is wrong"
            elif b"c" not in self._flags:
                return bytes(data)
            else:
                try:
                    return inflate(data, self._max_inflated)
                except ValueError as exc:
                    fault = str(exc)
        self._refuse(fault)
        return None

    def _refuse(self, what: str) -> None:
        """Fail for good (Rule 1) or drop and go on (Rule 2)."""
        if not self._strict:
            logger.debug("! dropped a datagram: %s", what)
            return
        self._fault = f"the server broke the protocol: {what}; the connection is of no use any more"
        raise RemoteProtocolError(self._fault)


def inflate(data: bytes | memoryview, limit: int) -> bytes:
    """Return the inflated data.

    :raises ValueError: if it is not zlib data, is cut short, or inflates to more than ``limit`` bytes.
    """
    try:
        if len(data) * _DEFLATE_RATIO <= limit:
            return zlib.decompress(data)
        inflator = zlib.decompressobj()
        pieces, size, rest = [], 0, data
        # In pieces: in one go zlib takes three times the limit before it can say that it is passed.
        while size <= limit and (piece := inflator.decompress(rest, min(_PIECE, limit + 1 - size))):
            pieces.append(piece)
            size += len(piece)
            rest = inflator.unconsumed_tail
    except zlib.error as exc:
        raise ValueError(f"a message of {len(data)} bytes cannot be inflated ({exc})") from exc
    if size > limit:
        raise ValueError(
            f"a message of {len(data)} bytes inflates to more than {limit}; that much is refused"
        )
    if not inflator.eof:
        raise ValueError(f"a message of {len(data)} bytes cannot be inflated (it is cut short)")
    return b"".join(pieces)
