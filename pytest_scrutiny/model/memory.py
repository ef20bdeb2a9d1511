"""How an access to the device's memory, or a user command, ended.

PYTEST_DONT_REWRITE
"""

import attrs


@attrs.frozen
class MemoryCompletion:
    """The server's word that a read or a write of memory was done, or was not.

    :ivar token: the request's key.
    :ivar data: what was read; None for a write, and on failure.
    :ivar detail: why it failed, in the server's words; ``""`` on success.
    :ivar server_time_us: microseconds on the server's own clock; None on servers 0.1 to 0.3.
    """

    token: str
    success: bool
    data: bytes | None
    detail: str = ""
    server_time_us: float | None = None


@attrs.frozen
class UserCommandResponse:
    """What the firmware answered to a user command."""

    subfunction: int
    data: bytes
