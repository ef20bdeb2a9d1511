"""The official SDK's client, in its own environment.

PYTEST_DONT_REWRITE
"""

from typing import Any

from scrutiny.sdk.client import ScrutinyClient

from tests.benchmarks.worker import obey

TIMEOUT = 5.0


class OfficialPeer:
    """A ScrutinyClient of scrutinydebugger 0.16.0."""

    def connect(self, host: str, port: int) -> None:
        self._client: Any = ScrutinyClient().connect(host, port)

    def disconnect(self) -> None:
        self._client.disconnect()

    def echo(self) -> None:
        # It has no public echo; this is how its public requests are made (sdk/client.py, 0.16.0).
        request = self._client._make_request("echo", {"payload": "hello"})
        self._client._send(request, lambda *_: None).wait()

    def watch(self, path: str) -> None:
        self._handle = self._client.watch(path)
        self._handle.wait_update(TIMEOUT, previous_counter=0)

    def write(self, value: float) -> None:
        self._handle.value = value

    def wait_update(self) -> float:
        self._handle.wait_update(TIMEOUT)
        return float(self._handle.value)


if __name__ == "__main__":
    obey(OfficialPeer())
