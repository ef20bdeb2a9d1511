"""Hypothesis strategies for what goes over the wire; any test folder may use them.

Rule 1: a strategy for a model object takes the dialect, and makes only what a server of that dialect can say:
    then ``decode(encode(x, dialect)) == x``. They are cached: to build one costs more than to draw from it.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias

from hypothesis import strategies as st

from pytest_scrutiny.model.datalog import (
    DataloggerState,
    DataloggingCapabilities,
    DataloggingEncoding,
    DataloggingInfo,
    FixedFreqSamplingRate,
    VariableFreqSamplingRate,
)
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, TCPLinkConfig, UDPLinkConfig
from pytest_scrutiny.model.sfd import SFDGenerationInfo, SFDInfo, SFDMetadata
from pytest_scrutiny.model.status import (
    DeviceCommState,
    DeviceInfo,
    MemoryRegion,
    StatusReport,
    SupportedFeatureMap,
)
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, UnknownValue, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.dialect import RELEASES, Dialect, dialect_of

Strategy: TypeAlias = st.SearchStrategy[Any]

DIALECTS = st.sampled_from(RELEASES).map(dialect_of)
"""How any release speaks."""

BINARY_FRIENDLY = st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=4).map(lambda b: b * 100))
"""Payloads that pay to compress, and others."""

CUTS = st.lists(st.integers(0, 2000), max_size=12)
"""Where to cut a byte stream; see ``tests.protocol.wire.cut``."""

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),  # with NaN and the infinities: Python's JSON has them, and real servers send them
    st.sampled_from([2**63, -(2**64), 2**1024, 10**400, -0.0, 1e308]),
)

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Any JSON value, Python's extensions included."""

WORDS = st.text(max_size=12)
PATHS = st.text(min_size=1, max_size=20)
HEX_IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
SIZES = st.integers(0, 2**32)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def unknown(known: Any) -> Strategy:
    """Return words that no release knows, so that a newer one may."""
    return (
        WORDS.map(lambda word: f"new {word}").map(UnknownValue).filter(lambda value: value.text not in known)
    )


def _or_none(strategy: Strategy) -> Strategy:
    return st.one_of(st.none(), strategy)


def _only_if(condition: bool, strategy: Strategy, otherwise: object = None) -> Strategy:
    return strategy if condition else st.just(otherwise)


# Status

REGIONS = st.lists(st.builds(MemoryRegion, st.integers(0, 2**64), st.integers(1, 2**32)), max_size=3).map(
    tuple
)
SAMPLING_RATES = st.one_of(
    st.builds(VariableFreqSamplingRate, SIZES, WORDS),
    st.builds(FixedFreqSamplingRate, SIZES, WORDS, FINITE),
)
CAPABILITIES = st.builds(
    DataloggingCapabilities,
    encoding=st.one_of(st.just(DataloggingEncoding.RAW), unknown(())),
    buffer_size=SIZES,
    max_nb_signal=SIZES,
    sampling_rates=st.lists(SAMPLING_RATES, max_size=3).map(tuple),
)
FEATURES = st.builds(SupportedFeatureMap, st.booleans(), st.booleans(), st.booleans(), st.booleans())
DATALOGGING = st.builds(
    DataloggingInfo,
    state=st.one_of(st.sampled_from(DataloggerState), unknown(())),
    completion_ratio=_or_none(st.floats(0, 1)),
)
SFD_METADATA = st.builds(
    SFDMetadata,
    project_name=_or_none(WORDS),
    author=_or_none(WORDS),
    version=_or_none(WORDS),
    generation_info=st.builds(
        SFDGenerationInfo,
        timestamp=_or_none(st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))),
        python_version=_or_none(WORDS),
        scrutiny_version=_or_none(WORDS),
        system_type=_or_none(WORDS),
    ),
)


def sfds(*, has_metadata: bool = True, has_filesize: bool = False) -> Strategy:
    """Return firmware descriptions as a message with these fields can tell them."""
    return st.builds(
        SFDInfo,
        firmware_id=HEX_IDS,
        metadata=_only_if(has_metadata, SFD_METADATA),
        filesize=_only_if(has_filesize, _or_none(SIZES)),
    )


@cache
def loaded_sfds(dialect: Dialect) -> Strategy:
    """Return what a ``get_loaded_sfd`` reply of this dialect can tell."""
    return _or_none(
        sfds(has_metadata=dialect.loaded_sfd != "id", has_filesize=dialect.loaded_sfd == "nested")
    )


@cache
def device_infos(dialect: Dialect) -> Strategy:
    """Return devices as a server of this dialect can describe them."""
    extended = dialect.device_session_and_capabilities
    return st.builds(
        DeviceInfo,
        device_id=HEX_IDS,
        display_name=WORDS,
        max_tx_data_size=SIZES,
        max_rx_data_size=SIZES,
        max_bitrate_bps=_or_none(SIZES),
        rx_timeout_us=SIZES,
        heartbeat_timeout=st.integers(0, 2**32).map(lambda us: us / 1e6),
        address_size_bits=st.sampled_from([8, 16, 32, 64, 128]),
        protocol_major=SIZES,
        protocol_minor=SIZES,
        supported_features=FEATURES,
        forbidden_memory_regions=REGIONS,
        readonly_memory_regions=REGIONS,
        session_id=_only_if(extended, _or_none(HEX_IDS)),
        datalogging_capabilities=_only_if(extended, _or_none(CAPABILITIES)),
        char_bit=_only_if(dialect.char_bit, st.sampled_from([8, 16])),
    )


