"""The examples' two checks with the official SDK 0.16.0: no more than the checks, as short as they read well.

Run by tests/interop/test_shorter.py, in an environment that holds the SDK and nothing of ours.
"""

import os
import struct
from collections.abc import Iterator

import pytest
from scrutiny.sdk.client import ScrutinyClient


@pytest.fixture(scope="session")
def client() -> Iterator[ScrutinyClient]:
    with ScrutinyClient().connect(os.environ["BENCH_HOST"], int(os.environ["BENCH_PORT"])) as client:
        client.wait_device_ready(timeout=10)
        yield client


def test_power_up(client: ScrutinyClient) -> None:
    start, phase = client.watch("/alias/sequencer/start"), client.watch("/alias/sequencer/phase")
    rails_good, module_ready = client.watch("/alias/io/rails_good"), client.watch("/alias/io/module_ready")
    rail_5v, rail_12v = client.watch("/alias/io/rail_5v"), client.watch("/alias/io/rail_12v")
    client.wait_new_value_for_all()
    assert (rails_good.value, module_ready.value) == (False, False)
    assert rail_5v.value < 0.5
    assert rail_12v.value < 0.5
    start.value = True
    phase.wait_value("READY", timeout=2)
    client.wait_new_value_for_all()
    assert (rails_good.value, module_ready.value) == (True, True)
    assert 4.75 <= rail_5v.value <= 5.25
    assert 11.5 <= rail_12v.value <= 12.5


class Eeprom:
    FIELDS = (
        "command", "result", "address", "size", "chip_size", "buffer_size", "buffer_address",
        "header/model", "header/version", "header/revision", "header/serial",
    )  # fmt: skip

    def __init__(self, client: ScrutinyClient) -> None:
        self.client = client
        self.fields = {name: client.watch(f"/alias/eeprom/{name}") for name in self.FIELDS}
        client.wait_new_value_for_all()

    def order(self, command: str, **fields: int) -> int:
        with self.client.batch_write():
            for name, value in fields.items():
                self.fields[name].value = value
            self.fields["command"].value_enum = command
        self.fields["command"].wait_value("NONE", timeout=2)
        self.fields["result"].wait_update(timeout=2)
        return int(self.fields["result"].value)

    def dump(self) -> bytes:
        data = b""
        chip_size, size = (self.fields[name].value for name in ("chip_size", "buffer_size"))
        while len(data) < chip_size:
            count = min(size, chip_size - len(data))
            assert self.order("READ", address=len(data), size=count) == 0
            data += self.client.read_memory(self.fields["buffer_address"].value, count)
        return data


@pytest.fixture
def eeprom(client: ScrutinyClient) -> Eeprom:
    return Eeprom(client)


def test_the_header_is_written(eeprom: Eeprom) -> None:
    header = {"header/model": 7, "header/version": 2, "header/revision": 1, "header/serial": 0x12345678}

    assert eeprom.order("WRITE_HEADER", address=0, **header) == 0
    assert struct.unpack_from("<3BxI", eeprom.dump()) == (7, 2, 1, 0x12345678)
