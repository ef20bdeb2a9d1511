"""The official SDKs cannot tell our fake server from a real one."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID, PLAIN
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.interop.servers import environment

pytestmark = pytest.mark.real_server

SCRIPT = Path(__file__).with_name("official_client.py")
EXPECTED: Mapping[str, tuple[str, float, float]] = {
    "/psu/setpoint": ("float32", 5.0, 6.5),
    "/motor/speed": ("sint16", -100, 42),
    "/alias/motor/percent": ("sint16", 4.2, -50.0),
    "/rpv/x1001": ("float32", 3.5, 0.75),
}
"""``{path: (datatype, value found, value written)}``, in this order."""


def run_official_client(release: str, server: FakeServer) -> dict[str, Any]:
    """Return what the SDK of a release got out of the server; see official_client.py."""
    pairs = [f"{path}={value}" for path, (_, _, value) in EXPECTED.items()]
    done = subprocess.run(
        [str(environment(release)), str(SCRIPT), server.host, str(server.port), *pairs],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_official_client_reads_and_writes(sdk_release: str) -> None:
    with FakeServer(sdk_release) as server:
        found = run_official_client(sdk_release, server)

        assert {path: server.get(path) for path in EXPECTED} == pytest.approx(
            {path: value for path, (_, _, value) in EXPECTED.items()} | {"/motor/speed": -500}
        )
    assert found.pop("values") == {
        path: {"datatype": datatype, "before": pytest.approx(before), "after": pytest.approx(after)}
        for path, (datatype, before, after) in EXPECTED.items()
    }
    assert found == {
        "release": sdk_release,
        "state": "ConnectedReady",
        "loaded": FIRMWARE_ID,
        "device_id": FIRMWARE_ID,
        "display_name": PLAIN.display_name,
        "datalogging": True,
    }
