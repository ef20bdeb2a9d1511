"""How a write ended.

PYTEST_DONT_REWRITE
"""

import attrs


@attrs.frozen
class WriteCompletion:
    """The server's word that one write reached the device, or did not.

    :ivar token: the write request's key; completions of other clients' writes arrive too.
    :ivar batch_index: which write of the request.
    :ivar server_time_us: microseconds on the server's own clock; None on servers 0.1 to 0.3.
    :ivar failure_reason: ``""`` on success and on servers before 0.15, which do not say.
    """

    server_id: str
    token: str
    batch_index: int
    success: bool
    server_time_us: float | None
    failure_reason: str = ""
