"""A Scrutiny server with a simulated device, for tests without hardware.

What a device of one's own is made of: see docs/own-device.md.

PYTEST_DONT_REWRITE
"""

from pytest_scrutiny.fakeserver.arrays import Array
from pytest_scrutiny.fakeserver.custom import is_file
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.profiles import PROFILES, find_profile, make_device
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Profile, Variable
from pytest_scrutiny.fakeserver.server import FakeServer

__all__ = [
    "PROFILES",
    "RPV",
    "Alias",
    "Array",
    "FakeServer",
    "Profile",
    "SimulatedDevice",
    "Variable",
    "find_profile",
    "is_file",
    "make_device",
]
