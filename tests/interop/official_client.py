"""What an official SDK gets out of a server, as one line of JSON.

Run by the Python of an environment that holds a release of scrutinydebugger, and nothing of ours:

    python official_client.py HOST PORT PATH VALUE
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


def main(host: str, port: int, path: str, value: float) -> dict[str, Any]:
    """Connect, wait, look, read, write, read again."""
    with ScrutinyClient().connect(host, port) as client:
        client.wait_device_ready(TIMEOUT)
        loaded = _loaded_firmware(client)
        device = _status(client).device if RELEASE < (0, 4) else client.get_device_info()
        handle = client.watch(path)
        client.wait_new_value_for_all()
        before = handle.value
        handle.value = value
        handle.wait_update(TIMEOUT)
        handle.wait_update(TIMEOUT)
        return {
            "release": scrutiny.__version__,
            "state": _status(client).device_comm_state.name,
            "loaded": loaded,
            "device_id": device.device_id,
            "display_name": device.display_name,
            "datalogging": device.supported_features.datalogging,
            "datatype": handle.datatype.name,
            "before": before,
            "after": handle.value,
        }


if __name__ == "__main__":
    result = main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    sys.stdout.write(json.dumps(result) + "\n")
