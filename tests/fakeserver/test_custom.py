"""Devices of users' own: their files, and what no device can be."""

from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from pytest_scrutiny.fakeserver import RPV, Alias, Array, Profile, SimulatedDevice, Variable, make_device
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType as DataType

SPEED = Variable("/motor/speed", DataType.sint16, 0x1000, initial=-100)
BOARD = Profile(firmware_id="00112233445566778899aabbccddeeff", display_name="Board", variables=(SPEED,))

FILE = """
from pytest_scrutiny import EmbeddedDataType
from pytest_scrutiny.fakeserver import Alias, Profile, Variable

STEP = 3

def run(device, before, now):
    device.set("/motor/speed", device.get("/motor/speed") + STEP)

PROFILE = Profile(
    firmware_id="00112233445566778899aabbccddeeff",
    display_name="Board",
    variables=(Variable("/motor/speed", EmbeddedDataType.sint16, 0x1000, initial=-100),),
    aliases=(Alias("/speed", "/motor/speed", gain=0.5),),
    behaviours=(run,),
)
"""


def write_file(folder: Path, text: str) -> str:
    file = folder / "board.py"
    file.write_text(text)
    return str(file)


def test_a_file_is_a_device_with_its_behaviours(tmp_path: Path) -> None:
    device = make_device(write_file(tmp_path, FILE), without=["datalogging"])
    device.advance(0.0)
    device.advance(1.0)

    assert device.profile.display_name == "Board"
    assert device.get("/speed") == (-100 + 3) * 0.5
    assert not device.features.datalogging


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("PROFIL = 1", r"board.py has no PROFILE; expected a Profile of pytest_scrutiny.fakeserver"),
        ("PROFILE = 'plain'", r"board.py has a str as PROFILE; expected a Profile"),
        ("import math\n\nmath.sqrt(-1)", r"board.py ended in line 3 with ValueError\("),
        ("PROFILE = (", r"board.py ended in line 1 with SyntaxError\("),
        ("import no_such_package", r"board.py ended in line 1 with ModuleNotFoundError\("),
        (FILE.replace("0x1000", "0x2000"), r"the PROFILE of .*board.py is none: /motor/speed has no place: "),
    ],
)
def test_a_file_without_a_device_says_why(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make_device(write_file(tmp_path, text))


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"there is no file /.*board\.py; expected a Python file with a PROF"
    ):
        make_device(str(tmp_path / "board.py"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"firmware_id": "0x12"}, "firmware_id is '0x12'; expected 32 hex digits in lower case"),
        ({"variables": (SPEED, SPEED)}, "/motor/speed is there 2 times; expected each path once"),
        ({"variables": SPEED}, r"variables is Variable\(.*; expected a tuple, also of one Variable"),
        ({"variables": (RPV(1, DataType.uint8),)}, r"variables has RPV\(.*; expected Variable only"),
        (
            {"variables": (Variable("/motor/speed", cast(DataType, "uint8"), 0x1000),)},
            "/motor/speed is a 'uint8'; expected a ",
        ),
        ({"variables": (attrs.evolve(SPEED, path="speed"),)}, "path 'speed' is none; expected names after "),
        ({"variables": (attrs.evolve(SPEED, path="/rpv/x1"),)}, "path '/rpv/x1' is none; .* not below /rpv"),
        ({"variables": (attrs.evolve(SPEED, initial=1.5),)}, "begins with 1.5, which no sint16 holds; 1 is "),
        ({"variables": (attrs.evolve(SPEED, initial=40000),)}, "begins with 40000, .*; 32767 is nearest"),
        (
            {"variables": (attrs.evolve(SPEED, address=0x1FFF),)},
            "2 bytes at 0x1fff are outside the device's ",
        ),
        ({"rpvs": (RPV(1, DataType.uint8, 256),)}, "/rpv/x0001 begins with 256, which no uint8 holds"),
        ({"aliases": (Alias("/a", "/b"),)}, "/a stands for /b, which is no variable, array's element or RPV"),
        ({"aliases": (Alias("/a", "/motor/speed"), Alias("/b", "/a"))}, "/b stands for /a, which is no "),
        (
            {"aliases": (Alias("/a", "/motor/speed", gain=0),)},
            "/a has a gain of 0; expected one that can be ",
        ),
        (
            {"arrays": (Array("/t", DataType.uint8, 0x1002, (2, 0)),)},
            r"/t has dims \(2, 0\); expected a size",
        ),
        ({"arrays": (Array("/t", DataType.uint8, 0x1FFE, (3,)),)}, "/t has no place: 1 bytes at 0x2000 are "),
        (
            {"arrays": (Array("/t", DataType.uint8, 0x1002, (2,), (-1,)),)},
            "/t begins with -1, which no uint8",
        ),
        (
            {"memory": (MemoryRegion(0x1000, 16), MemoryRegion(0x100F, 16))},
            "the memory regions at 0x1000 and 0x100f overlap",
        ),
    ],
)
def test_what_no_device_can_be_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        SimulatedDevice(attrs.evolve(BOARD, **changes))


def test_all_that_is_wrong_is_named_at_once() -> None:
    profile = attrs.evolve(BOARD, firmware_id="", aliases=(Alias("/a", "/b"),))

    with pytest.raises(ValueError, match=r"firmware_id is '';.*; /a stands for /b"):
        SimulatedDevice(profile)


def test_a_device_may_have_memory_in_several_places() -> None:
    far = Variable("/io/pins", DataType.uint32, 0x4000_0000, initial=7)
    memory = (MemoryRegion(0x1000, 16), MemoryRegion(0x4000_0000, 4))

    device = SimulatedDevice(attrs.evolve(BOARD, variables=(SPEED, far), memory=memory))

    assert (device.get("/io/pins"), device.get("/motor/speed")) == (7, -100)
