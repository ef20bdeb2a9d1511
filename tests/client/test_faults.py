"""What a user reads when the server, its device, or the way to it is in trouble: the table of docs/faults.md.

Each case ends within its timeout and leaves no thread and no socket.
"""

import re

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    ConnectionError,
    ConnectTimeout,
    OperationFailure,
    RemoteProtocolError,
    TimeoutException,
)
from pytest_scrutiny.fakeserver import faults as make
from pytest_scrutiny.fakeserver.faults import Fault
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.client.trouble import RELEASES, TIMEOUT, Kind, raised_in_time, watching
from tests.clock import MS, SECOND

pytestmark = pytest.mark.usefixtures("leaves_nothing")


# While connecting

LATE = (
    rf"no server status came within {TIMEOUT:g} s{{}}; expected one at once\. Check that the server is not "
)
WELCOME = LATE.format(", but its welcome and nothing else")
HALF = LATE.format(r", but \d+ bytes of a (message of \d+|header), and no more")
REFUSED = LATE.format(", but it answered get_server_status with the error 'Internal error'")
LATE = LATE.format("")
CLOSED = r"the server closed the connection; expected a server status\. Look into the server's log"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("fault", "kind", "tcp", "websocket"),
    [
        (make.drop(), ConnectTimeout, r"it accepted the connection and says nothing within", LATE),
        (make.drop_request(), ConnectTimeout, WELCOME, LATE),
        (make.unanswered("get_server_status"), ConnectTimeout, WELCOME, LATE),
        (make.half(), ConnectTimeout, HALF, LATE),
        (make.internal_error("get_server_status", 99), ConnectTimeout, REFUSED, REFUSED),
        (make.drip(16, 50 * MS), ConnectTimeout, HALF, LATE),
        (
            make.drip(4, 50 * MS),
            ConnectTimeout,
            r"it accepted the connection and sent only b'<SCR[^']*' within",
            LATE,
        ),
        (make.cut(0), ConnectionError, r"it accepted the connection and closed it without a word", CLOSED),
        (make.cut(10), ConnectionError, r"and closed it after b'<SCRUTINY '; expected a Scrutiny", CLOSED),
        (make.cut(100), ConnectionError, CLOSED, CLOSED),
        (
            make.garble(),
            RemoteProtocolError,
            r"the server broke the protocol: the checksum of a message of \d+ bytes is wrong",
            r"the server sent what is no JSON \(.*\): b'",
        ),
        (make.bad_hash(), RemoteProtocolError, r"the checksum of a message of \d+ bytes is wrong", None),
        (
            make.huge(),
            RemoteProtocolError,
            r"it announced a message of 1099511627776 bytes; expected 16777216 at most",
            r"the peer broke the WebSocket protocol: frame with 1099511627776 bytes exceeds limit of",
        ),
        (make.bomb(), RemoteProtocolError, r"inflates to more than 67108864; that much is refused", None),
        (
            make.garbage(),
            RemoteProtocolError,
            r"it sent b'\\xff\\x00\\x17 this is no message .*; expected a Scrutiny server there",
            r"the peer broke the WebSocket protocol: invalid opcode",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_fault_while_connecting_is_told(
    release: str, fault: Fault, kind: Kind, tcp: str, websocket: str | None
) -> None:
    text = websocket if release == "0.3.0" else tcp
    if text is None:
        pytest.skip("this fault needs datagrams")
    # What is broken shows at once; a bomb takes a moment to refuse. Without a device nothing is pushed.
    timeout = 5 * SECOND if kind is RemoteProtocolError else TIMEOUT
    with FakeServer(release, faults=[fault], ready_delay=None) as server:
        client = ScrutinyClient(timeout=timeout)
        limit = 1 * SECOND if fault.name == "bomb" else TIMEOUT  # inflating 64 MiB is work
        said = raised_in_time(kind, lambda: client.connect(server.host, server.port), limit)

    assert said.startswith(f"cannot connect to 127.0.0.1:{server.port}: ")
    assert re.search(text, said)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "fault",
    [
        make.delay(10 * MS),
        make.drip(128, MS),
        make.one_byte(),
        make.internal_error("get_device_info"),
        make.internal_error("get_loaded_sfd"),
    ],
    ids=lambda fault: fault.name,
)
def test_what_is_only_slow_or_passing_is_no_trouble(release: str, fault: Fault) -> None:
    with FakeServer(release, faults=[fault]) as server, watching(server) as (_client, handle):
        handle.write(2.0)

        assert server.get("/psu/setpoint") == 2.0


# In the middle of a test

BROKEN = r"the server broke the protocol: |the server sent what is no JSON|the peer broke the WebSocket"
INCOMPLETE = rf"the write of 2\.0 to /psu/setpoint was not completed within {TIMEOUT:g} s"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (make.garble(), RemoteProtocolError, BROKEN),
        (make.huge(), RemoteProtocolError, BROKEN),
        (make.garbage(), RemoteProtocolError, BROKEN),
        (make.cut(0), ConnectionError, r"the server closed the connection|was lost"),
        (make.half(), TimeoutException, INCOMPLETE),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_fault_that_ends_the_connection_is_told_by_whatever_runs(
    release: str, fault: Fault, kind: Kind, text: str
) -> None:
    with FakeServer(release) as server, watching(server) as (client, handle):
        server.inject(fault)

        said = raised_in_time(kind, lambda: handle.write(2.0, timeout=TIMEOUT))

        assert re.search(text, said)
        server.heal()
        client.connect(server.host, server.port)
        client.wait_device_ready(5 * SECOND)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (make.drop(), TimeoutException, INCOMPLETE),
        (make.drop_request(), TimeoutException, INCOMPLETE),
        (make.unanswered("write_watchable"), TimeoutException, INCOMPLETE),
        (
            make.internal_error("write_watchable"),
            OperationFailure,
            r"the write of 2\.0 to /psu/setpoint was refused: Internal error",
        ),
        (
            make.refuse_writes(),
            OperationFailure,
            r"the write of 2\.0 to /psu/setpoint was refused: Not allowed",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_fault_that_passes_leaves_a_connection_that_works(
    release: str, fault: Fault, kind: Kind, text: str
) -> None:
    with FakeServer(release) as server, watching(server) as (_client, handle):
        server.inject(fault)

        said = raised_in_time(kind, lambda: handle.write(2.0, timeout=TIMEOUT))

        assert re.search(text, said)
        server.heal()
        handle.write(3.0)
        assert server.get("/psu/setpoint") == 3.0


def test_a_message_that_comes_late_is_still_taken() -> None:
    """Half a datagram followed by a pause is no fault: a slow link does it."""
    with FakeServer(faults=[make.drip(200, 20 * MS)]) as server, watching(server) as (client, _handle):
        assert client.get_server_status().device is not None
