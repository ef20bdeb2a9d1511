"""What a user reads when something else is at the port: each peer is played, and compared with docs/peers.md.

SCRUTINY_TEST_GOLDEN=rewrite writes the page's rows anew instead of comparing.
"""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_scrutiny.fakeserver import faults as make
from pytest_scrutiny.fakeserver.faults import Fault
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.client.strangers import (
    BAD_REQUEST,
    NOT_FOUND,
    Talk,
    closes,
    full_port,
    is_mute,
    listening,
    on_both_loopbacks,
    says,
    slams,
)
from tests.plugin.quick import quicken
from tests.plugin.test_gate_stories import read_error

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"
IS_REWRITING = os.environ.get("SCRUTINY_TEST_GOLDEN") == "rewrite"


class PeerAt(NamedTuple):
    """Something at a port.

    :ivar play: gives the port while it is there.
    :ivar is_late: what is read is that time ran out, so there is little of it.
    :ivar address: the options that name it.
    """

    play: Callable[[pytest.MonkeyPatch], AbstractContextManager[int]]
    host: str = "127.0.0.1"
    is_late: bool = False
    address: tuple[str, ...] = ("--scrutiny-host={host}", "--scrutiny-port={port}")


def stranger(*talks: Talk, is_late: bool = False) -> PeerAt:
    """Return a peer that has one of the talks on each connection."""
    return PeerAt(lambda _: listening(*talks), is_late=is_late)


def broken(fault: Fault, release: str = "0.16.0", *, is_late: bool = False) -> PeerAt:
    """Return a server of ours with a fault, and without a device, so that nothing is pushed."""

    @contextlib.contextmanager
    def play(_: pytest.MonkeyPatch) -> Iterator[int]:
        with FakeServer(release, faults=[fault], ready_delay=None) as server:
            yield server.port

    return PeerAt(play, is_late=is_late)


@contextlib.contextmanager
def closed_port(_: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    yield port


def says_and_stays(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        says(answer)(connection)
        is_mute(connection)

    return talk


def drops(connection: socket.socket) -> None:
    connection.recv(4096)
    slams(connection)


SSH = says(b"SSH-2.0-OpenSSH_9.2p1\r\n")
PEERS = {
    "nobody": PeerAt(closed_port),
    "an unknown host": PeerAt(closed_port, host="no-such-host.invalid"),
    "an address that drops packets": PeerAt(lambda _: full_port(), is_late=True),
    "one that takes the connection and says nothing": stranger(is_mute, is_late=True),
    "one that closes at once": stranger(closes),
    "one that drops the connection": stranger(drops),
    "an HTTP server": stranger(says(BAD_REQUEST), says(NOT_FOUND)),
    "an HTTP server that answers with a page": stranger(says(b"<!DOCTYPE html><html>Bad request")),
    "an HTTP server that does not answer the second question": stranger(
        says(BAD_REQUEST), is_mute, is_late=True
    ),
    "an HTTP server that closes on the second question": stranger(says(BAD_REQUEST), closes),
    "an SSH server": stranger(SSH),
    "a TLS server": stranger(says(b"\x15\x03\x01\x00\x02\x02\x46")),
    "a mail server": stranger(says(b"220 mail.example.org ready\r\n")),
    "a WebSocket server of old, and only TCP was asked for": PeerAt(
        lambda _: listening(says(BAD_REQUEST)), address=("--scrutiny-url=tcp://{host}:{port}",)
    ),
    "two addresses of one name": PeerAt(lambda patch: on_both_loopbacks(None, SSH, patch), "localhost"),
    "garbage": stranger(says(b"\xff\x00\x17 this is no message \xfe\r\n")),
    "garbage, WebSocket": broken(make.garbage(), "0.3.0"),
    "a message larger than any": broken(make.huge()),
    "a message larger than any, WebSocket": broken(make.huge(), "0.3.0"),
    "a wrong checksum": broken(make.bad_hash()),
    "a bomb": broken(make.bomb()),
    "what is no JSON, WebSocket": broken(make.garble(), "0.3.0"),
    "the beginning of a header, then nothing": stranger(says_and_stays(b"<SCRU"), is_late=True),
    "half a message, then nothing": broken(make.half(), is_late=True),
    "half a message, then nothing, WebSocket": broken(make.half(), "0.3.0", is_late=True),
    "the end of the connection after 10 bytes": broken(make.cut(10)),
    "the end of the connection after 100 bytes": broken(make.cut(100)),
    "the end of the connection after 10 bytes, WebSocket": broken(make.cut(10), "0.3.0"),
    "the welcome and nothing else": broken(make.unanswered(), is_late=True),
    "an error to each question": broken(make.internal_error("get_server_status", 999), is_late=True),
}
CONNECT, READY = 0.15, 0.3  # seconds, for what runs out of time


def as_on_the_page(text: str, peer: PeerAt, port: int) -> str:
    """Return the text with the page's port, times, and this system's words for errors."""
    text = text.replace(f"{peer.host}:{port}", f"{peer.host}:8765")
    if peer.is_late:
        text = text.replace(f"within {READY:g} s", "within 10 s").replace(
            f"within {CONNECT:g} s", "within 5 s"
        )
        text = text.replace("time: --scrutiny-ready", "time: default of --scrutiny-ready")
    text = re.sub(r"unknown host \(.*?\);", "unknown host ([Errno -2] Name or service not known);", text)
    text = re.sub(r"\d+ bytes of a message of \d+", "34 bytes of a message of 94", text)
    text = re.sub(r"a message of \d\d bytes is wrong", "a message of 78 bytes is wrong", text)
    return re.sub(r"Errno \d+\] [A-Z]\w+ reset", "Errno 104] Connection reset", text)


def rows() -> dict[str, tuple[str, str]]:
    """Return ``{peer: (category, text)}`` of the page."""
    found = re.findall(r"^\| (.+?) \| (\w+) \| `(.+)` \|$", PAGE.read_text("utf-8"), re.M)
    return {peer: (category, text) for peer, category, text in found}


def rewrite(name: str, row: tuple[str, str]) -> None:
    page = PAGE.read_text("utf-8")
    line = f"| {name} | {row[0]} | `{row[1]}` |"
    old = re.compile(rf"^\| {re.escape(name)} \|.*$", re.M)
    assert old.search(page), f"put a row that begins with {name} where it belongs"
    PAGE.write_text(old.sub(lambda _: line, page), "utf-8")


@pytest.mark.parametrize("name", PEERS)
def test_what_is_read_is_what_the_page_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    peer = PEERS[name]
    if name == "an address that drops packets" and sys.platform != "linux":
        pytest.skip("only Linux drops packets when a backlog is full")
    if peer.is_late:
        quicken(monkeypatch, CONNECT)

    with peer.play(monkeypatch) as port:
        address = [option.format(host=peer.host, port=port) for option in peer.address]
        options = (*address, *((f"--scrutiny-ready-timeout={READY}",) if peer.is_late else ()))
        category, text = read_error(pytester, *options, fixtures="scrutiny_device")

    row = category, as_on_the_page(text, peer, port)
    if IS_REWRITING:
        rewrite(name, row)
    assert row == rows()[name]


def test_the_page_tells_of_nobody_else() -> None:
    assert [*rows()] == [*PEERS]
