"""Hardware-in-the-loop testing with pytest through a Scrutiny Debugger server.

The names in ``__all__`` are for users; each is imported when it is first used (PEP 562), so that a pytest
run that uses none of them pays for none.

PYTEST_DONT_REWRITE
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_scrutiny.client.batch import BatchWriteContext
    from pytest_scrutiny.client.client import ScrutinyClient
    from pytest_scrutiny.client.handle import WatchableHandle
    from pytest_scrutiny.client.listing import WatchableListDownloadRequest
    from pytest_scrutiny.errors import (
        ApiError,
        BadEnumError,
        BadResponseError,
        BadTypeError,
        ConnectionError,
        ConnectTimeout,
        DeviceLostError,
        DeviceResetError,
        ErrorResponseException,
        InvalidValueError,
        NameNotFoundError,
        NotAllowedError,
        NotSupportedByServerError,
        OperationFailure,
        RemoteProtocolError,
        ScrutinyError,
        ScrutinySDKException,
        TimeoutException,
        UnmetExpectation,
    )
    from pytest_scrutiny.fakeserver.server import FakeServer
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.hil.matchers import above, below, between
    from pytest_scrutiny.hil.value import Value
    from pytest_scrutiny.model.datalog import (
        DataloggerState,
        DataloggingCapabilities,
        DataloggingEncoding,
        DataloggingInfo,
        DataloggingState,
        FixedFreqSamplingRate,
        SamplingRate,
        VariableFreqSamplingRate,
    )
    from pytest_scrutiny.model.link import (
        CANLinkConfig,
        DeviceLinkInfo,
        DeviceLinkType,
        RTTLinkConfig,
        SerialLinkConfig,
        TCPLinkConfig,
        UDPLinkConfig,
    )
    from pytest_scrutiny.model.listing import (
        BaseDetailedWatchableConfiguration,
        BriefWatchableConfiguration,
        DetailedAliasWatchableConfiguration,
        DetailedRPVWatchableConfiguration,
        DetailedVarWatchableConfiguration,
        ServerDatastoreContentType,
        VariableFactoryInterface,
        WatchableListContentPart,
    )
    from pytest_scrutiny.model.memory import UserCommandResponse
    from pytest_scrutiny.model.sfd import SFDGenerationInfo, SFDInfo, SFDMetadata
    from pytest_scrutiny.model.status import (
        DeviceCommState,
        DeviceInfo,
        MemoryRegion,
        ServerInfo,
        ServerState,
        SupportedFeatureMap,
    )
    from pytest_scrutiny.model.values import (
        EmbeddedDataType,
        EmbeddedEnum,
        UnknownValue,
        ValueStatus,
        WatchableType,
    )
    from pytest_scrutiny.model.watch import Sample, ValueSnapshot, WatchableInfo
    from pytest_scrutiny.plugin.markers import requires

__all__ = [
    "ApiError",
    "BadEnumError",
    "BadResponseError",
    "BadTypeError",
    "BaseDetailedWatchableConfiguration",
    "BatchWriteContext",
    "BriefWatchableConfiguration",
    "CANLinkConfig",
    "ConnectTimeout",
    "ConnectionError",
    "DataloggerState",
    "DataloggingCapabilities",
    "DataloggingEncoding",
    "DataloggingInfo",
    "DataloggingState",
    "DetailedAliasWatchableConfiguration",
    "DetailedRPVWatchableConfiguration",
    "DetailedVarWatchableConfiguration",
    "Device",
    "DeviceCommState",
    "DeviceInfo",
    "DeviceLinkInfo",
    "DeviceLinkType",
    "DeviceLostError",
    "DeviceResetError",
    "EmbeddedDataType",
    "EmbeddedEnum",
    "ErrorResponseException",
    "FakeServer",
    "FixedFreqSamplingRate",
    "InvalidValueError",
    "MemoryRegion",
    "NameNotFoundError",
    "NotAllowedError",
    "NotSupportedByServerError",
    "OperationFailure",
    "RTTLinkConfig",
    "RemoteProtocolError",
    "SFDGenerationInfo",
    "SFDInfo",
    "SFDMetadata",
    "Sample",
    "SamplingRate",
    "ScrutinyClient",
    "ScrutinyError",
    "ScrutinySDKException",
    "SerialLinkConfig",
    "ServerDatastoreContentType",
    "ServerInfo",
    "ServerState",
    "SupportedFeatureMap",
    "TCPLinkConfig",
    "TimeoutException",
    "UDPLinkConfig",
    "UnknownValue",
    "UnmetExpectation",
    "UserCommandResponse",
    "Value",
    "ValueSnapshot",
    "ValueStatus",
    "VariableFactoryInterface",
    "VariableFreqSamplingRate",
    "WatchableHandle",
    "WatchableInfo",
    "WatchableListContentPart",
    "WatchableListDownloadRequest",
    "WatchableType",
    "above",
    "below",
    "between",
    "requires",
]

_HOMES = {
    "client.batch": ("BatchWriteContext",),
    "client.client": ("ScrutinyClient",),
    "client.handle": ("WatchableHandle",),
    "client.listing": ("WatchableListDownloadRequest",),
    "errors": (
        "ApiError",
        "BadEnumError",
        "BadResponseError",
        "BadTypeError",
        "ConnectionError",
        "ConnectTimeout",
        "DeviceLostError",
        "DeviceResetError",
        "ErrorResponseException",
        "InvalidValueError",
        "NameNotFoundError",
        "NotAllowedError",
        "NotSupportedByServerError",
        "OperationFailure",
        "RemoteProtocolError",
        "ScrutinyError",
        "ScrutinySDKException",
        "TimeoutException",
        "UnmetExpectation",
    ),
    "fakeserver.server": ("FakeServer",),
    "hil.device": ("Device",),
    "hil.matchers": ("above", "below", "between"),
    "hil.value": ("Value",),
    "model.datalog": (
        "DataloggerState",
        "DataloggingCapabilities",
        "DataloggingEncoding",
        "DataloggingInfo",
        "DataloggingState",
        "FixedFreqSamplingRate",
        "SamplingRate",
        "VariableFreqSamplingRate",
    ),
    "model.link": (
        "CANLinkConfig",
        "DeviceLinkInfo",
        "DeviceLinkType",
        "RTTLinkConfig",
        "SerialLinkConfig",
        "TCPLinkConfig",
        "UDPLinkConfig",
    ),
    "model.listing": (
        "BaseDetailedWatchableConfiguration",
        "BriefWatchableConfiguration",
        "DetailedAliasWatchableConfiguration",
        "DetailedRPVWatchableConfiguration",
        "DetailedVarWatchableConfiguration",
        "ServerDatastoreContentType",
        "VariableFactoryInterface",
        "WatchableListContentPart",
    ),
    "model.memory": ("UserCommandResponse",),
    "model.sfd": (
        "SFDGenerationInfo",
        "SFDInfo",
        "SFDMetadata",
    ),
    "model.status": (
        "DeviceCommState",
        "DeviceInfo",
        "MemoryRegion",
        "ServerInfo",
        "ServerState",
        "SupportedFeatureMap",
    ),
    "model.values": (
        "EmbeddedDataType",
        "EmbeddedEnum",
        "UnknownValue",
        "ValueStatus",
        "WatchableType",
    ),
    "model.watch": (
        "Sample",
        "ValueSnapshot",
        "WatchableInfo",
    ),
    "plugin.markers": ("requires",),
}
_HOME_OF = {name: f"pytest_scrutiny.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
