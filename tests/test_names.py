"""The public names: each can be imported, and the three lists of them agree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_scrutiny
from pytest_scrutiny import errors

SOURCE = ast.parse(Path(pytest_scrutiny.__file__).read_text("utf-8"))


def typed_imports() -> dict[str, str]:
    """Return ``{name: module}`` of what a type checker sees."""
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If)]
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("name", pytest_scrutiny.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    module = __import__(typed_imports()[name], fromlist=[name])

    assert getattr(pytest_scrutiny, name) is getattr(module, name)


def test_type_checkers_and_python_see_the_same_names() -> None:
    assert typed_imports() == pytest_scrutiny._HOME_OF
    assert sorted(pytest_scrutiny.__all__) == sorted(typed_imports())
    assert {*pytest_scrutiny.__all__} <= {*dir(pytest_scrutiny)}


def test_every_error_is_public() -> None:
    own = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ScrutinyError)
    }

    assert "ConnectTimeout" in own
    assert own <= {*pytest_scrutiny.__all__}


def test_the_contracts_names_are_public() -> None:
    """The classes of the SDK's page on the server, and those beside them that a test holds in its hands."""
    contract = """
        ScrutinyClient ServerInfo DeviceInfo DeviceCommState DeviceLinkInfo DeviceLinkType UDPLinkConfig
        TCPLinkConfig SerialLinkConfig RTTLinkConfig CANLinkConfig SupportedFeatureMap MemoryRegion
        DataloggingInfo DataloggerState DataloggingState DataloggingCapabilities SamplingRate
        FixedFreqSamplingRate VariableFreqSamplingRate SFDInfo SFDMetadata SFDGenerationInfo WatchableType
        ValueStatus EmbeddedDataType EmbeddedEnum ServerState UnknownValue Sample WatchableInfo
        WatchableHandle Device Value FakeServer requires
    """

    assert {*contract.split()} <= {*pytest_scrutiny.__all__}


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError) as caught:
        pytest_scrutiny.Missing  # noqa: B018 - the access is the test

    assert str(caught.value) == "module 'pytest_scrutiny' has no attribute 'Missing'"


def test_a_star_import_works() -> None:
    subprocess.run(
        [sys.executable, "-Werror", "-c", "from pytest_scrutiny import *; ScrutinyClient, requires, Value"],
        check=True,
    )