@cache
def links(dialect: Dialect) -> Strategy:
    """Return device links that the fake server can show in this dialect."""
    ports = st.integers(0, 65535)
    kinds = st.one_of(
        st.tuples(st.just(DeviceLinkType.UDP), st.builds(UDPLinkConfig, WORDS, ports)),
        st.tuples(st.just(DeviceLinkType.TCP), st.builds(TCPLinkConfig, WORDS, ports)),
        st.tuples(
            st.one_of(st.sampled_from([DeviceLinkType.NONE, DeviceLinkType.Dummy]), unknown(())), st.none()
        ),
    )
    return st.builds(
        lambda kind, operational, demo_mode: DeviceLinkInfo(kind[0], kind[1], operational, demo_mode),
        kinds,
        _only_if(dialect.link_operational, st.booleans()),
        _only_if(dialect.demo_mode, st.booleans()),
    )


@cache
def status_reports(dialect: Dialect) -> Strategy:
    """Return status messages' content as a server of this dialect can tell it."""
    whole = dialect.status_tells_device

    def report(sfd: SFDInfo | None, sfd_id: str | None, **fields: Any) -> StatusReport:
        return StatusReport(
            sfd=sfd if whole else None,
            sfd_firmware_id=sfd_id if not whole else None if sfd is None else sfd.firmware_id,
            is_whole=whole,
            **fields,
        )

    return st.builds(
        report,
        sfd=_or_none(sfds()),
        sfd_id=_or_none(HEX_IDS),
        comm_state=st.one_of(st.sampled_from(DeviceCommState), unknown(())),
        session_id=_or_none(HEX_IDS),
        datalogging=DATALOGGING,
        link=links(dialect),
        device=_only_if(whole, _or_none(device_infos(dialect))),
    )


# Watch and write

DATATYPES = st.sampled_from([kind for kind in EmbeddedDataType if not kind.is_bool()])
WATCHABLE_TYPES = st.one_of(st.sampled_from(WatchableType), unknown(()))
ENUMS = st.builds(EmbeddedEnum, WORDS, st.dictionaries(WORDS, st.integers(-(2**63), 2**64), max_size=4))


def _details(kind: WatchableType | UnknownValue) -> Strategy:
    if kind is WatchableType.Variable:
        return st.builds(VariableDetails, _or_none(SIZES), _or_none(SIZES), _or_none(SIZES))
    if kind is WatchableType.RuntimePublishedValue:
        return st.builds(RPVDetails, st.integers(0, 0xFFFF))
    if kind is WatchableType.Alias:
        optional = _or_none(FINITE)
        return st.builds(AliasDetails, PATHS, WATCHABLE_TYPES, optional, optional, optional, optional)
    return st.none()


@cache
def watchables(dialect: Dialect) -> Strategy:
    """Return entries of a subscription as a server of this dialect can tell them."""
    bools = [kind for kind in EmbeddedDataType if kind.is_bool()]
    bool_types = st.sampled_from(bools if dialect.bool_word == "bool8" else [EmbeddedDataType.bool8])
    return WATCHABLE_TYPES.flatmap(
        lambda kind: st.builds(
            WatchableInfo,
            path=PATHS,
            type=st.just(kind),
            datatype=st.one_of(DATATYPES, bool_types, unknown(())),
            server_id=st.text(min_size=1, max_size=8),
            enum=_only_if(dialect.watch_has_enum, _or_none(ENUMS)),
            details=_only_if(dialect.watch_has_details, _details(kind)),
        )
    )


@cache
def write_completions(dialect: Dialect) -> Strategy:
    """Return ends of writes as a server of this dialect can tell them."""
    return st.builds(
        WriteCompletion,
        server_id=WORDS,
        token=HEX_IDS,
        batch_index=SIZES,
        success=st.booleans(),
        server_time_us=_only_if(dialect.update_has_time, FINITE),
        failure_reason=_only_if(dialect.completion_has_reason, WORDS, ""),
    )


# Broken messages


@st.composite
def wrecked(draw: st.DrawFn, message: dict[str, Any]) -> dict[str, Any]:
    """Return the message with one field, at any depth, missing or replaced by any JSON."""
    place = draw(st.sampled_from(sorted(_places(message), key=repr)))
    value = draw(st.one_of(st.just(_MISSING), JSON))
    wreck = _replace(message, place, value)
    assert isinstance(wreck, dict)
    return wreck


_MISSING = object()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return []
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in [(*path, key), *_places(value[key], (*path, key))]]


def _replace(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    items = value.items() if isinstance(value, dict) else enumerate(value)
    pairs = [(key, _replace(item, path[1:], new) if key == path[0] else item) for key, item in items]
    kept = [(key, item) for key, item in pairs if item is not _MISSING]
    return dict(kept) if isinstance(value, dict) else [item for _, item in kept]
