"""Datagrams: one table run both ways, whole, byte by byte and with data behind."""

import hashlib
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.protocol.framing import (
    COMPRESS_FROM,
    MAX_PAYLOAD,
    MTU,
    DatagramFraming,
    encode_datagram,
    inflate,
)
from tests.protocol.wire import cut, datagram, one_by_one, received, received_until_error

ECHO = b'{"cmd":"echo"}'  # 14 bytes: size=e
LONG = b'{"cmd":"echo","payload":"' + b"x" * 200 + b'"}'  # 227 bytes: size=e3
SQUEEZED = zlib.compress(LONG, 1)
SQUEEZED_SIZE = f"{len(SQUEEZED):x}"
HEADER_INSIDE = b"<SCRUTINY size=1 flags=>a"  # 25 bytes: size=19

WIRE_CASES = [
    pytest.param(ECHO, datagram("e", "", ECHO), {"compress": False, "with_hash": False}, id="plain"),
    pytest.param(ECHO, datagram("e", "h", ECHO), {"compress": False, "with_hash": True}, id="hash"),
    pytest.param(
        LONG, datagram(SQUEEZED_SIZE, "c", SQUEEZED), {"compress": True, "with_hash": False}, id="compressed"
    ),
    pytest.param(
        LONG, datagram(SQUEEZED_SIZE, "ch", SQUEEZED), {"compress": True, "with_hash": True}, id="both"
    ),
    pytest.param(LONG, datagram("e3", "h", LONG), {"compress": False}, id="two-digits"),
    pytest.param(b"", datagram("0", "h", b""), {}, id="empty"),
    pytest.param(b"", datagram("0", "", b""), {"with_hash": False}, id="empty-plain"),
    pytest.param(HEADER_INSIDE, datagram("19", "h", HEADER_INSIDE), {}, id="header-inside"),
]
"""(message, bytes, how it is encoded): encoder and decoder agree on these."""

READ_CASES = [
    pytest.param(ECHO, datagram("00e", "", ECHO), id="leading-zeros"),
    pytest.param(ECHO, datagram("000000000000000e", "h", ECHO), id="sixteen-digits"),
    pytest.param(ECHO, datagram("E", "h", ECHO), id="upper-case"),
    pytest.param(LONG, datagram("E3", "", LONG), id="upper-case-two-digits"),
    pytest.param(LONG, datagram("0e3", "h", LONG), id="zero-and-lower-case"),
    pytest.param(
        LONG,
        datagram(f"{len(zlib.compress(LONG, 9)):x}", "ch", zlib.compress(LONG, 9)),
        id="another-compression-level",
    ),
]
"""(message, bytes): what other writers may send, and our decoder takes."""

ENDS = [pytest.param(True, id="client"), pytest.param(False, id="server")]


@pytest.mark.parametrize(("message", "wire", "how"), WIRE_CASES)
def test_a_message_is_written_as_these_bytes(message: bytes, wire: bytes, how: dict[str, Any]) -> None:
    assert encode_datagram(message, **how) == wire


@pytest.mark.parametrize("strict", ENDS)
@pytest.mark.parametrize(
    ("message", "wire"), [pytest.param(*case.values[:2], id=str(case.id)) for case in WIRE_CASES] + READ_CASES
)
class TestTheseBytesAreReadAsTheMessage:
    def test_whole(self, strict: bool, message: bytes, wire: bytes) -> None:
        assert received(DatagramFraming(strict=strict), [wire]) == [message]

    def test_byte_by_byte(self, strict: bool, message: bytes, wire: bytes) -> None:
        assert received(DatagramFraming(strict=strict), one_by_one(wire)) == [message]

    def test_with_a_datagram_behind(self, strict: bool, message: bytes, wire: bytes) -> None:
        framing = DatagramFraming(strict=strict)

        assert received(framing, [wire + datagram("e", "h", ECHO)]) == [message, ECHO]
        assert received(framing, one_by_one(wire + wire)) == [message, message]

    def test_with_half_a_header_behind(self, strict: bool, message: bytes, wire: bytes) -> None:
        framing = DatagramFraming(strict=strict)

        assert received(framing, [wire + b"<SCRUTINY si"]) == [message]
        assert received(framing, [b"ze=e flags=>", ECHO]) == [ECHO]

    def test_not_before_its_last_byte(self, strict: bool, message: bytes, wire: bytes) -> None:
        framing = DatagramFraming(strict=strict)

        assert received(framing, one_by_one(wire[:-1])) == []
        assert received(framing, [wire[-1:]]) == [message]


