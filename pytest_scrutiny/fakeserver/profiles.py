"""The devices that come with the fake server.

``plain`` is a small power supply: while ``/app/run`` is true its voltage goes to ``/psu/setpoint``, and
``/psu/state`` follows. ``types`` has one of everything (datatypes.py).

PYTEST_DONT_REWRITE
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import attrs

from pytest_scrutiny.errors import NameNotFoundError
from pytest_scrutiny.fakeserver import datatypes
from pytest_scrutiny.fakeserver.arrays import Array
from pytest_scrutiny.fakeserver.custom import is_file, load_profile
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.production import equip
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Profile, Variable
from pytest_scrutiny.model.datalog import (
    DataloggingCapabilities,
    DataloggingEncoding,
    FixedFreqSamplingRate,
    VariableFreqSamplingRate,
)
from pytest_scrutiny.model.sfd import SFDGenerationInfo, SFDInfo, SFDMetadata
from pytest_scrutiny.model.status import SupportedFeatureMap
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from pytest_scrutiny.model.values import EmbeddedEnum

FIRMWARE_ID = "5c7a71fa0c0de000deadbeefcafe0001"
SETTLING_TIME = 0.05
"""Seconds in which the simulated voltage comes 63 % nearer to where it is going."""

MODES = EmbeddedEnum("AppMode", {"IDLE": 0, "RUN": 1, "CALIBRATE": 2})
STATES = EmbeddedEnum("PsuState", {"OFF": 0, "RAMPING": 1, "DONE_OK": 2, "FAULT": 3})


def count_milliseconds(device: SimulatedDevice, before: float, now: float) -> None:
    """Let the uptime counter run, from wherever somebody may have set it."""
    ticks = math.floor(now * 1000) - math.floor(before * 1000)
    device.set("/app/uptime_ms", (int(device.get("/app/uptime_ms")) + ticks) & 0xFFFFFFFF)


def settle_voltage(device: SimulatedDevice, before: float, now: float) -> None:
    """Bring the voltage nearer to the setpoint while running, nearer to zero otherwise."""
    is_running = device.get("/app/run")
    goal = device.get("/psu/setpoint") if is_running else 0.0
    away = (device.get("/psu/voltage") - goal) * math.exp((before - now) / SETTLING_TIME)
    device.set("/psu/voltage", goal + away)
    device.set("/psu/adc", (goal + away) * 1000)
    if device.get("/psu/state") != STATES.vals["FAULT"]:
        settled = "DONE_OK" if abs(away) < 0.02 else "RAMPING"
        device.set("/psu/state", settled if is_running else "OFF")


def answer_command(subfunction: int, data: bytes) -> bytes:
    """Answer a user command: 0 gives the firmware's version, 1 gives back what it got.

    :raises LookupError: for any other, which the firmware refuses.
    """
    if subfunction not in (0, 1):
        raise LookupError(f"user command {subfunction} is none; expected 0 or 1")
    return data if subfunction else b"1.0.0"


def warm_up(device: SimulatedDevice, before: float, now: float) -> None:
    """Let the temperature wander around 25 °C."""
    device.set("/psu/temperature", 25.0 + math.sin(now))
    device.set("/stats/cycles", int(device.get("/stats/cycles")) + math.floor(now) - math.floor(before))


PLAIN = Profile(
    firmware_id=FIRMWARE_ID,
    display_name="Simulated PSU",
    variables=(
        Variable("/app/run", DataType.bool8, 0x1000),
        Variable("/app/mode", DataType.uint8, 0x1001, enum=MODES),
        Variable("/app/flags/limit", DataType.uint32, 0x1004, initial=5, bitoffset=4, bitsize=3),
        Variable("/app/uptime_ms", DataType.uint32, 0x1008),
        Variable("/psu/state", DataType.uint8, 0x100C, enum=STATES),
        Variable("/psu/adc", DataType.uint16, 0x100E),
        Variable("/psu/voltage", DataType.float32, 0x1010),
        Variable("/psu/setpoint", DataType.float32, 0x1014, initial=5.0),
        Variable("/psu/temperature", DataType.float32, 0x1018, initial=25.0),
        Variable("/motor/speed", DataType.sint16, 0x101C, initial=-100),
        Variable("/motor/torque_limit", DataType.float64, 0x1020, initial=1.5),
        Variable("/stats/cycles", DataType.uint64, 0x1028, initial=1 << 40),
    ),
    arrays=(
        Array("/app/table", DataType.uint16, 0x1040, (2, 3), initial=(10, 11, 12, 20, 21, 22)),
        Array("/app/points/x", DataType.float32, 0x1050, (4,), node="/app/points", stride=8),
        Array("/app/points/y", DataType.float32, 0x1054, (4,), node="/app/points", stride=8),
    ),
    aliases=(
        Alias("/alias/app/run", "/app/run"),
        Alias("/alias/ios/psu_voltage", "/psu/voltage"),
        Alias("/alias/psu/voltage", "/psu/adc", gain=0.001),
        Alias("/alias/psu/setpoint", "/psu/setpoint", min=0.0, max=24.0),
        Alias("/alias/psu/setpoint_mv", "/psu/setpoint", gain=1000.0, min=0.0, max=24000.0),
        Alias("/alias/psu/state", "/psu/state"),
        Alias("/alias/psu/temperature_f", "/psu/temperature", gain=1.8, offset=32.0),
        Alias("/alias/motor/percent", "/motor/speed", gain=0.1, min=-100.0, max=100.0),
        Alias("/alias/rpv/level", "/rpv/x1001"),
    ),
    rpvs=(
        RPV(0x1000, DataType.float64, 1.25),
        RPV(0x1001, DataType.float32, 3.5),
        RPV(0x1002, DataType.uint16, 0x1234),
        RPV(0x1003, DataType.sint8, -65),
        RPV(0x1004, DataType.bool8, True),
    ),
    behaviours=(count_milliseconds, settle_voltage, warm_up),
    user_command=answer_command,
    sfd=SFDInfo(
        firmware_id=FIRMWARE_ID,
        metadata=SFDMetadata(
            project_name="Simulated PSU",
            author="pytest-scrutiny",
            version="1.0.0",
            generation_info=SFDGenerationInfo(
                timestamp=datetime(2024, 1, 1, tzinfo=UTC),
                python_version="3.11.0",
                scrutiny_version="0.16.0",
                system_type="Simulated",
            ),
        ),
        filesize=2048,
    ),
    capabilities=DataloggingCapabilities(
        encoding=DataloggingEncoding.RAW,
        buffer_size=4096,
        max_nb_signal=32,
        sampling_rates=(
            FixedFreqSamplingRate(0, "1 kHz", 1000.0),
            FixedFreqSamplingRate(1, "10 kHz", 10000.0),
            VariableFreqSamplingRate(2, "idle loop"),
        ),
    ),
)

TYPES = attrs.evolve(
    PLAIN,
    display_name="Simulated datatypes",
    variables=datatypes.VARIABLES,
    arrays=datatypes.ARRAYS,
    aliases=datatypes.ALIASES,
    rpvs=datatypes.RPVS,
    behaviours=(datatypes.walk,),
    forbidden=(datatypes.FORBIDDEN,),
    readonly=(datatypes.READONLY,),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({
    "plain": PLAIN,
    "bare": attrs.evolve(
        PLAIN,
        display_name="Simulated PSU, bare",
        features=SupportedFeatureMap(
            memory_write=True, datalogging=False, user_command=False, sixtyfour_bits=False
        ),
    ),
    "sealed": attrs.evolve(
        PLAIN,
        display_name="Simulated PSU, sealed",
        features=attrs.evolve(PLAIN.features, memory_write=False),
    ),
    "nameless": attrs.evolve(
        PLAIN,
        display_name="Simulated PSU, no firmware description",
        sfd=None,
        # The firmware runs all the same; only nobody knows the names of its variables.
    ),
    "foreign": attrs.evolve(
        PLAIN,
        display_name="Simulated PSU, rebuilt",
        firmware_id="5c7a71fa0c0de000deadbeefcafe0002",  # the description is of the build before
    ),
    "production": attrs.evolve(equip(PLAIN), display_name="Simulated PSU, production"),
    "types": TYPES,
    "types-big": attrs.evolve(
        TYPES,
        display_name="Simulated datatypes, big-endian",
        is_big_endian=True,
        address_size_bits=64,
    ),
})  # fmt: skip
"""``{name: device}``: ``bare`` has memory_write only, ``sealed`` all but that, ``nameless`` RPVs only,
``foreign`` too, for the one firmware description on the server is another firmware's; ``production`` has a
power-up sequence and an EEPROM besides (production.py). ``types`` has one of everything (datatypes.py),
``types-big`` the same on a big-endian processor with addresses of 64 bits."""


def find_profile(profile: str) -> Profile:
    """Return the profile of this name, or of this Python file.

    :raises NameNotFoundError: if there is no such name.
    :raises ValueError: if the file has no profile of a device that can be.
    """
    if is_file(profile):
        return load_profile(profile)
    if profile not in PROFILES:
        raise NameNotFoundError(
            f"there is no profile {profile!r} of the fake server; "
            f"expected one of {', '.join(PROFILES)}, or a Python file (.py)"
        )
    return PROFILES[profile]


def make_device(profile: str = "plain", *, without: Iterable[str] = ()) -> SimulatedDevice:
    """Return a new device.

    :param profile: a name in PROFILES, or a Python file with a ``PROFILE``.
    :param without: features to switch off.
    :raises NameNotFoundError: if there is no such profile or feature.
    :raises ValueError: if the file has no profile of a device that can be.
    """
    device = SimulatedDevice(find_profile(profile))
    device.change_features(**dict.fromkeys(without, False))
    return device
