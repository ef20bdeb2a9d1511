"""Wire bytes made by hand, so that the package's encoders are not judged by themselves."""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.protocol.framing import Framing
from pytest_scrutiny.protocol.websocket import ClientWebSocket, ServerWebSocket

TEXT, BINARY, CONT, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
MASK = b"\x37\xfa\x21\x3d"


def datagram(size: str, flags: str, body: bytes, checksum: bytes | None = None) -> bytes:
    """Return a datagram with the header as given; the right checksum unless another is given."""
    if "h" in flags and checksum is None:
        checksum = hashlib.md5(body).digest()
    return f"<SCRUTINY size={size} flags={flags}>".encode() + body + (checksum or b"")


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = False) -> bytes:
    """Return a WebSocket frame; a client's are masked."""
    first = (0x80 if fin else 0) | opcode
    mask_bit = 0x80 if masked else 0
    if len(data) < 126:
        head = struct.pack("!BB", first, mask_bit | len(data))
    elif len(data) < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(data))
    return head + MASK + masking(data, MASK) if masked else head + data


def masking(data: bytes, mask: bytes) -> bytes:
    """Return masked data unmasked, and the other way round."""
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")


def close_frame(code: int, reason: str = "", *, masked: bool = False) -> bytes:
    """Return a goodbye."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode(), masked=masked)


def cut(data: bytes, points: Iterable[int]) -> Iterator[bytes]:
    """Return the chunks of data between the points."""
    start = 0
    for point in sorted({min(point, len(data)) for point in points}):
        yield data[start:point]
        start = point
    yield data[start:]


def one_by_one(data: bytes) -> Iterator[bytes]:
    """Return every byte as a chunk of its own."""
    return cut(data, range(1, len(data)))


def received(framing: Framing, chunks: Iterable[bytes]) -> list[bytes]:
    """Return the payloads of these chunks, asked for after every one of them."""
    payloads: list[bytes] = []
    for chunk in chunks:
        framing.receive_data(chunk)
        payloads += framing.payloads()
    return payloads


def received_until_error(framing: Framing, chunks: Iterable[bytes]) -> tuple[list[bytes], ConnectionError]:
    """Return the payloads of these chunks up to the error, and the error."""
    payloads: list[bytes] = []
    try:
        for chunk in chunks:
            framing.receive_data(chunk)
            payloads.extend(framing.payloads())
    except ConnectionError as exc:
        return payloads, exc
    raise AssertionError(f"no error, and {payloads}")


def open_websockets() -> tuple[ClientWebSocket, ServerWebSocket]:
    """Return both ends of a WebSocket connection that is open."""
    client, server = ClientWebSocket("127.0.0.1", 8765), ServerWebSocket()
    server.receive_data(client.encode_upgrade())
    assert server.receive_upgrade()
    client.receive_data(server.data_to_send())
    assert client.receive_upgrade()
    return client, server
