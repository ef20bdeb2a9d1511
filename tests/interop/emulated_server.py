"""One release's own server with that release's own emulated device, for as long as stdin is open.

Run by the Python of an environment that holds a release of scrutinydebugger (see servers.py):

    python emulated_server.py PORT PROFILE

Rule 1: stdout has one line, ``READY``, printed when the server listens; its log goes to stderr.
Rule 2: stdin takes one command a line; a closed stdin ends the process, so that it outlives no test run.
    ``comm off|on``           the device falls silent, and comes back without its session
    ``link break|fix``        nothing passes between the server and the device
    ``reset``                 the device starts anew: first values, new session
    ``feature NAME on|off``   what the device says it can do, from its next session on; it loses this one
Rule 3: the server's files go below the home directory: give every process its own.
Rule 4: the device has the variables, aliases, RPVs, regions and behaviours of the profile of that name
    (profiles.py), so that one suite runs on both. The emulated device holds the memory; the simulated one
    lives in it.
"""

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import scrutiny
from scrutiny.core.basic_types import EmbeddedDataType, RuntimePublishedValue
from scrutiny.server.device.device_info import FixedFreqLoop, VariableFreqLoop
from scrutiny.server.device.emulated_device import EmulatedDevice
from scrutiny.server.server import ScrutinyServer

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from tests.interop.description import RELEASE, install_sfd, type_word
from tests.interop.profiles import DEVICES

# Up to 0.2 the plain one is not safe to use from the device's thread.
_LINK = "thread_safe_dummy" if RELEASE < (0, 3) else "dummy"


# The device


def _one_at_a_time(read: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return a read that gives one request at most.

    Two in one read end the emulated device's thread (0.1.0 to 0.16.0, observed: a heartbeat and the search
    for a device, after a reset); a firmware reads byte by byte.
    """
    received = b""

    def read_one() -> bytes:
        nonlocal received
        received += read()
        size = 8 + int.from_bytes(received[2:4], "big")  # command, subfunction, length, payload, CRC
        if len(received) < size:
            return b""
        request, received = received[:size], received[size:]
        return request

    return read_one


class Device:
    """The release's emulated device, moved by the behaviours of a simulated one."""

    def __init__(self, simulated: SimulatedDevice, link: Any) -> None:
        profile = simulated.profile
        self._simulated = simulated
        (memory,) = profile.memory
        self._start, self._size = memory.start, memory.size
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        link.emulate_device_read = _one_at_a_time(link.emulate_device_read)
        self._emulated = EmulatedDevice(link)
        self._emulated.firmware_id = bytes.fromhex(profile.firmware_id)
        self._emulated.display_name = profile.display_name
        self._emulated.address_size_bits = profile.address_size_bits
        self._emulated.protocol.set_address_size_bits(profile.address_size_bits)
        self._emulated.loops = [FixedFreqLoop(1000, name="1 kHz"), VariableFreqLoop(name="idle loop")]
        for region in profile.forbidden:
            self._emulated.add_forbidden_region(region.start, region.size)
        for region in profile.readonly:
            self._emulated.add_readonly_region(region.start, region.size)
        self._store(self._load_simulated())
        for name, is_on in attrs.asdict(simulated.features).items():
            self._switch(name, is_on)
        self._publish_rpvs()
        self._emulated.add_additional_task(self._live)

    def start(self) -> None:
        """Power on."""
        self._emulated.start()

    def post(self, action: Callable[[], None]) -> None:
        """Do something on the device's own thread, between two of its requests."""
        self._todo.put(action)

    def be_silent(self, is_silent: bool) -> None:
        """Stop answering, or answer again."""
        if is_silent:
            self._emulated.disable_comm()
        else:
            # It still holds the session of before, and would answer "busy" for ever (releases up to 0.9).
            self._emulated.force_disconnect()
            self._emulated.enable_comm()

    def break_link(self, is_broken: bool) -> None:
        """Cut or mend the cable."""
        self._emulated.link.emulate_broken = is_broken

    def reset(self) -> None:
        """Start anew."""
        self._simulated.reboot()
        self._store(self._load_simulated())
        self._publish_rpvs()
        self._emulated.force_disconnect()

    def switch_feature(self, name: str, is_on: bool) -> None:
        """Change what the device can do; a server asks when a session begins."""
        self._switch(name, is_on)
        self._publish_rpvs()
        self._emulated.force_disconnect()

    def _switch(self, name: str, is_on: bool) -> None:
        self._simulated.change_features(**{name: is_on})
        self._emulated.supported_features["_64bits" if name == "sixtyfour_bits" else name] = is_on

    def _publish_rpvs(self) -> None:
        self._emulated.rpvs = {
            row.rpvid: {
                "definition": RuntimePublishedValue(
                    id=row.rpvid, datatype=getattr(EmbeddedDataType, type_word(row.datatype))
                ),
                "value": row.initial,
            }
            for row in self._simulated.rpvs()
        }
        self._emulated.protocol.configure_rpvs([rpv["definition"] for rpv in self._emulated.rpvs.values()])

    def _live(self) -> None:
        """Let time pass; called on the device's thread about every 10 ms."""
        while not self._todo.empty():
            self._todo.get()()
        before = self._emulated.read_memory(self._start, self._size, check_access_rights=False)
        self._simulated.memory.write(self._start, before)
        self._simulated.advance(time.monotonic())
        after = self._load_simulated()
        if after != before:
            self._store(after)

    def _load_simulated(self) -> bytes:
        return self._simulated.memory.read(self._start, self._size)

    def _store(self, data: bytes) -> None:
        self._emulated.write_memory(self._start, data, check_access_rights=False)


# The process


def _make_server(port: int, folder: Path) -> Any:
    config = {
        "name": f"emulated {scrutiny.__version__}",
        "api": {
            "client_interface_type": "websocket" if RELEASE < (0, 4) else "tcp",
            "client_interface_config": {"host": "127.0.0.1", "port": port},
        },
        # Not 1 s: where other work keeps this process waiting so long, releases up to 0.2 do not get over it.
        "device": {"response_timeout": 2.0, "link_type": _LINK, "link_config": {}},
    }
    # The names of 0.1.0, which had others.
    config.update(api_config=config["api"], device_config=config["device"])
    file = folder / "server.json"
    file.write_text(json.dumps(config))
    return ScrutinyServer(str(file))


def _obey(device: Device, words: list[str]) -> None:
    match words:
        case ["comm", ("on" | "off") as state]:
            device.post(lambda: device.be_silent(state == "off"))
        case ["link", ("break" | "fix") as state]:
            device.post(lambda: device.break_link(state == "break"))
        case ["reset"]:
            device.post(device.reset)
        case ["feature", name, ("on" | "off") as state]:
            device.post(lambda: device.switch_feature(name, state == "on"))
        case _:
            raise ValueError(f"command {words!r} is none; expected one of the module's docstring")


def _obey_stdin(device: Device) -> None:
    for line in sys.stdin:
        try:
            _obey(device, line.split())
        except ValueError:
            logging.getLogger(__name__).exception("! bad command")
    os._exit(0)


def main(port: int, profile: str) -> None:
    """Serve until stdin is closed."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    simulated = SimulatedDevice(DEVICES[profile])
    install_sfd(simulated.profile, Path.home())
    server = _make_server(port, Path.home())
    device = Device(simulated, server.device_handler.get_comm_link())
    init = server.init

    def init_and_tell() -> None:
        init()
        sys.stdout.write("READY\n")
        sys.stdout.flush()

    server.init = init_and_tell
    device.start()
    threading.Thread(target=_obey_stdin, args=(device,), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