GOOD = datagram("e", "h", ECHO)
FAULTS = [
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", r"sent b'HTTP/1.1 200 OK.*expected a header", id="http"),
    pytest.param(b"\r\n\r\n", r"sent b'\\r\\n\\r\\n<", id="empty-line"),
    pytest.param(b"<SCRUTINX", r"sent b'<SCRUTINX<", id="almost-a-header"),
    pytest.param(datagram("e", "hc", b""), r"flags=hc>.*; expected a header", id="flags-in-wrong-order"),
    pytest.param(datagram("e", "x", b""), r"flags=x><", id="unknown-flag"),
    pytest.param(datagram("", "", b""), r"size= flags=><", id="no-size"),
    pytest.param(datagram("-1", "", b""), r"size=-1", id="negative-size"),
    pytest.param(datagram("0x1", "", b"a"), r"size=0x1", id="prefixed-size"),
    pytest.param(b"<SCRUTINY size=" + b"0" * 99, r"sent b'<SCRUTINY size=0+'", id="endless-size"),
    pytest.param(
        datagram("1000001", "h", b""), r"message of 16777217 bytes; expected 16777216", id="too-big"
    ),
    pytest.param(datagram("f" * 16, "", b""), r"message of 18446744073709551615 bytes", id="far-too-big"),
    pytest.param(datagram("e", "h", ECHO, b"?" * 16), r"checksum of a message of 14 bytes", id="bad-hash"),
    pytest.param(
        datagram("e", "h", ECHO)[:-1] + b"?", r"checksum of a message of 14 bytes", id="bad-hash-at-its-end"
    ),
    pytest.param(datagram("e", "c", ECHO), r"14 bytes cannot be inflated \(Error -3", id="no-zlib"),
    pytest.param(
        datagram("e", "ch", ECHO), r"14 bytes cannot be inflated \(Error -3", id="no-zlib-but-a-hash"
    ),
    pytest.param(
        datagram(f"{len(SQUEEZED) - 5:x}", "ch", SQUEEZED[:-5]), r"cannot be inflated", id="zlib-cut-short"
    ),
    pytest.param(datagram("0", "c", b""), r"0 bytes cannot be inflated", id="no-bytes-to-inflate"),
]
"""(bytes, what the client says of them)"""


@pytest.mark.parametrize(("fault", "text"), FAULTS)
def test_a_client_fails_for_good_after_the_messages_before_the_fault(fault: bytes, text: str) -> None:
    framing = DatagramFraming(strict=True)
    framing.receive_data(GOOD + fault + GOOD)
    payloads = framing.payloads()

    assert next(payloads) == ECHO
    with pytest.raises(RemoteProtocolError, match=text):
        next(payloads)
    framing.receive_data(GOOD)
    with pytest.raises(RemoteProtocolError, match=text):
        next(framing.payloads())


@pytest.mark.parametrize("fault", [pytest.param(case.values[0], id=str(case.id)) for case in FAULTS])
def test_a_client_fails_at_the_first_byte_that_cannot_be_right(fault: bytes) -> None:
    payloads, error = received_until_error(DatagramFraming(strict=True), one_by_one(GOOD + fault + GOOD))

    assert payloads == [ECHO]
    assert type(error) is RemoteProtocolError
    assert str(error).startswith("the server broke the protocol: ")


