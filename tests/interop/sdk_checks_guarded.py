"""The same two checks with the official SDK 0.16.0, and with what a test of ours does unasked.

Each test asks for the device's status afresh and waits for its firmware description; what it wrote is put
back, also when it failed; a value is read after the server's echo of a write; numbers are checked before they
are sent, because a server saturates them; a wait can ask that the value holds; one that fails tells what was
seen, the writes and the device; a reset fails the test; a device without the feature skips it.

Run by tests/interop/test_shorter.py, in an environment that holds the SDK and nothing of ours.
"""

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any

import pytest
from scrutiny.sdk import DeviceCommState
from scrutiny.sdk.client import ScrutinyClient
from scrutiny.sdk.exceptions import ScrutinySDKException, TimeoutException

TIMEOUT = 5.0


class Bench:
    def __init__(self, client: ScrutinyClient, session_id: str) -> None:
        self.client = client
        self.session_id = session_id
        self.handles: dict[str, Any] = {}
        self.originals: dict[str, Any] = {}
        self.writes: list[tuple[float, str, Any, Any]] = []

    def handle(self, path: str) -> Any:
        if path not in self.handles:
            self.handles[path] = self.client.watch(path)
            self.handles[path].wait_update(TIMEOUT)
        return self.handles[path]

    def read(self, path: str) -> Any:
        handle = self.handle(path)
        for _ in range(2):  # the first may be the server's echo of a write
            handle.wait_update(TIMEOUT)
        return handle.value

    def write(self, values: Mapping[str, Any]) -> None:
        numbers = {path: self.check(path, value) for path, value in values.items()}
        before = {path: self.read(path) for path in numbers}
        for path, value in before.items():
            self.originals.setdefault(path, value)
        with self.client.batch_write(TIMEOUT):
            for path, number in numbers.items():
                self.handles[path].value = number
        self.writes += [(monotonic(), path, before[path], value) for path, value in values.items()]

    def check(self, path: str, value: Any) -> Any:
        handle = self.handle(path)
        if isinstance(value, str):
            return handle.parse_enum_val(value)
        if handle.datatype.is_integer():
            bits = handle.datatype.get_size_bit()
            low, high = (
                (-(1 << bits - 1), (1 << bits - 1) - 1)
                if handle.datatype.is_signed()
                else (0, (1 << bits) - 1)
            )
            if not low <= value <= high:
                raise ValueError(f"{value!r} does not fit {path}: expected {low} to {high}")
        return value

    def wait(self, path: str, expected: Any, timeout: float, hold: float = 0.0) -> None:
        handle, matches = self.handle(path), self.matcher(path, expected)
        start, since, seen = monotonic(), None, []
        while (now := monotonic()) < start + timeout:
            try:
                handle.wait_update(start + timeout - now, sleep_interval=0.002)
            except TimeoutException:
                break
            seen.append(handle.value)
            if not matches(seen[-1]):
                since = None
                continue
            since = since or monotonic()
            if monotonic() - since >= hold:
                return
        held = f" (hold {hold:.2f} s)" if hold else ""
        self.fail(f"{path} did not reach {expected!r} within {timeout:.2f} s{held}", start, seen)

    def matcher(self, path: str, expected: Any) -> Callable[[Any], bool]:
        if isinstance(expected, tuple):
            low, high = expected
            return lambda value: bool(low <= value <= high)
        number = self.check(path, expected)
        return lambda value: bool(value == number)

    def fail(self, sentence: str, start: float, seen: list[Any]) -> None:
        lines = [sentence, "last: no update came"]
        if seen:
            lines[1] = f"last: {seen[-1]}, range {min(seen)} .. {max(seen)}, {len(seen)} updates"
        lines += [
            f"write: {at - start:+.3f} s {path} {old} -> {new}" for at, path, old, new in self.writes[-5:]
        ]
        device = self.client.get_device_info()
        lines.append(
            "device: gone" if device is None else f"device: {device.display_name} {device.device_id}"
        )
        pytest.fail("\n".join(lines), pytrace=False)

    def restore(self) -> None:
        complaints = []
        for path, original in reversed(self.originals.items()):
            try:
                self.handles[path].value = original
            except ScrutinySDKException as exc:
                complaints.append(f"{path} could not be put back to {original!r}: {exc}")
        for handle in self.handles.values():
            if not handle.is_dead:
                handle.unwatch()
        now = self.client.request_server_status_update(wait=True).device_session_id
        if now != self.session_id:
            complaints.append(f"the device was reset: session {self.session_id} ended, {now} began")
        if complaints:
            pytest.fail("\n".join(complaints), pytrace=False)


@pytest.fixture(scope="session")
def client() -> Iterator[ScrutinyClient]:
    client = ScrutinyClient()
    with client.connect(os.environ["BENCH_HOST"], int(os.environ["BENCH_PORT"])):
        yield client


@pytest.fixture
def bench(client: ScrutinyClient) -> Iterator[Bench]:
    deadline = monotonic() + 10
    while True:
        status = client.request_server_status_update(wait=True)
        if status.device_comm_state is DeviceCommState.ConnectedReady and status.sfd_firmware_id is not None:
            break
        if monotonic() > deadline:
            pytest.fail(f"the device is not ready: {status.device_comm_state}", pytrace=False)
    if not client.get_device_info().supported_features.memory_write:
        pytest.skip("the device lacks memory_write")
    bench = Bench(client, status.device_session_id)
    yield bench
    bench.restore()


IO = "/alias/io"
DOWN = {"rails_good": False, "module_ready": False, "rail_5v": (-0.5, 0.5), "rail_12v": (-0.5, 0.5)}
UP = {"rails_good": True, "module_ready": True, "rail_5v": (4.75, 5.25), "rail_12v": (11.5, 12.5)}


def test_power_up(bench: Bench) -> None:
    for name, expected in DOWN.items():
        bench.wait(f"{IO}/{name}", expected, timeout=2)
    bench.write({"/alias/sequencer/start": True})
    bench.wait("/alias/sequencer/phase", "READY", timeout=2)
    for name, expected in UP.items():
        bench.wait(f"{IO}/{name}", expected, timeout=0.5, hold=0.1)


EEPROM = "/alias/eeprom"


class Eeprom:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.size = bench.read(f"{EEPROM}/chip_size")

    def order(self, command: str, **fields: int) -> int:
        values = {f"{EEPROM}/{name}": value for name, value in fields.items()}
        self.bench.write({**values, f"{EEPROM}/command": command})
        self.bench.wait(f"{EEPROM}/command", "NONE", timeout=2)
        return int(self.bench.read(f"{EEPROM}/result"))

    def dump(self) -> bytes:
        data = b""
        buffer, size = (self.bench.read(f"{EEPROM}/buffer_{name}") for name in ("address", "size"))
        while len(data) < self.size:
            count = min(size, self.size - len(data))
            assert self.order("READ", address=len(data), size=count) == 0
            data += self.bench.client.read_memory(buffer, count)
        return data


@pytest.fixture
def eeprom(bench: Bench) -> Eeprom:
    return Eeprom(bench)


def test_the_header_is_written(eeprom: Eeprom) -> None:
    header = {"header/model": 7, "header/version": 2, "header/revision": 1, "header/serial": 0x12345678}

    assert eeprom.order("WRITE_HEADER", address=0, **header) == 0
    assert struct.unpack_from("<3BxI", eeprom.dump()) == (7, 2, 1, 0x12345678)
