"""User commands: what a firmware makes of a number and some bytes, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_user_command:
``{"cmd":"user_command","reqid":7,"subfunction":2,"data":"AQI="}`` and, once the device has answered,
``{"cmd":"response_user_command","reqid":7,"subfunction":2,"data":"Aw=="}``

PYTEST_DONT_REWRITE
"""

import base64

from pytest_scrutiny.model.memory import UserCommandResponse
from pytest_scrutiny.protocol.fields import Fields, RequestFields

USER_COMMAND = "user_command"


def encode_user_command(subfunction: int, data: bytes) -> dict[str, object]:
    """Return the fields of a ``user_command`` or of its reply."""
    return {"subfunction": subfunction, "data": base64.b64encode(data).decode()}


def decode_user_command(request: RequestFields) -> tuple[int, str]:
    """Return number and data of a ``user_command``, the data still in base64; ``""`` if there is none."""
    return request.field("subfunction", int), request.field("data", str) if "data" in request.data else ""


def decode_user_command_reply(message: Fields) -> UserCommandResponse:
    """Return what the firmware answered."""
    return UserCommandResponse(message.integer("subfunction"), message.bytes_of("data"))
