"""The firmware description (SFD) that gives a device's variables their names.

PYTEST_DONT_REWRITE
"""

from datetime import datetime

import attrs


@attrs.frozen
class SFDGenerationInfo:
    """How a firmware description was made; None where the file does not say.

    :ivar timestamp: when, in UTC.
    """

    timestamp: datetime | None = None
    python_version: str | None = None
    scrutiny_version: str | None = None
    system_type: str | None = None


@attrs.frozen
class SFDMetadata:
    """What the firmware's makers wrote about it; None where the file does not say."""

    project_name: str | None = None
    author: str | None = None
    version: str | None = None
    generation_info: SFDGenerationInfo = SFDGenerationInfo()


@attrs.frozen
class SFDInfo:
    """A firmware description on the server.

    :ivar firmware_id: 32 hex digits; the same as the device's ``device_id`` when they belong together.
    :ivar filesize: bytes; None on servers before 0.8 and for the demo device.
    """

    firmware_id: str
    metadata: SFDMetadata | None = None
    filesize: int | None = None