@pytest.mark.parametrize("chunking", [lambda wire: [wire], one_by_one], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize("fault", [pytest.param(case.values[0], id=str(case.id)) for case in FAULTS])
def test_a_server_drops_the_fault_and_takes_the_next_message(
    fault: bytes, chunking: Callable[[bytes], list[bytes]]
) -> None:
    framing = DatagramFraming(strict=False)

    assert received(framing, chunking(GOOD + fault + GOOD + b"\r\n\r\n" + GOOD)) == [ECHO, ECHO, ECHO]


def test_a_server_survives_a_flood_of_headers_that_announce_too_much() -> None:
    framing = DatagramFraming(strict=False)

    assert received(framing, [datagram("fffffff", "", b"") * 5000 + GOOD]) == [ECHO]


def test_a_server_keeps_no_garbage() -> None:
    framing = DatagramFraming(strict=False)
    garbage = b"<SCRUTINY size=" * 4000

    tracemalloc.start()
    try:
        for _ in range(20):
            received(framing, [garbage])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 2 * len(garbage)
    assert received(framing, [GOOD]) == [ECHO]


def test_a_fault_shows_as_soon_as_the_bytes_cannot_become_a_header() -> None:
    for wire in (b"<", b"<SCRUTINY", b"<SCRUTINY size=1f flags=c"):
        assert received(DatagramFraming(strict=True), [wire]) == []
    for wire in (b"H", b"<SCRUTINYsize", b"<SCRUTINY size=1f flags=q>"):
        with pytest.raises(RemoteProtocolError, match="the server broke the protocol"):
            received(DatagramFraming(strict=True), [wire])


def test_payloads_can_be_taken_one_at_a_time() -> None:
    framing = DatagramFraming(strict=True)
    framing.receive_data(datagram("1", "", b"a") + datagram("1", "", b"b"))

    assert next(framing.payloads()) == b"a"
    framing.receive_data(datagram("1", "", b"c"))
    assert list(framing.payloads()) == [b"b", b"c"]


def test_the_receive_buffer_may_be_reused() -> None:
    framing = DatagramFraming(strict=True)
    buffer = bytearray(GOOD)

    framing.receive_data(memoryview(buffer))
    buffer[:] = b"\xff" * len(buffer)

    assert list(framing.payloads()) == [ECHO]


def test_the_framing_itself_owes_nothing() -> None:
    framing = DatagramFraming(strict=True)

    assert (framing.data_to_send(), framing.encode_close()) == (b"", b"")


# Size limits


def test_messages_are_compressed_from_the_size_where_it_pays() -> None:
    small, large = b"x" * (COMPRESS_FROM - 1), b"x" * COMPRESS_FROM

    assert DatagramFraming(strict=True).encode(small).startswith(b"<SCRUTINY size=c7 flags=h>")
    assert b" flags=ch>" in DatagramFraming(strict=True).encode(large)[:30]


def test_a_message_that_no_server_takes_is_not_encoded() -> None:
    assert encode_datagram(bytes(MTU), compress=False).startswith(b"<SCRUTINY size=100000 flags=h>")
    with pytest.raises(ValueError, match=r"1048577 bytes does not fit; expected 1048576 at most"):
        encode_datagram(bytes(MTU + 1), compress=False)


def test_the_size_limit_is_for_the_message_as_sent() -> None:
    assert len(encode_datagram(bytes(4 * MTU))) < MTU


def test_sixteen_mib_are_taken_and_one_byte_more_is_refused_at_the_header() -> None:
    framing = DatagramFraming(strict=True)
    size = MAX_PAYLOAD

    (payload,) = received(framing, [datagram(f"{size:x}", "", b""), bytes(size)])

    assert len(payload) == size
    with pytest.raises(RemoteProtocolError, match="message of 16777217 bytes"):
        received(framing, [datagram(f"{size + 1:x}", "", b"")])


def test_the_limit_can_be_a_real_servers() -> None:
    framing = DatagramFraming(strict=False, max_payload=14)

    assert received(framing, [datagram("f", "", b" " + ECHO), GOOD]) == [ECHO]


@pytest.mark.parametrize("limit", [0, 1, 1000, 10_000])
def test_inflation_stops_at_its_limit(limit: int) -> None:
    assert inflate(zlib.compress(bytes(limit)), limit) == bytes(limit)
    with pytest.raises(ValueError, match=f"inflates to more than {limit}; that much is refused"):
        inflate(zlib.compress(bytes(limit + 1)), limit)


def test_a_bomb_costs_no_more_memory_than_its_limit() -> None:
    bomb = zlib.compress(bytes(8 << 20))
    framing = DatagramFraming(strict=True, max_inflated=64 << 10)

    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError, match="inflates to more than 65536"):
            received(framing, [datagram(f"{len(bomb):x}", "ch", bomb)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 512 << 10


def test_small_messages_inflate_in_one_go_and_are_checked_all_the_same() -> None:
    with pytest.raises(ValueError, match="cannot be inflated"):
        inflate(SQUEEZED[:-1], 1 << 30)
    with pytest.raises(ValueError, match="cut short"):
        inflate(SQUEEZED[:-1], len(LONG))


def test_a_large_datagram_in_small_chunks_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(4 << 20)
    wire = datagram(f"{len(body):x}", "h", body)
    hashed: list[int] = []
    real_md5 = hashlib.md5

    def md5(data: memoryview, *, usedforsecurity: bool) -> object:
        hashed.append(len(data))
        return real_md5(data, usedforsecurity=usedforsecurity)

    monkeypatch.setattr(hashlib, "md5", md5)
    framing = DatagramFraming(strict=True)
    searched = count_searched_bytes(framing, monkeypatch)

    payloads = received(framing, cut(wire, range(0, len(wire), 64 << 10)))

    assert [len(payload) for payload in payloads] == [len(body)]
    assert hashed == [len(body)]
    assert len(searched) <= 3


def count_searched_bytes(framing: DatagramFraming, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that will hold the number of bytes each search for a header had before it."""
    searched: list[int] = []
    find = framing._find_header

    def find_header(data: bytearray, start: int) -> object:
        searched.append(len(data) - start)
        return find(data, start)

    monkeypatch.setattr(framing, "_find_header", find_header)
    return searched


def test_garbage_in_small_chunks_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    framing = DatagramFraming(strict=False)
    searched = count_searched_bytes(framing, monkeypatch)

    received(framing, [b"x" * 100] * 100)

    assert sum(searched) <= 100 * (100 + 41)  # 41: the longest header that may have begun


def test_a_bomb_is_refused_before_it_takes_much_more_than_the_limit() -> None:
    limit = 32 << 20
    bomb = zlib.compress(bytes(limit * 3), 9)
    tracemalloc.start()
    with pytest.raises(ValueError, match="that much is refused"):
        inflate(bomb, limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1.5 * limit
