"""The official SDKs cannot tell our fake server from a real one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID, PLAIN
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.interop.servers import RELEASES, environment

pytestmark = pytest.mark.real_server

SCRIPT = Path(__file__).with_name("official_client.py")


def run_official_client(release: str, server: FakeServer, path: str, value: float) -> dict[str, Any]:
    """Return what the SDK of a release got out of the server; see official_client.py."""
    done = subprocess.run(
        [str(environment(release)), str(SCRIPT), server.host, str(server.port), path, str(value)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("path", "datatype", "before", "after"),
    [
        ("/psu/setpoint", "float32", 5.0, 6.5),
        ("/motor/speed", "sint16", -100, 42),
        ("/alias/psu/setpoint_mv", "float32", 5000.0, 3300.0),
        ("/rpv/x1001", "float32", 3.5, 0.75),
    ],
)
def test_an_official_client_reads_and_writes(
    release: str, path: str, datatype: str, before: float, after: float
) -> None:
    with FakeServer(release) as server:
        found = run_official_client(release, server, path, after)

        assert server.get(path) == pytest.approx(after)
    assert found == {
        "release": release,
        "state": "ConnectedReady",
        "loaded": FIRMWARE_ID,
        "device_id": FIRMWARE_ID,
        "display_name": PLAIN.display_name,
        "datalogging": True,
        "datatype": datatype,
        "before": before,
        "after": pytest.approx(after),
    }
