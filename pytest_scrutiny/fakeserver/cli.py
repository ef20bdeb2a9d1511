"""``python -m pytest_scrutiny.fakeserver``: the fake server on the command line.

PYTEST_DONT_REWRITE
"""

import argparse
import ipaddress
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import attrs

from pytest_scrutiny.errors import ConnectionError, NameNotFoundError
from pytest_scrutiny.fakeserver.faults import FAULTS, Fault, make_fault
from pytest_scrutiny.fakeserver.link import DEAD_LINK, DEFAULT_LINK, NO_LINK
from pytest_scrutiny.fakeserver.loop import Loop
from pytest_scrutiny.fakeserver.profiles import PROFILES, find_profile, make_device
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.status import SupportedFeatureMap
from pytest_scrutiny.protocol.dialect import LATEST, RELEASES

LINKS = {"udp": DEFAULT_LINK, "none": NO_LINK, "dead": DEAD_LINK}
FEATURES = tuple(field.name for field in attrs.fields(SupportedFeatureMap))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the process's exit code."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        server = _make_server(options)
    except ValueError as exc:
        parser.error(str(exc))
    try:
        loop = server.listen()
    except ConnectionError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    with _Signals(loop):
        if not _is_loopback(options.host):
            sys.stdout.write(
                f"warning: {options.host} is not the loopback: others on the network can connect\n"
            )
        sys.stdout.write(
            f"listening on {server.url} as release {options.release}, profile {options.profile}\n"
        )
        sys.stdout.flush()
        loop.run()
    return 0


def _make_server(options: argparse.Namespace) -> FakeServer:
    return FakeServer(
        options.release,
        options.host,
        port=options.port,
        device=make_device(options.profile, without=options.without),
        ready_delay=None if options.unplugged else options.delay_ready,
        link=LINKS[options.link],
        faults=options.fault,
    )


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_scrutiny.fakeserver",
        description="A Scrutiny server with a simulated device, for tests without hardware.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8765, help="0 for any free one (default: %(default)s)")
    parser.add_argument(
        "--release", choices=RELEASES, default=LATEST, metavar="X.Y.Z",
        help="the release of scrutinydebugger to speak as (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--profile", type=_profile, default="plain", metavar="NAME|FILE",
        help=f"the device: {', '.join(PROFILES)}, or a Python file with a PROFILE (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--without", type=_features, action="extend", default=[], metavar="FEATURE,…",
        help=f"features that the device lacks: {', '.join(FEATURES)}",
    )  # fmt: skip
    parser.add_argument(
        "--delay-ready", type=_seconds, default=0.0, metavar="SECONDS", help="until the device is ready"
    )
    parser.add_argument("--unplugged", action="store_true", help="no device at all")
    parser.add_argument(
        "--link", choices=list(LINKS), default="udp",
        help="the server's way to its device: none configured, or one that cannot be opened",
    )  # fmt: skip
    parser.add_argument(
        "--fault", type=_fault, action="append", default=[], metavar="NAME[:ARGUMENT,…]",
        help=f"what goes wrong on every connection; may be repeated: {', '.join(FAULTS)}",
    )  # fmt: skip
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected 0 to 65535")
    return int(text)


def _profile(text: str) -> str:
    try:
        find_profile(text)
    except (NameNotFoundError, ValueError) as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; expected seconds, 0 or more")
    return seconds


def _features(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FEATURES:
            raise argparse.ArgumentTypeError(
                f"{name!r} is no feature; expected some of {', '.join(FEATURES)}"
            )
    return names


def _fault(text: str) -> Fault:
    try:
        return make_fault(text)
    except (NameNotFoundError, ValueError) as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Signals:
    """SIGINT and SIGTERM end the loop while this context is open."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        # The wake-up file descriptor ends select() on Windows too, where Ctrl-C alone does not.
        self._old_wakeup = signal.set_wakeup_fd(self._loop.wakeup_fd, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *exc_info: object) -> None:
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._loop.request_stop()
