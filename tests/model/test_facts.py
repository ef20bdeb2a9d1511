"""Names and numbers of the contract, and that facts do not change."""

import enum
from typing import Any

import attrs
import pytest

from pytest_scrutiny.model import datalog, link, sfd, status, values, watch, write
from pytest_scrutiny.model.datalog import DataloggerState, DataloggingInfo, DataloggingState
from pytest_scrutiny.model.link import (
    CANLinkConfig,
    DeviceLinkInfo,
    DeviceLinkType,
    RTTLinkConfig,
    SerialLinkConfig,
)
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import (
    DeviceCommState,
    DeviceInfo,
    MemoryRegion,
    ServerInfo,
    ServerState,
    SupportedFeatureMap,
)

MEMBERS: list[tuple[type[enum.Enum], dict[str, Any]]] = [
    (
        DataloggerState,
        {
            "NA": 0,
            "Standby": 1,
            "WaitForTrigger": 2,
            "Acquiring": 3,
            "DataReady": 4,
            "Downloading": 4,
            "Error": 5,
        },
    ),
    (DeviceCommState, {"NA": 0, "Disconnected": 1, "Connecting": 2, "ConnectedReady": 3}),
    (ServerState, {"Disconnected": 0, "Connecting": 1, "Connected": 2, "Error": -1}),
    (
        DeviceLinkType,
        {"Dummy": -1, "NONE": 0, "NA": 0, "UDP": 1, "TCP": 2, "Serial": 3, "RTT": 4, "CAN": 5},
    ),
    (SerialLinkConfig.StopBits, {"ONE": 1, "ONE_POINT_FIVE": 1.5, "TWO": 2}),
    (SerialLinkConfig.DataBits, {"FIVE": 5, "SIX": 6, "SEVEN": 7, "EIGHT": 8}),
    (
        SerialLinkConfig.Parity,
        {"NONE": "none", "EVEN": "even", "ODD": "odd", "MARK": "mark", "SPACE": "space"},
    ),
    (
        RTTLinkConfig.JLinkInterface,
        {"JTAG": "jtag", "SWD": "swd", "FINE": "fine", "ICSP": "icsp", "SPI": "spi", "C2": "c2"},
    ),
    (CANLinkConfig.CANInterface, {"SocketCAN": 0, "Vector": 1, "KVaser": 2, "PCAN": 3, "ETAS": 4}),
]
FIELDS: list[tuple[Any, str]] = [
    (ServerInfo, "device_comm_state device_session_id device datalogging sfd device_link"),
    (
        DeviceInfo,
        (
            "device_id display_name max_tx_data_size max_rx_data_size max_bitrate_bps rx_timeout_us "
            "heartbeat_timeout address_size_bits protocol_major protocol_minor supported_features "
            "forbidden_memory_regions readonly_memory_regions session_id datalogging_capabilities char_bit"
        ),
    ),
    (SupportedFeatureMap, "memory_write datalogging user_command sixtyfour_bits"),
    (MemoryRegion, "start size"),
    (DataloggingInfo, "state completion_ratio"),
    (DeviceLinkInfo, "type config operational demo_mode"),
    (SFDInfo, "firmware_id metadata filesize"),
]
FACTS = [
    member
    for module in (datalog, link, sfd, status, values, watch, write)
    for member in vars(module).values()
    if isinstance(member, type) and attrs.has(member) and member.__module__ == module.__name__
]


@pytest.mark.parametrize(("kind", "members"), MEMBERS)
def test_an_enum_has_the_contracts_members(kind: type[enum.Enum], members: dict[str, Any]) -> None:
    assert {name: member.value for name, member in kind.__members__.items()} == members


def test_what_has_two_names_is_one_thing() -> None:
    assert DataloggingState is DataloggerState
    assert DataloggerState["Downloading"] is DataloggerState["DataReady"]
    assert DeviceLinkType["NA"] is DeviceLinkType["NONE"]


@pytest.mark.parametrize(("kind", "names"), FIELDS)
def test_a_structure_has_the_contracts_fields_in_its_order(kind: Any, names: str) -> None:
    assert [field.name for field in attrs.fields(kind)] == names.split()


@pytest.mark.parametrize("kind", FACTS)
def test_facts_do_not_change(kind: Any) -> None:
    fact = object.__new__(kind)

    for field in attrs.fields(kind):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(fact, field.name, None)


def test_all_facts_are_looked_at() -> None:
    assert {ServerInfo, DeviceInfo, SFDInfo, values.UnknownValue, write.WriteCompletion} <= set(FACTS)
    assert len(FACTS) > 20


@pytest.mark.parametrize(("start", "size", "end"), [(0x100, 0x40, 0x13F), (7, 1, 7), (0, 2**64, 2**64 - 1)])
def test_a_regions_end_belongs_to_it(start: int, size: int, end: int) -> None:
    assert MemoryRegion(start, size).end == end


def test_the_loaded_firmwares_id_is_at_hand() -> None:
    def server(loaded: SFDInfo | None) -> ServerInfo:
        return ServerInfo(
            device_comm_state=DeviceCommState.Disconnected,
            device_session_id=None,
            device=None,
            datalogging=DataloggingInfo(DataloggerState.NA, None),
            sfd=loaded,
            device_link=DeviceLinkInfo(DeviceLinkType.NONE, None),
        )

    assert server(None).sfd_firmware_id is None
    assert server(SFDInfo("deadbeef")).sfd_firmware_id == "deadbeef"
    assert {server(None): 1}[server(None)] == 1
