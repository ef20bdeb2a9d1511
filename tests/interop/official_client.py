"""What an official SDK gets out of a server, as one line of JSON.

Run by the Python of an environment that holds a release of scrutinydebugger, and nothing of ours:

    python official_client.py HOST PORT PATH=VALUE …
"""

import json
import sys
from typing import Any

import scrutiny
from scrutiny.sdk.client import ScrutinyClient

RELEASE = tuple(int(part) for part in scrutiny.__version__.split(".")[:2])
TIMEOUT = 10.0


def _status(client: Any) -> Any:
    return client.get_server_status() if RELEASE < (0, 4) else client.get_latest_server_status()


def _loaded_firmware(client: Any) -> str | None:
    """Return the loaded description's firmware id, once there is one."""
    for _ in range(10):
        status = _status(client)
        loaded = (status.sfd and status.sfd.firmware_id) if RELEASE < (0, 4) else status.sfd_firmware_id
        if loaded:
            return str(loaded)
        client.wait_server_status_update(TIMEOUT)
    return None


def _read_and_write(client: Any, path: str, value: float) -> dict[str, Any]:
    handle = client.watch(path)
    client.wait_new_value_for_all()
    before = handle.value
    handle.value = value
    handle.wait_update(TIMEOUT)
    handle.wait_update(TIMEOUT)
    return {"datatype": handle.datatype.name, "before": before, "after": handle.value}


def main(host: str, port: int, wanted: dict[str, float]) -> dict[str, Any]:
    """Connect, wait, look; read, write and read again each of ``{path: value}``."""
    with ScrutinyClient().connect(host, port) as client:
        client.wait_device_ready(TIMEOUT)
        loaded = _loaded_firmware(client)
        device = _status(client).device if RELEASE < (0, 4) else client.get_device_info()
        return {
            "release": scrutiny.__version__,
            "state": _status(client).device_comm_state.name,
            "loaded": loaded,
            "device_id": device.device_id,
            "display_name": device.display_name,
            "datalogging": device.supported_features.datalogging,
            "values": {path: _read_and_write(client, path, value) for path, value in wanted.items()},
        }


if __name__ == "__main__":
    pairs = (argument.rsplit("=", 1) for argument in sys.argv[3:])
    result = main(sys.argv[1], int(sys.argv[2]), {path: float(value) for path, value in pairs})
    sys.stdout.write(json.dumps(result) + "\n")
