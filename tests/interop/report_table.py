"""The matrix of the released servers: what our client saw on each, as Markdown.

    python -m tests.interop.report_table [--all] [--output docs/matrix.md]

One server after the other, so that none disturbs another's times. They are of one run: connect and ready on a
server that has just begun to listen, so ready is mostly the device's own handshake.
"""

import argparse
import datetime
import importlib.metadata
import itertools
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import attrs

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import OperationFailure, ScrutinyError
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.model.status import ServerInfo
from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from tests.interop.benches import HOST
from tests.interop.profiles import FREE_ADDRESS
from tests.interop.servers import GENERATIONS, EmulatedServer

PATH = "/alias/psu/setpoint_mv"
SIZE = 600
TIMEOUT = 20.0
COLUMNS = {
    "release": ":---",
    "transport": ":---",
    "connect": "---:",
    "ready": "---:",
    "SFD": "---:",
    "features": ":---",
    "read": "---:",
    "written": "---:",
    "restored": "---:",
    f"memory, {SIZE} bytes": ":---",
    "user command": ":---",
}
TEXT = """# Every released server

What pytest-scrutiny saw on each release of `scrutinydebugger`: its own server with its own emulated device,
no option that names transport or version. Made by
`python -m tests.interop.report_table --all --output docs/matrix.md`; do not edit.

{head}

* **bold**: one of each kind the protocol has gone through. The contract tests run on these in CI
  (`tox run -e interop`), and on all {count} with `tox run -e interop-all`.
* *connect* ends when a status is there, *ready* when the device has shaken hands with the server, *SFD* when
  its firmware description is loaded; each counts from the one before, on a server that has just begun to
  listen. The first connect to a WebSocket server also imports the library for it.
* *features*: M memory_write, D datalogging, U user_command, 6 sixtyfour_bits.
* *read*, *written*, *restored*: `{path}`, read from the device before the write, after
  it, and after the journal had put it back. 3300 is written; the device keeps 3.3 V as a float32.
* *memory*: {size} bytes written, read back and compared, put back and compared; the time is for all of it.
  The buffers of the device hold 128.
* *user command*: 1 gives back what it got; 7, which the firmware does not know, is refused with the device's
  reason.

{table}

## What a release cannot

The contract tests (`tests/interop/`) check these too, on each release; all else is the same on all.

* 0.1.0 to 0.2.2 do not tell the enum of a value: it is read and written by number.
* 0.1.0 to 0.11.3 send nothing for a variable in a forbidden region, so a read ends in its timeout; later ones
  say why there is no value.
* 0.1.0 to 0.14.1 do not say why a write was refused.

No release loses anything of a value: the limits of every integer up to 64 bits, the largest, the smallest
and the subnormal floats of 32 and 64 bits, and -0.0 are written, read back and found in memory exactly, as a
variable and as an RPV. NaN and the infinities are read; no server takes them for a write.
"""


def measure(release: str, home: Path) -> Iterator[str]:
    """Yield the cells of one row."""
    yield f"**{release}**" if release in GENERATIONS else release
    yield dialect_of(release).transport
    with EmulatedServer(release, home, "contract") as server, ScrutinyClient(timeout=TIMEOUT) as client:
        moments = [perf_counter()]
        client.connect(HOST, server.port)
        moments.append(perf_counter())
        client.wait_device_ready(TIMEOUT)
        moments.append(perf_counter())
        info = client.wait_server_status(lambda info: info.sfd is not None, TIMEOUT, "no SFD was loaded")
        moments.append(perf_counter())
        yield from (milliseconds(end - start) for start, end in itertools.pairwise(moments))
        yield features_of(info)
        yield from try_value(client)
        yield try_memory(client)
        yield try_command(client)


def milliseconds(seconds: float) -> str:
    """Return a duration to show."""
    return f"{1e3 * seconds:.1f} ms"


def features_of(info: ServerInfo) -> str:
    """Return the letters of the features the device has."""
    assert info.device is not None
    features = attrs.asdict(info.device.supported_features)
    return "".join(
        name[0].upper() if name != "sixtyfour_bits" else "6" for name in features if features[name]
    )


def try_value(client: ScrutinyClient) -> Iterator[str]:
    """Yield a value as it was, as it was written, and as it was put back."""
    journal = Journal()
    value = Device(client, journal)[PATH]
    original = value.read()
    value.write(3300.0)
    written = value.read()
    check(not journal.restore(), "the value was not put back")
    restored = value.read()
    check(restored == original, f"{restored!r} is not {original!r}")
    yield from (f"{number:.9g}" for number in (original, written, restored))


def try_memory(client: ScrutinyClient) -> str:
    """Return how long it took to write, read and put back memory."""
    journal = Journal()
    memory = Device(client, journal).memory
    pattern = bytes(place * 7 & 0xFF for place in range(SIZE))
    original = memory.read(FREE_ADDRESS, SIZE)
    start = perf_counter()
    memory.write(FREE_ADDRESS, pattern)
    check(memory.read(FREE_ADDRESS, SIZE) == pattern, "other bytes are read than were written")
    check(not journal.restore(), "the memory was not put back")
    check(memory.read(FREE_ADDRESS, SIZE) == original, "other bytes were put back")
    return f"equal, {milliseconds(perf_counter() - start)}"


def try_command(client: ScrutinyClient) -> str:
    """Return what became of the two user commands."""
    device = Device(client)
    check(device.command(1, b"ping") == b"ping", "user command 1 gives back something else")
    try:
        device.command(7)
    except OperationFailure as exc:
        return f"echo; 7: {exc.reason.removeprefix('Device responded with code ')}"
    raise ScrutinyError("user command 7 was not refused")


def check(is_so: bool, otherwise: str) -> None:
    """Raise if it is not so; unlike an assert, also under ``python -O``."""
    if not is_so:
        raise ScrutinyError(otherwise)


def row_of(release: str) -> tuple[list[str], str]:
    """Return a release's row, and why it is not whole; ``""`` if it is."""
    cells: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        try:
            cells.extend(measure(release, Path(home)))
        except (
            ScrutinyError,
            RuntimeError,
        ) as exc:  # RuntimeError: it does not start or install
            return [*cells, "failed", *[""] * (len(COLUMNS) - len(cells) - 1)], f"{release}: {exc}"
    return cells, ""


def head() -> str:
    """Return when and with what it was measured."""
    names = ("pytest-scrutiny", "attrs", "websockets")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    machine = f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {versions}; {machine}"


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (list(COLUMNS), list(COLUMNS.values()), *rows))


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.report_table", description=main.__doc__)
    parser.add_argument("--all", action="store_true", help="every release, not only one a generation")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a document instead of a printed table")
    options = parser.parse_args()
    releases = RELEASES if options.all else GENERATIONS
    rows, failures = zip(*(row_of(release) for release in releases), strict=True)
    table = table_of(rows)
    for failure in filter(None, failures):
        sys.stderr.write(f"{failure}\n")
    if options.output is None:
        sys.stdout.write(f"{head()}; value: {PATH}\n\n{table}\n")
    else:
        text = TEXT.format(head=head(), count=len(RELEASES), path=PATH, size=SIZE, table=table)
        options.output.write_text(text, encoding="utf-8")
    return 1 if any(failures) else 0


if __name__ == "__main__":
    sys.exit(main())
