"""A bench is a server and its device; real and fake ones have one handle, so that one test tries both."""

from pathlib import Path
from typing import Protocol, Self

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.rows import Profile
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.link import DeviceLinkType
from tests.interop.profiles import DEVICES
from tests.interop.servers import EmulatedServer

HOST = "127.0.0.1"


class Bench(Protocol):
    """What a contract test needs of a bench.

    :ivar name: ``fake-0.16.0``, ``real-0.3.0-types`` …
    :ivar profile: the device as data.
    :ivar link_type: what carries the device's protocol.
    """

    name: str
    release: str
    profile: Profile
    link_type: DeviceLinkType

    @property
    def port(self) -> int: ...

    def unplug(self) -> None:
        """Let the device fall silent."""

    def plug(self) -> None:
        """Let it answer again, in a new session."""

    def reset(self) -> None:
        """Let it start anew."""

    def switch_feature(self, name: str, is_on: bool) -> None:
        """Change what the device can do, from its next session on, which begins now."""

    def log(self) -> str:
        """Return what the server has to say about it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class RealBench:
    """A release's own server with its emulated device."""

    link_type = DeviceLinkType.Dummy

    def __init__(self, name: str, release: str, device: str, home: Path) -> None:
        self.name = name
        self.release = release
        self.profile = DEVICES[device]
        self._server = EmulatedServer(release, home, device)
        self.port = self._server.port

    def unplug(self) -> None:
        self._server.tell("comm", "off")

    def plug(self) -> None:
        self._server.tell("comm", "on")

    def reset(self) -> None:
        self._server.tell("reset")

    def switch_feature(self, name: str, is_on: bool) -> None:
        self._server.tell("feature", name, "on" if is_on else "off")

    def log(self) -> str:
        return self._server.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


class FakeBench:
    """The bundled fake server, in this process, speaking as a release."""

    link_type = DeviceLinkType.UDP

    def __init__(self, name: str, release: str, device: str, _home: Path) -> None:
        self.name = name
        self.release = release
        self.profile = DEVICES[device]
        # A real server reads every 10 ms and gives a silent device up after 1 s; nobody learns from waiting.
        self._server = FakeServer(
            release, device=SimulatedDevice(self.profile), timing=Timing(poll=0.002, response_timeout=0.25)
        ).start()
        self.port = self._server.port

    def unplug(self) -> None:
        self._server.hang()

    def plug(self) -> None:
        self._server.resume()

    def reset(self) -> None:
        self._server.reset()

    def switch_feature(self, name: str, is_on: bool) -> None:
        self._server.set_features(**{name: is_on})

    def log(self) -> str:
        return f"{self._server.clients} clients"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
