"""Released Scrutiny servers for tests: one environment a release, one process a server.

Rule 1: environments are built once and kept in the folder that ``SCRUTINY_SERVERS`` names (``.tox/.servers``
    unless told otherwise). Runs at the same time take turns to build; a half-built one is built anew.
    ``python -m tests.interop.servers [--all]`` builds those of all generations, or of all releases, at once.
Rule 2: a release is installed without its dependencies (its GUI alone has 700 MB) and with the few pinned
    packages its server and its SDK's client import, and attrs for our simulated device.
Rule 3: a server listens on the loopback interface only, has its own home directory, and ends with us.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Self

from filelock import FileLock

from pytest_scrutiny.protocol.dialect import RELEASES, parse_release

GENERATIONS = (
    "0.1.0", "0.3.0", "0.4.1", "0.5.2", "0.7.1", "0.8.0", "0.9.2",
    "0.10.1", "0.11.3", "0.12.0", "0.13.0", "0.14.1", "0.15.0", "0.16.0",
)  # fmt: skip
"""One release of each kind the protocol has gone through; see docs/protocol.md."""

_NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("0.1.0", ("appdirs==1.4.4", "sortedcontainers==2.4.0", "pyserial==3.5", "websockets==12.0")),
    ("0.4.1", (
        "appdirs==1.4.4", "sortedcontainers==2.4.0", "pyserial==3.5",
        "pylink-square==1.3.0", "psutil==7.1.0", "six==1.17.0",
    )),
    ("0.7.0", ("appdirs==1.4.4", "sortedcontainers==2.4.0")),
    ("0.12.0", ("appdirs==1.4.4",)),
)  # fmt: skip
"""``(release, what the server and the SDK need to run from that one on)``."""

_ATTRS = "attrs==26.1.0"

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).with_name("emulated_server.py")
_HOME_KEYS = ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA")
_BUILD_TIMEOUT = 600.0  # a slow package index; 10 s are usual
_BUILDERS = 4  # at once; pip is half waiting
_BOOT_TIMEOUT = 30.0  # 0.2 s are usual, several on a machine that builds something else


class BuildError(RuntimeError):
    """A release's environment could not be built; the text says what was tried and what pip said."""


def environment(release: str, folder: Path | None = None) -> Path:
    """Return the Python of an environment with this release, which is built if it is not there yet.

    :raises BuildError: if it cannot be built.
    """
    folder = folder or Path(os.environ.get("SCRUTINY_SERVERS") or _ROOT / ".tox" / ".servers")
    packages = (f"scrutinydebugger=={release}", *_needs(release), _ATTRS)
    key = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:8]
    home = folder / f"{release}-{key}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{home.name}.lock", timeout=_BUILD_TIMEOUT):
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            _build(release, home, python, packages)
            done.touch()
    return python


def _needs(release: str) -> tuple[str, ...]:
    return next(needs for since, needs in reversed(_NEEDS) if parse_release(since) <= parse_release(release))


def _build(release: str, home: Path, python: Path, packages: tuple[str, ...]) -> None:
    """Make an environment; with our own pip if we have one, for to install a pip first takes longer."""
    has_pip = importlib.util.find_spec("pip") is not None
    _run(release, sys.executable, "-m", "venv", *(("--without-pip",) if has_pip else ()), str(home))
    pip = (sys.executable, "-m", "pip", "--python", str(python)) if has_pip else (str(python), "-m", "pip")
    _run(release, *pip, "install", "--quiet", "--no-input", "--no-deps", *packages)


def _run(release: str, *command: str) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        failure = f"{done.stdout}{done.stderr}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"it did not end within {_BUILD_TIMEOUT:g} s"
    if failure:
        raise BuildError(
            f"the environment for scrutinydebugger {release} could not be built, so its server was not "
            "tested; expected pip to download it. Check the network and pip's index, then run it again: what "
            f"is built already is kept.\n$ {' '.join(command)}\n{failure.strip()}"
        )


def build_all(releases: Sequence[str]) -> None:
    """Build the environments of these releases, several at once.

    :raises BuildError: for the first that cannot be built; no other is begun then.
    """
    with ThreadPoolExecutor(_BUILDERS) as pool:
        jobs = [pool.submit(environment, release) for release in releases]
        try:
            for job in jobs:
                job.result()
        except BuildError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class EmulatedServer:
    """A release's server with its own emulated device, running.

    :ivar port: where it listens, on 127.0.0.1.
    :param home: an empty folder.
    :param profile: whose device it has; a name in tests/interop/profiles.py.
    """

    def __init__(self, release: str, home: Path, profile: str = "plain") -> None:
        self.release = release
        self.port = 0
        self._home = home
        self._profile = profile
        self._python = environment(release)
        for _ in range(3):  # somebody else may take the free port before the server does
            self.port = _free_port()
            self._process = self._boot()
            if self._is_ready():
                return
            self.close()
        raise RuntimeError(f"server {release} did not start:\n{self.log()}")

    def _boot(self) -> "subprocess.Popen[str]":
        home = str(self._home)
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PYTHON"))}
        with (self._home / "server.log").open("a") as log:
            return subprocess.Popen(
                [str(self._python), str(_SCRIPT), str(self.port), self._profile],
                env={**keep, **dict.fromkeys(_HOME_KEYS, home), "PYTHONPATH": str(_ROOT)},
                cwd=home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _is_ready(self) -> bool:
        assert self._process.stdout is not None
        alarm = threading.Timer(_BOOT_TIMEOUT, self._process.kill)
        alarm.start()
        try:
            return self._process.stdout.readline() == "READY\n"
        finally:
            alarm.cancel()
            alarm.join()

    @property
    def pid(self) -> int:
        """The process, to be stopped or killed."""
        return self._process.pid

    def tell(self, *words: str) -> None:
        """Give a command to the process; see emulated_server.py, Rule 2."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def log(self) -> str:
        """Return what the server logged so far."""
        return (self._home / "server.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Build the environments that the contract tests need."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.servers", description=main.__doc__)
    parser.add_argument("--all", action="store_true", help="of every release, not only one a generation")
    start = monotonic()
    releases = RELEASES if parser.parse_args().all else GENERATIONS
    try:
        build_all(releases)
    except BuildError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(f"the servers of {len(releases)} releases are there ({monotonic() - start:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
