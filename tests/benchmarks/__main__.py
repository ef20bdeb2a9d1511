"""Measure ours, a bare socket and the official SDK, interleaved in one run, and print the medians.

    python -m tests.benchmarks [--rounds N]

Rule 1: no test depends on this. Times differ between machines and days; what counts are one run's ratios.
Rule 2: every round gives every client the same few orders, in another order of clients each time.

PYTEST_DONT_REWRITE
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from pytest_scrutiny.client.client import ScrutinyClient
from tests.benchmarks import startup
from tests.benchmarks.scripted import PATH
from tests.interop.servers import EmulatedServer, environment

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "0.16.0"
HOST = "127.0.0.1"
PEERS = ("raw", "ours", "official")
REAL_PATH = "/motor/torque_limit"

Samples = dict[str, dict[str, list[float]]]  # {metric: {peer: milliseconds}}


class Process:
    """A line-by-line conversation with a process of ours; it ends when its stdin does."""

    def __init__(self, python: Path, module: str) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", module],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return line

    def order(self, name: str, **arguments: Any) -> dict[str, list[float]]:
        """Give an order to a worker and return its durations."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
        self._process.stdin.flush()
        durations: dict[str, list[float]] = json.loads(self.read_line())
        return durations

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def running(python: Path, module: str) -> Iterator[Process]:
    """A process that runs while inside."""
    process = Process(python, module)
    try:
        yield process
    finally:
        process.close()


def measure_clients(workers: dict[str, Process], rounds: int) -> Samples:
    """Return what the clients need against the scripted and the real server."""
    samples: Samples = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        scripted = stack.enter_context(running(Path(sys.executable), "tests.benchmarks.scripted"))
        _, port, control = scripted.read_line().split()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        real = stack.enter_context(EmulatedServer(RELEASE, home))
        _wait_usable(real.port)
        on_scripted = {"host": HOST, "port": int(port)}
        on_real = {"host": HOST, "port": real.port}
        orders: list[tuple[str, str, dict[str, Any]]] = [
            ("scripted", "connect", {**on_scripted, "count": 10}),
            ("scripted", "echo", {**on_scripted, "count": 100}),
            ("scripted", "write", {**on_scripted, "count": 50, "path": PATH}),
            ("scripted", "wait", {**on_scripted, "count": 20, "path": PATH, "control": int(control)}),
            ("real", "connect", {**on_real, "count": 10}),
            ("real", "echo", {**on_real, "count": 50}),
            ("real", "write", {**on_real, "count": 10, "path": REAL_PATH}),
        ]
        for number in range(rounds):
            for server, name, arguments in orders:
                for peer in _rotated(number):
                    for metric, durations in workers[peer].order(name, **arguments).items():
                        samples[f"{metric}, {server}"][peer] += durations
    return samples


def _rotated(number: int) -> list[str]:
    start = number % len(PEERS)
    return [*PEERS[start:], *PEERS[:start]]


def _wait_usable(port: int) -> None:
    with ScrutinyClient().connect(HOST, port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 20.0, "no SFD was loaded")


def measure_servers(worker: Process, rounds: int) -> Samples:
    """Return how long it takes from nothing to a ready device: our fake in process, and the real server."""
    fake = worker.order("fake", count=10 * rounds)
    samples: Samples = {
        "server start to device ready": {"ours": fake["start to ready"], "official": []},
        "server stop": {"ours": fake["stop"], "official": []},
    }
    for _ in range(min(rounds, 5)):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            start = perf_counter()
            with EmulatedServer(RELEASE, Path(home)) as server, ScrutinyClient() as client:
                client.connect(HOST, server.port)
                client.wait_device_ready(20.0)
                samples["server start to device ready"]["official"].append((perf_counter() - start) * 1e3)
    return samples


def measure_startup(official_python: Path, rounds: int) -> Samples:
    """Return what imports and the plugin cost."""
    samples: Samples = defaultdict(dict)
    for name, durations in startup.measure_imports(official_python, rounds).items():
        metric, peer = name.split(", ")
        samples[metric][peer] = durations
    for metric, durations in startup.measure_plugin(rounds).items():
        samples[metric]["ours"] = durations
    return samples


def print_table(samples: Samples) -> None:
    """Print medians in milliseconds, and ratios of medians."""
    out = sys.stdout.write
    out("| ms, median | raw socket | ours | ours, p90 | official | ours / raw | official / ours |\n")
    out("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    for metric, by_peer in samples.items():
        medians = {peer: statistics.median(by_peer[peer]) for peer in PEERS if by_peer.get(peer)}
        p90 = statistics.quantiles(by_peer["ours"], n=10)[-1] if len(by_peer["ours"]) > 1 else None
        raw, ours, official = (medians.get(peer) for peer in PEERS)
        cells = (
            _cell(raw),
            _cell(ours),
            _cell(p90),
            _cell(official),
            _ratio(ours, raw),
            _ratio(official, ours),
        )
        out(f"| {metric} | " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


def _cell(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}" if number < 10 else f"{number:.1f}"


def _ratio(upper: float | None, lower: float | None) -> str:
    return "" if upper is None or lower is None or lower <= 0 else f"{upper / lower:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--rounds", type=int, default=12, help="how often everything is measured")
    rounds = parser.parse_args().rounds
    official_python = environment(RELEASE)
    pythons = dict.fromkeys(PEERS, Path(sys.executable)) | {"official": official_python}
    with contextlib.ExitStack() as stack:
        workers = {
            peer: stack.enter_context(running(python, f"tests.benchmarks.peer_{peer}"))
            for peer, python in pythons.items()
        }
        samples = {**measure_clients(workers, rounds), **measure_servers(workers["ours"], rounds)}
    samples.update(measure_startup(official_python, rounds))
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("pytest-scrutiny", "pytest", "attrs", "websockets")
    )
    sys.stdout.write(
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {versions}, scrutinydebugger {RELEASE}; "
        f"Python {platform.python_version()}, {platform.system()}, "
        f"{os.cpu_count()} cores, {rounds} rounds\n\n"
    )
    print_table(samples)


if __name__ == "__main__":
    main()
