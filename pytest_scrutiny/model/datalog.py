"""The device's own scope: what it can do and what it is doing.

PYTEST_DONT_REWRITE
"""

import enum

import attrs

from pytest_scrutiny.model.values import UnknownValue


class DataloggerState(enum.Enum):
    """What the datalogger in the device is doing."""

    NA = 0
    Standby = 1
    WaitForTrigger = 2
    Acquiring = 3
    DataReady = 4
    Downloading = 4  # noqa: PIE796 - an alias: the name since 0.6
    Error = 5


DataloggingState = DataloggerState
"""The official SDK's name of the class since 0.6."""


@attrs.frozen
class DataloggingInfo:
    """What the datalogger is doing at present.

    :ivar completion_ratio: 0.0 to 1.0 while an acquisition runs; None otherwise.
    """

    state: DataloggerState | UnknownValue
    completion_ratio: float | None


class DataloggingEncoding(enum.Enum):
    """How acquired samples are stored in the device."""

    RAW = 1


@attrs.frozen
class SamplingRate:
    """A loop of the firmware that can take samples.

    :ivar identifier: the device's number of the loop.
    """

    identifier: int
    name: str


@attrs.frozen
class FixedFreqSamplingRate(SamplingRate):
    """A loop that runs at a known frequency, in hertz."""

    frequency: float


@attrs.frozen
class VariableFreqSamplingRate(SamplingRate):
    """A loop whose frequency is not known."""


@attrs.frozen
class DataloggingCapabilities:
    """What the datalogger in the device can do.

    :ivar buffer_size: bytes for one acquisition.
    :ivar max_nb_signal: signals in one acquisition.
    """

    encoding: DataloggingEncoding | UnknownValue
    buffer_size: int
    max_nb_signal: int
    sampling_rates: tuple[SamplingRate, ...]
