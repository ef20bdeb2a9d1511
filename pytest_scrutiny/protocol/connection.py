"""One connection without I/O: messages to bytes and bytes to messages, for either end.

Rule 1: a client sends JSON objects with a whole-number ``reqid`` only: anything else ends a real server
    (0.8.0 to 0.16.0, observed). NaN and infinity are no values a server takes, so they are not encoded.
Rule 2: a client believes nothing: what is no JSON object with a ``cmd`` raises RemoteProtocolError.
Rule 3: a server ignores what is no JSON, as real servers do, and hands on any JSON value it got.

PYTEST_DONT_REWRITE
"""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.protocol.framing import DatagramFraming, Framing

logger = logging.getLogger(__name__)

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_encode_with_nan = json.JSONEncoder(separators=(",", ":")).encode  # real servers send NaN (0.16.0, observed)
_decode = json.JSONDecoder().decode


def decode_json(payload: bytes) -> Any:
    """Return the JSON value of a payload.

    :raises ValueError: if it is not UTF-8, not JSON, or nested deeper than the interpreter's stack.
    """
    try:
        return _decode(payload.decode())
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


class _Connection:
    """What both ends share."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer, in any chunking; ``data`` may be reused afterwards."""
        self._framing.receive_data(data)

    def data_to_send(self) -> bytes:
        """Return what the framing itself owes the peer; ``b""`` mostly."""
        return self._framing.data_to_send()

    def encode_close(self) -> bytes:
        """Return the farewell to send before the socket is closed; ``b""`` where there is none."""
        return self._framing.encode_close()

    def forget(self) -> None:
        """Free the memory of what was received; the connection has ended."""
        self._framing.forget()


class ClientConnection(_Connection):
    """The client's end: requests out, messages in."""

    def __init__(self, framing: Framing, first_request_id: int = 0) -> None:
        super().__init__(framing)
        self._request_ids = itertools.count(first_request_id)
        self._fault: RemoteProtocolError | None = None

    @property
    def rest(self) -> str:
        """What there is of a message whose end has not come; ``""`` if nothing."""
        return self._framing.rest

    @property
    def is_websocket(self) -> bool:
        """Whether the peer speaks WebSocket, as releases 0.1 to 0.3 do."""
        return not isinstance(self._framing, DatagramFraming)

    def encode_request(self, command: str, fields: Mapping[str, object] | None = None) -> tuple[int, bytes]:
        """Return a new request's id and its bytes.

        :raises ValueError: if ``fields`` holds NaN or infinity, or the message is too large for a server.
        """
        request_id = next(self._request_ids)
        message = {"cmd": command, "reqid": request_id, **(fields or {})}
        return request_id, self._framing.encode(_encode(message).encode())

    def messages(self) -> Iterator[dict[str, Any]]:
        """Return the messages that are complete, each once; every one has a ``cmd``.

        :raises ConnectionError: after the messages before the fault, and again on every later call.
        """
        if self._fault is not None:
            raise RemoteProtocolError(self._fault.message, self._fault.where)
        for payload in self._framing.payloads():
            try:
                message = decode_message(payload)
            except RemoteProtocolError as exc:
                self._fault = RemoteProtocolError(exc.message, exc.where)  # without the frames of this one
                raise
            yield message


class ServerConnection(_Connection):
    """The server's end: any JSON value in, messages out."""

    def encode_message(self, command: str, request_id: object, fields: Mapping[str, object]) -> bytes:
        """Return the bytes of a reply, or of a push when ``request_id`` is None."""
        return self._framing.encode(
            _encode_with_nan({"cmd": command, "reqid": request_id, **fields}).encode()
        )

    def values(self) -> Iterator[Any]:
        """Return the JSON values that are complete, each once.

        :raises ConnectionError: if a WebSocket peer said goodbye or broke the protocol.
        """
        for payload in self._framing.payloads():
            try:
                yield decode_json(payload)
            except ValueError as exc:
                logger.debug("! ignored a message that is no JSON: %s", exc)


def decode_message(payload: bytes) -> dict[str, Any]:
    """Return the message in a payload; it has a ``cmd``.

    :raises RemoteProtocolError: if it is no JSON object with a ``cmd``.
    """
    try:
        message = decode_json(payload)
    except ValueError as exc:
        reason = str(exc)  # the error itself would keep all of the payload
    else:
        reason = ""
    if reason:
        raise RemoteProtocolError(f"the server sent what is no JSON ({reason}): {payload[:80]!r}")
    if type(message) is not dict or type(message.get("cmd")) is not str:
        raise RemoteProtocolError(
            f"the server sent {payload[:80]!r}; expected a JSON object with a string at cmd", where="cmd"
        )
    return message
