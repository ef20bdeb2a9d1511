"""The one tree of errors, as the contract draws it."""

import builtins
import copy
import inspect
import pickle
import traceback

import pytest

import pytest_scrutiny
from pytest_scrutiny import errors
from pytest_scrutiny.errors import ScrutinyError

TREE: dict[str, tuple[type, ...]] = {
    # name: (its direct bases)
    "ScrutinyError": (Exception,),
    "ConnectionError": (errors.ScrutinyError, builtins.ConnectionError),
    "ConnectTimeout": (errors.ConnectionError, errors.TimeoutException),
    "RemoteProtocolError": (errors.ConnectionError,),
    "TimeoutException": (errors.ScrutinyError, builtins.TimeoutError),
    "InvalidValueError": (errors.ScrutinyError,),
    "OperationFailure": (errors.ScrutinyError,),
    "NotSupportedByServerError": (errors.OperationFailure,),
    "NameNotFoundError": (errors.ScrutinyError, builtins.LookupError),
    "BadEnumError": (errors.ScrutinyError, builtins.ValueError),
    "BadTypeError": (errors.ScrutinyError, builtins.TypeError),
    "NotAllowedError": (errors.ScrutinyError,),
    "ApiError": (errors.ScrutinyError,),
    "BadResponseError": (errors.ApiError,),
    "ErrorResponseException": (errors.ApiError,),
    "UnmetExpectation": (errors.ScrutinyError, AssertionError),
    "DeviceLostError": (errors.ScrutinyError,),
    "DeviceResetError": (errors.ScrutinyError,),
}
CLASSES = [getattr(errors, name) for name in TREE]
DATA = {
    # what an error carries besides its text
    errors.RemoteProtocolError: {"where": "status.device_status"},
    errors.OperationFailure: {"command": "write_watchable", "reason": "Invalid value"},
    errors.NotSupportedByServerError: {"command": "demo_mode", "reason": "", "since": "0.8.0"},
}
TEXT = "cannot connect to bench7:8765: refused; expected a Scrutiny server there. Start one."


def test_the_tree_is_complete() -> None:
    defined = {name for name, member in vars(errors).items() if inspect.isclass(member)}

    assert defined == {*TREE, "ScrutinySDKException"}


@pytest.mark.parametrize("name", TREE)
def test_an_error_hangs_where_the_contract_draws_it(name: str) -> None:
    assert getattr(errors, name).__bases__ == TREE[name]


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_is_shown_with_the_name_it_is_imported_by(error: type[ScrutinyError]) -> None:
    shown = traceback.format_exception_only(error("gone"))

    assert shown == [f"pytest_scrutiny.{error.__name__}: gone\n"]
    assert getattr(pytest_scrutiny, error.__name__) is error


def test_the_official_name_of_the_root_is_the_root() -> None:
    assert errors.ScrutinySDKException is ScrutinyError


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConnectionError, OSError),
        (errors.ConnectTimeout, TimeoutError),
        (errors.ConnectTimeout, builtins.ConnectionError),
        (errors.RemoteProtocolError, builtins.ConnectionError),
        (errors.TimeoutException, TimeoutError),
        (errors.NameNotFoundError, LookupError),
        (errors.BadEnumError, ValueError),
        (errors.BadTypeError, TypeError),
    ],
)
def test_who_catches_the_builtin_catches_ours(error: type[ScrutinyError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise error(TEXT)


@pytest.mark.parametrize("error", CLASSES)
def test_a_message_is_one_string(error: type[ScrutinyError]) -> None:
    raised = error(TEXT)

    assert (str(raised), raised.message, raised.args) == (TEXT, TEXT, (TEXT,))
    assert getattr(raised, "errno", None) is None
    assert str(error()) == ""


@pytest.mark.parametrize("error", CLASSES)
@pytest.mark.parametrize("positional", [True, False], ids=["positional", "by-name"])
def test_an_error_carries_its_data_through_pickle_and_copy(
    error: type[ScrutinyError], positional: bool
) -> None:
    data = DATA.get(error, {})
    raised = error(TEXT, *data.values()) if positional else error(TEXT, **data)
    raised.add_note("while testing")

    for again in (pickle.loads(pickle.dumps(raised)), copy.copy(raised), raised):
        assert type(again) is error
        assert (str(again), again.args) == (TEXT, (TEXT,))
        assert {name: getattr(again, name) for name in data} == data
        assert again.__notes__ == ["while testing"]


@pytest.mark.parametrize(("error", "data"), DATA.items())
def test_data_that_is_not_given_is_empty(error: type[ScrutinyError], data: dict[str, str]) -> None:
    assert [getattr(error(TEXT), name) for name in data] == [""] * len(data)
