"""The fake server as tests use it: start it, do things to its device, stop it.

PYTEST_DONT_REWRITE
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.faults import Fault, check_faults
from pytest_scrutiny.fakeserver.link import DEFAULT_LINK, Timing
from pytest_scrutiny.fakeserver.loop import Loop, clock
from pytest_scrutiny.fakeserver.peer import Ending
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.model.link import DeviceLinkInfo
from pytest_scrutiny.model.status import SupportedFeatureMap
from pytest_scrutiny.protocol.dialect import LATEST, dialect_of

T = TypeVar("T")


class FakeServer:
    """A server with a simulated device that another client cannot tell from a real one.

    A context manager; it may be started again after :meth:`stop`, on the same port.

    :ivar host: where it listens; ``port`` is known once it does.
    :ivar dialect: how it speaks.
    :ivar device: the simulated device. Touch it through :meth:`get` and :meth:`set` while the server runs.
    :param release: the release of scrutinydebugger to speak as.
    :param port: 0 for any that is free.
    :param device: None for a new ``plain`` one; see ``profiles.make_device``.
    :param ready_delay: seconds from the start until the device is ready; None leaves it unplugged, so that
        nobody ever answers; ``math.inf`` leaves it connecting: it answers, and is never ready.
    :param link: how the server reaches its device: ``link.NO_LINK`` if nobody has told it how,
        ``link.DEAD_LINK`` if it cannot. Each start begins with it.
    :param faults: what goes wrong on every connection; see ``faults``.
    """

    def __init__(
        self,
        release: str = LATEST,
        host: str = "127.0.0.1",
        *,
        port: int = 0,
        device: SimulatedDevice | None = None,
        ready_delay: float | None = 0.0,
        timing: Timing | None = None,
        link: DeviceLinkInfo = DEFAULT_LINK,
        faults: Sequence[Fault] = (),
    ) -> None:
        if not 0 <= port <= 0xFFFF:
            raise ValueError(f"port {port} is none; expected 0 to 65535, where 0 takes any that is free")
        self.dialect = dialect_of(release)
        self.host = host
        self.port = port
        self.device = device or make_device()
        self._ready_delay = ready_delay
        self._timing = timing
        self._link = link
        self._faults = self._check(faults)
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<FakeServer {self.url}>"

    @property
    def url(self) -> str:
        """The address in one piece, as ``--scrutiny-url`` takes it."""
        scheme = "ws" if self.dialect.transport == "websocket" else "tcp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def clients(self) -> int:
        """How many connections are open."""
        return 0 if self._loop is None else self._loop.client_count

    # Start and stop

    def listen(self) -> Loop:
        """Take the address and return the loop; :meth:`Loop.run` then serves in the calling thread.

        :raises ConnectionError: if the address cannot be listened on.
        """
        if self._loop is not None:
            raise RuntimeError(f"the fake server already listens on {self.url}; stop it first")
        if self.dialect.transport == "websocket":
            import pytest_scrutiny.protocol.websocket  # noqa: F401 - 24 ms: now, not at the first client
        now = clock()
        api = Api(self.dialect, self.device, now=now, epoch=time.time(), timing=self._timing, link=self._link)
        self._loop = Loop(self.host, self.port, api, self._faults)
        self.port = self._loop.port
        if self._ready_delay is not None:
            api.link.plug(now, self._ready_delay)
        return self._loop

    def start(self) -> Self:
        """Listen, and serve in a thread of its own.

        :raises ConnectionError: if the address cannot be listened on.
        """
        loop = self.listen()
        self._thread = threading.Thread(target=loop.run, name="scrutiny-fake-server", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving: afterwards there is no thread and no socket. Does nothing if it is stopped.

        Clients see what the release's server does: a reset from 0.12 on, the end of the stream before.
        """
        self._stop("farewell")

    def kill(self, *, with_reset: bool = True) -> None:
        """Stop serving as a process that is killed: without a farewell.

        :param with_reset: clients see ECONNRESET; otherwise the end of the stream.
        """
        self._stop("reset" if with_reset else "end")

    def _stop(self, ending: Ending) -> None:
        loop, self._loop = self._loop, None
        thread, self._thread = self._thread, None
        if loop is None:
            return
        loop.request_stop(ending)
        if thread is None:
            loop.close()
        else:
            thread.join()

    def __enter__(self) -> Self:
        return self.start() if self._loop is None else self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # What a test does to the device

    def plug(self) -> None:
        """Connect the device."""
        self._do(lambda api, now: api.link.plug(now))

    def unplug(self) -> None:
        """Take the device away; the server notices at once."""
        self._do(lambda api, now: api.link.unplug())

    def reset(self) -> None:
        """Restart the device: its values begin anew, and so does its session."""
        self._do(lambda api, now: api.link.reset(now))

    def hang(self) -> None:
        """Let the device fall silent; the server gives it up after ``Timing.response_timeout``."""
        self._do(lambda api, now: api.link.hang(now))

    def resume(self) -> None:
        """Let the device answer again."""
        self._do(lambda api, now: api.link.resume(now))

    def set_link(self, link: DeviceLinkInfo) -> None:
        """Use another link: ``link.NO_LINK``, ``link.DEAD_LINK``, ``link.DEFAULT_LINK`` or any.

        The device is lost; it is ready again after ``Timing.reconnect`` if the new link works.
        """
        self._do(lambda api, now: api.set_link(link, now))

    def set_features(self, **features: bool) -> SupportedFeatureMap:
        """Give the device other firmware: features on or off, and so a new session.

        :raises NameNotFoundError: if there is no such feature.
        """

        def change(api: Api, now: float) -> SupportedFeatureMap:
            self.device.change_features(**features)
            api.link.reconnect(now)
            return self.device.features

        return self._do(change)

    def get(self, path: str) -> bool | float:
        """Return a value as it is in the device, whatever a server may see of it.

        :raises NameNotFoundError: if the path names nothing.
        """
        return self._do(lambda api, now: self.device.get(path))

    def set(self, path: str, value: float | str) -> None:
        """Change a value in the device, as the world around it would, whatever its features are.

        :param value: or the name of an enum's member; for a float NaN and infinity too.
        :raises NameNotFoundError: if the path names nothing.
        """
        self._do(lambda api, now: self.device.set(path, value))

    # What a test does to the server

    def stall(self) -> None:
        """Stand still like a process that was stopped: connections stay open, nothing is read or answered."""
        self._set_stalled(True)

    def resume_serving(self) -> None:
        """Go on after :meth:`stall`: what came meanwhile is answered now."""
        self._set_stalled(False)

    def inject(self, *faults: Fault) -> None:
        """Let these faults happen too, on the connections that are open and on all to come.

        Whatever a fault counts, on every connection it begins now.

        :raises ValueError: if one cannot happen on this server's transport.
        """
        self._use_faults((*self._faults, *self._check(faults)))

    def heal(self) -> None:
        """Let no fault happen any more. A message that is broken, or lost, stays so."""
        self._use_faults(())

    def _check(self, faults: Sequence[Fault]) -> tuple[Fault, ...]:
        check_faults(tuple(faults), self.dialect.transport)
        return tuple(faults)

    def _use_faults(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        loop = self._loop
        if loop is not None:
            loop.call(lambda _api, _now: loop.set_faults(faults))

    def _set_stalled(self, is_stalled: bool) -> None:
        def set_it(_api: Api, _now: float) -> None:
            assert self._loop is not None
            self._loop.is_stalled = is_stalled

        self._do(set_it)

    def _do(self, action: Callable[[Api, float], T]) -> T:
        if self._loop is None:
            raise RuntimeError("the fake server does not run; start() it first, or use it in a with block")
        return self._loop.call(action)
