"""The table of the released servers: what our client saw on each, as Markdown.

    python -m tests.interop.report_table

The times are of one run: connect and ready on a server that has just begun to listen, so ready is mostly the
device's own handshake.
"""

import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import attrs

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import HOST
from tests.interop.servers import RELEASES, EmulatedServer

PATH = "/alias/psu/setpoint_mv"
TIMEOUT = 20.0
COLUMNS = (
    "server",
    "transport",
    "connect",
    "device ready",
    "SFD loaded",
    "features",
    "read",
    "written",
    "restored",
)


def measure(release: str, home: Path) -> tuple[str, ...]:
    """Return one row."""
    journal = Journal()
    with EmulatedServer(release, home) as server, ScrutinyClient(timeout=TIMEOUT) as client:
        start = perf_counter()
        client.connect(HOST, server.port)
        connected = perf_counter()
        client.wait_device_ready(TIMEOUT)
        ready = perf_counter()
        info = client.wait_server_status(lambda info: info.sfd is not None, TIMEOUT, "no SFD was loaded")
        loaded = perf_counter()
        assert info.device is not None
        value = Device(client, journal)[PATH]
        original = value.read()
        value.write(3300.0)
        written = value.read()
        failures = journal.restore()
        restored = value.read()
        assert not failures
        assert restored == original
        features = [name for name, is_on in attrs.asdict(info.device.supported_features).items() if is_on]
    times = (
        f"{1e3 * (end - begin):.1f} ms"
        for begin, end in ((start, connected), (connected, ready), (ready, loaded))
    )
    values = (f"{number:g} mV" for number in (original, written, restored))
    return (release, dialect_of(release).transport, *times, ", ".join(features), *values)


def main() -> None:
    """Print the table."""
    rows = []
    for release in RELEASES:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            rows.append(measure(release, Path(home)))
    sys.stdout.write(f"Python {platform.python_version()}, {platform.system()}; value: {PATH}\n\n")
    for row in (COLUMNS, ("---",) * len(COLUMNS), *rows):
        sys.stdout.write("| " + " | ".join(row) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
