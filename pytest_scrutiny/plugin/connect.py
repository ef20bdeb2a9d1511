"""The way to the server: the session's client, and how a lost connection is made again.

Imported by the first fixture that needs it, because it brings the client along.

Rule 1: what cost a whole timeout is remembered for the rest of the run, with the test that paid for it: a
    dead bench costs one connect timeout. What fails at once may be tried again by each test.
    Something that takes the connection and says nothing may be a server that loads a large SFD: it is waited
    for as the gate waits for a device, and looked at again from time to time, so briefly that a server that
    hangs costs a tenth of the run.
Rule 2: a server that nobody named may be missing (the setting ``missing``); one that was there and is lost is
    always an error.
"""

import contextlib
import os
from collections.abc import Iterator
from time import monotonic

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.status import StatusBoard
from pytest_scrutiny.client.transport import Patience
from pytest_scrutiny.errors import ConnectionError, ConnectTimeout, ScrutinyError
from pytest_scrutiny.model.status import ServerState
from pytest_scrutiny.plugin.options import DEFAULT, FEATURES, Settings, Transport
from pytest_scrutiny.plugin.progress import Progress
from pytest_scrutiny.plugin.report import fail, skip
from pytest_scrutiny.plugin.unrest import Vain

LOOK = 0.25
"""Seconds for a second look at what took the connection and said nothing; a server answers within 0.02."""

LOOK_PAUSE = 9
"""How many times as long the next look waits, after one in vain."""


class Past:
    """What earlier tests of this run found out at a price.

    :ivar dead: why connecting ran out of time; ``""`` if it did not.
    :ivar look_again: when to try again all the same; None if never.
    :ivar vain: set while the device has not become ready since.
    :ivar board: of the last connection on which a gate waited.
    :ivar address: where the session's client was connected to; None before it was.
    """

    def __init__(self) -> None:
        self.dead = ""
        self.look_again: float | None = None
        self.vain: Vain | None = None
        self.board: StatusBoard | None = None
        self.address: tuple[str, int, Transport] | None = None


_past_key = pytest.StashKey[Past]()


def past_of(config: pytest.Config) -> Past:
    """Return what this run found out so far."""
    return config.stash.setdefault(_past_key, Past())


@contextlib.contextmanager
def connected_client(config: pytest.Config, settings: Settings) -> Iterator[ScrutinyClient]:
    """Connect as the settings say, and disconnect at the end.

    Without a server the test is skipped or fails, as the setting ``missing`` says.
    """
    with contextlib.ExitStack() as stack:
        if settings.fake:
            from pytest_scrutiny.fakeserver.profiles import make_device
            from pytest_scrutiny.fakeserver.server import FakeServer

            fake = stack.enter_context(FakeServer(device=make_device(settings.profile)))
            settings = settings._replace(host=fake.host, port=fake.port)
        client = stack.enter_context(ScrutinyClient("pytest-scrutiny"))
        past = past_of(config)
        past.address = settings.host, settings.port, settings.transport
        complaint = _connect(client, settings, past, Progress(config))
        if complaint:  # raised here, outside of any except, so that one line is all there is to read
            if _may_be_missing(settings):
                skip(config, complaint, f"a server ({settings.address})")
            fail(config, complaint, ConnectionError.category)
        yield client


def _may_be_missing(settings: Settings) -> bool:
    nothing_may_lack = len(settings.no_skip) == len(FEATURES)
    return settings.missing == "skip" or (
        settings.missing == "auto" and settings.is_address_default and not nothing_may_lack
    )


def reconnect(config: pytest.Config, client: ScrutinyClient, settings: Settings) -> str:
    """Connect again where the client was connected; return why that was not possible, or ``""``.

    A server that was restarted is at its old address. The conftest may have connected the client elsewhere
    than the settings say.
    """
    past = past_of(config)
    host, port, transport = past.address or (settings.host, settings.port, settings.transport)
    if (
        client.hostname is not None
        and client.port is not None
        and (client.hostname, client.port) != (host, port)
    ):
        host, port, transport = client.hostname, client.port, "auto"
    past.address = host, port, transport  # a client that fails to connect forgets where
    target = settings._replace(host=host, port=port, transport=transport)
    complaint = _connect(client, target, past, Progress(config))
    return complaint and f"the server was lost and is not back: {complaint}"


def is_lost(client: ScrutinyClient) -> bool:
    """Return whether a client that was connected is no more."""
    return client.server_state is not ServerState.Connected


def _connect(client: ScrutinyClient, settings: Settings, past: Past, progress: Progress) -> str:
    """Connect; return why that was not possible, or ``""``."""
    if past.dead and (past.look_again is None or monotonic() < past.look_again):
        return past.dead
    origin = f"address: {settings.sources['address']}"
    timeout, whole, source = _times_of(settings, past)

    def tell(seen: str) -> None:
        progress.tell(f"waiting for the server, {whole:g} s at most ({source}): {seen}")

    start = monotonic()
    try:
        client.connect_patiently(
            settings.host,
            settings.port,
            timeout=timeout,
            transport=settings.transport,
            patience=Patience(Deadline(whole), tell),
        )
    except ConnectTimeout as exc:
        if past.dead:
            past.look_again = monotonic() + LOOK * LOOK_PAUSE
            return past.dead
        past.look_again = monotonic() if exc.is_silent else None
        time = f"; time: {source}" if exc.is_silent else ""
        past.dead = (
            f"{exc} ({origin}{time}; tried once, by {_current_test()}; --scrutiny-fake needs no server)"
        )
        return past.dead
    except ScrutinyError as exc:
        past.dead = ""
        return f"{exc} ({origin}; --scrutiny-fake needs no server)"
    past.dead = ""
    if progress.has_told:
        progress.tell(f"connected after {monotonic() - start:.1f} s")
    return ""


def _times_of(settings: Settings, past: Past) -> tuple[float, float, str]:
    """Return how long to wait for a connection, for what is said on it, and who said so."""
    if past.dead:
        return LOOK, LOOK, "a second look"
    whole, name = settings.connect_timeout, "connect"
    if settings.sources["connect_timeout"] == DEFAULT and settings.ready_timeout > whole:
        whole, name = settings.ready_timeout, "ready"
    source = settings.sources[f"{name}_timeout"]
    said = f"default of --scrutiny-{name}-timeout" if source == DEFAULT else source
    return settings.connect_timeout, whole, said


def _current_test() -> str:
    # pytest's documented way to say which test runs; a session's fixture is not told otherwise.
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0] or "the session"
