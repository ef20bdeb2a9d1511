"""What differs from release to release; the facts are pinned here a second time, by hand."""

import attrs
import pytest

from pytest_scrutiny.protocol.dialect import COMMANDS, LATEST, RELEASES, Dialect, dialect_of, parse_release

FIRST_WITH: dict[str, dict[object, str]] = {
    # field: {value: the first release that has it}
    "transport": {"websocket": "0.1.0", "tcp": "0.4.1"},
    "welcome": {False: "0.1.0", True: "0.4.1"},
    "status_tells_device": {True: "0.1.0", False: "0.4.1"},
    "link_operational": {False: "0.1.0", True: "0.4.1"},
    "demo_mode": {False: "0.1.0", True: "0.8.0"},
    "datalogging_key": {"device_datalogging_status": "0.1.0", "datalogging_status": "0.6.0"},
    "datalogging_state_key": {"datalogger_state": "0.1.0", "datalogging_state": "0.6.0"},
    "names_data_ready": {"data_ready": "0.1.0", "downloading": "0.6.0"},
    "device_session_and_capabilities": {False: "0.1.0", True: "0.4.1"},
    "char_bit": {False: "0.1.0", True: "0.14.0"},
    "loaded_sfd": {"id": "0.1.0", "flat": "0.4.1", "nested": "0.8.0"},
    "installed_sfds": {"dict": "0.1.0", "list": "0.8.0"},
    "list_has_ids": {True: "0.1.0", False: "0.9.0"},
    "path_key": {"display_path": "0.1.0", "path": "0.9.0"},
    "datatype_key": {"datatype": "0.1.0", "dtype": "0.9.0"},
    "bool_word": {"boolean": "0.1.0", "bool8": "0.14.0"},
    "watch_has_enum": {False: "0.1.0", True: "0.3.0"},
    "watch_has_path": {False: "0.1.0", True: "0.5.0"},
    "watch_has_details": {False: "0.1.0", True: "0.10.0"},
    "watch_takes_rate": {False: "0.1.0", True: "0.13.0"},
    "unwatch_reply": {"response_subscribe_watchable": "0.1.0", "response_unsubscribe_watchable": "0.11.0"},
    "value_key": {"value": "0.1.0", "v": "0.4.1"},
    "update_has_time": {False: "0.1.0", True: "0.4.1"},
    "update_tells_invalid": {False: "0.1.0", True: "0.12.0"},
    "update_has_data": {False: "0.1.0", True: "0.15.0"},
    "batched_updates": {False: "0.1.0", True: "0.12.0"},
    "write_needs_watch": {True: "0.1.0", False: "0.12.0"},
    "write_takes_math": {False: "0.1.0", True: "0.9.0"},
    "completion_time_key": {"timestamp": "0.1.0", "completion_server_time_us": "0.4.1"},
    "completion_has_reason": {False: "0.1.0", True: "0.15.0"},
    "strict_types": {False: "0.1.0", True: "0.9.2"},
    "tells_why_no_command": {False: "0.1.0", True: "0.16.0"},
    "long_ids": {True: "0.1.0", False: "0.4.1"},
    "pushes_link_change": {False: "0.1.0", True: "0.4.1"},
    "pushes_datalogging": {"never": "0.1.0", "known": "0.4.1", "always": "0.6.0"},
    "list_has_factories": {False: "0.1.0", True: "0.9.0"},
    "knows_pointers": {False: "0.1.0", True: "0.11.0"},
    "unread_pointer": {0: "0.1.0", None: "0.12.0"},
    "alias_gives_floats": {True: "0.1.0", False: "0.6.0"},
    "counts_bits_from_the_top": {False: "0.1.0", True: "0.14.1"},
    "path_spelling": {"exact": "0.1.0", "ends": "0.4.1", "slashes": "0.9.0"},
    "element_aliases": {"lost": "0.1.0", "refused": "0.10.0", "lost again": "0.11.0", "fatal": "0.12.0"},
    "resets_on_close": {False: "0.1.0", True: "0.12.0"},
}

SINCE = {
    "0.1.0": (
        "echo get_watchable_list get_watchable_count subscribe_watchable unsubscribe_watchable "
        "get_installed_sfd get_loaded_sfd load_sfd get_server_status set_link_config write_watchable "
        "read_memory write_memory user_command request_datalogging_acquisition list_datalogging_acquisitions "
        "read_datalogging_acquisition_content update_datalogging_acquisition delete_datalogging_acquisition "
        "delete_all_datalogging_acquisition get_possible_link_config get_datalogging_capabilities"
    ),
    "0.4.1": "get_device_info get_server_stats",
    "0.8.0": "demo_mode uninstall_sfd download_sfd upload_sfd_init upload_sfd_data",
    "0.10.0": "get_watchable_info",
    "0.12.0": "write_single_watchable set_throttling",
    "0.13.0": "change_subscription_update_rate",
    "0.15.0": "write_single_watchable_by_data",
}
UNTIL = {"get_possible_link_config": "0.9.1", "get_datalogging_capabilities": "0.3.0"}


def numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]


def test_there_are_thirty_releases_in_order() -> None:
    assert len(set(RELEASES)) == 30
    assert sorted(RELEASES, key=numbers) == list(RELEASES)
    assert (RELEASES[0], LATEST) == ("0.1.0", "0.16.0")


@pytest.mark.parametrize("field", FIRST_WITH)
def test_every_release_speaks_as_it_was_observed_to(field: str) -> None:
    spoken = {release: getattr(dialect_of(release), field) for release in RELEASES}

    assert spoken == {release: last_up_to(release, FIRST_WITH[field]) for release in RELEASES}


def last_up_to(release: str, first_with: dict[object, str]) -> object:
    return [value for value, since in first_with.items() if numbers(since) <= numbers(release)][-1]


def test_every_field_of_a_dialect_is_pinned() -> None:
    assert {field.name for field in attrs.fields(Dialect)} - {"release"} == set(FIRST_WITH)


def test_the_table_has_every_command_once() -> None:
    assert sorted(COMMANDS) == sorted(" ".join(SINCE.values()).split())


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_knows_its_commands(release: str) -> None:
    expected = {
        command
        for since, commands in SINCE.items()
        for command in commands.split()
        if numbers(since) <= numbers(release) <= numbers(UNTIL.get(command, LATEST))
    }

    assert {command for command in COMMANDS if dialect_of(release).knows(command)} == expected


def test_nobody_knows_a_command_that_is_not_in_the_table() -> None:
    assert not any(dialect_of(release).knows("debug") for release in RELEASES)


@pytest.mark.parametrize(
    ("release", "command", "reply"),
    [
        ("0.3.0", "get_server_status", "inform_server_status"),
        ("0.16.0", "get_server_status", "inform_server_status"),
        ("0.3.0", "set_link_config", "set_link_config_response"),
        ("0.4.1", "set_link_config", "response_set_link_config"),
        ("0.3.0", "get_datalogging_capabilities", "get_datalogging_capabilities_response"),
        ("0.3.0", "list_datalogging_acquisitions", "list_datalogging_acquisitions_response"),
        ("0.4.1", "list_datalogging_acquisitions", "response_list_datalogging_acquisitions"),
        ("0.1.0", "request_datalogging_acquisition", "request_datalogging_acquisition_response"),
        ("0.1.0", "read_datalogging_acquisition_content", "read_datalogging_acquisition_content_response"),
        ("0.1.0", "update_datalogging_acquisition", "update_datalogging_acquisition_response"),
        ("0.1.0", "delete_datalogging_acquisition", "delete_datalogging_acquisition_response"),
        ("0.1.0", "delete_all_datalogging_acquisition", "delete_all_datalogging_acquisition_response"),
        ("0.1.0", "subscribe_watchable", "response_subscribe_watchable"),
        ("0.1.0", "unsubscribe_watchable", "response_subscribe_watchable"),
        ("0.10.1", "unsubscribe_watchable", "response_subscribe_watchable"),
        ("0.11.0", "unsubscribe_watchable", "response_unsubscribe_watchable"),
        ("0.3.0", "write_watchable", "response_write_watchable"),
        ("0.3.0", "echo", "response_echo"),
        ("0.16.0", "get_device_info", "response_get_device_info"),
    ],
)
def test_the_name_of_a_reply(release: str, command: str, reply: str) -> None:
    assert dialect_of(release).reply_name(command) == reply


@pytest.mark.parametrize(
    ("release", "as_spoken_by"),
    [
        ("0.17.0", "0.16.0"),
        ("1.0.0", "0.16.0"),
        ("0.4.0", "0.3.0"),
        ("0.11.1", "0.11.0"),
        ("0.9", "0.9.0"),
        ("1", "0.16.0"),
    ],
)
def test_a_release_we_do_not_know_speaks_as_the_one_before_it(release: str, as_spoken_by: str) -> None:
    assert dialect_of(release) == attrs.evolve(dialect_of(as_spoken_by), release=release)


@pytest.mark.parametrize(
    ("text", "version"), [("0.16.0", (0, 16, 0)), ("0.9", (0, 9, 0)), ("2", (2, 0, 0)), ("0.09.1", (0, 9, 1))]
)
def test_releases_compare_as_numbers(text: str, version: tuple[int, ...]) -> None:
    assert parse_release(text) == version


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0.16.0rc1",
        "0.16.0.1",
        "v0.16.0",
        " 0.16.0",
        "0.16.0\n",
        "0.-1.0",
        "0..1",
        "0.1_0.0",
        "\u0660.9.0",
        "9" * 5000,
    ],
)
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match=r"^release '.*' is none; expected one like '0\.16\.0'$") as info:
        dialect_of(text)

    assert len(str(info.value)) < 120


@pytest.mark.parametrize("text", ["0.0.9", "0", "0.0"])
def test_there_is_nothing_before_the_first_release(text: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^release '{text}' is older than the first one; expected '0\.1\.0' or later$"
    ):
        dialect_of(text)
