"""What differs from release to release, as one table.

A client reads every spelling and needs of this only which command exists since when. A server (our fake)
speaks one release's dialect exactly. A row of ``_CHANGES`` says what a release changed; a dialect is the
first row with all changes up to its release laid on top.

Source: the servers of all 30 releases on PyPI, observed; docs/protocol.md has the story.

PYTEST_DONT_REWRITE
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import attrs

RELEASES = (
    "0.1.0", "0.2.0", "0.2.1", "0.2.2", "0.3.0", "0.4.1", "0.4.2", "0.4.3", "0.5.0", "0.5.1", "0.5.2",
    "0.6.0", "0.6.1", "0.7.0", "0.7.1", "0.8.0", "0.9.0", "0.9.1", "0.9.2", "0.10.0", "0.10.1",
    "0.11.0", "0.11.2", "0.11.3", "0.12.0", "0.13.0", "0.14.0", "0.14.1", "0.15.0", "0.16.0",
)  # fmt: skip
"""Every release of scrutinydebugger on PyPI, oldest first."""

LATEST = RELEASES[-1]


@attrs.frozen(kw_only=True)
class Dialect:
    """How one release's server speaks; the defaults are release 0.1.0.

    :ivar transport: what carries the messages.
    :ivar status_tells_device: device and SFD are part of the status; otherwise a client asks for them.
    :ivar bool_word: what a bool is called; "boolean" if there are bools of 8 bits only.
    :ivar names_data_ready: the datalogger's word for "acquired, not yet read".
    :ivar loaded_sfd: the shape of the ``get_loaded_sfd`` reply.
    :ivar installed_sfds: the shape of the ``get_installed_sfd`` reply.
    :ivar tells_why_no_command: a user command the device cannot do is refused in words.
    :ivar strict_types: true and false are not taken for numbers, an echo must be a string.
    :ivar path_spelling: how a path may differ from how it is listed: "exact", not at all; "ends", by slashes
        and blanks at its ends; "slashes", by more or fewer slashes anywhere.
    :ivar batched_updates: one message carries all values of one device read; otherwise mostly one each.
    :ivar write_needs_watch: only a client that watches an entry may write it.
    :ivar pushes_datalogging: a change of the datalogger's state is pushed; "known": unless it is unknown now.
    :ivar list_has_factories: arrays are listed apart, as factories of their elements.
    :ivar knows_pointers: pointers are datatypes, and what is behind them has paths.
    :ivar unread_pointer: what a pointer that was never read counts as; None: what is behind has no address.
    :ivar alias_gives_floats: whatever its target is, and takes floats only.
    :ivar counts_bits_from_the_top: where bit fields of big-endian devices are read, but not where written.
    :ivar element_aliases: an alias of an array's element, once nobody watches it any more, is "lost";
        "refused": it always is; "fatal": who tries it and leaves ends the server.
    :ivar resets_on_close: a closed connection shows as ECONNRESET, not as the end of the stream.
    """

    release: str = RELEASES[0]
    transport: Literal["websocket", "tcp"] = "websocket"
    welcome: bool = False
    status_tells_device: bool = True
    link_operational: bool = False
    demo_mode: bool = False
    datalogging_key: str = "device_datalogging_status"
    datalogging_state_key: str = "datalogger_state"
    names_data_ready: str = "data_ready"
    device_session_and_capabilities: bool = False
    char_bit: bool = False
    loaded_sfd: Literal["id", "flat", "nested"] = "id"
    installed_sfds: Literal["dict", "list"] = "dict"
    list_has_ids: bool = True
    path_key: str = "display_path"
    path_spelling: Literal["exact", "ends", "slashes"] = "exact"
    datatype_key: str = "datatype"
    bool_word: str = "boolean"
    watch_has_enum: bool = False
    watch_has_path: bool = False
    watch_has_details: bool = False
    watch_takes_rate: bool = False
    unwatch_reply: str = "response_subscribe_watchable"
    value_key: str = "value"
    update_has_time: bool = False
    update_tells_invalid: bool = False
    update_has_data: bool = False
    batched_updates: bool = False
    write_needs_watch: bool = True
    write_takes_math: bool = False
    completion_time_key: str = "timestamp"
    completion_has_reason: bool = False
    strict_types: bool = False
    tells_why_no_command: bool = False
    long_ids: bool = True
    pushes_link_change: bool = False
    pushes_datalogging: Literal["never", "known", "always"] = "never"
    list_has_factories: bool = False
    knows_pointers: bool = False
    unread_pointer: Literal[0] | None = 0
    alias_gives_floats: bool = True
    counts_bits_from_the_top: bool = False
    element_aliases: Literal["lost", "refused", "lost again", "fatal"] = "lost"
    resets_on_close: bool = False

    @property
    def version(self) -> tuple[int, int, int]:
        """The release as numbers that compare."""
        return parse_release(self.release)

    def knows(self, command: str) -> bool:
        """Return whether this release's server has the command."""
        if command not in COMMANDS:
            return False
        since, until = COMMANDS[command]
        return parse_release(since) <= self.version and (
            until is None or self.version <= parse_release(until)
        )

    def reply_name(self, command: str) -> str:
        """Return the ``cmd`` of the reply to a command."""
        if command == "get_server_status":
            return "inform_server_status"
        if command == "unsubscribe_watchable":
            return self.unwatch_reply
        if self.transport == "websocket" and command in _SUFFIXED:
            return f"{command}_response"
        return f"response_{command}"


_SUFFIXED = frozenset({
    "set_link_config", "get_datalogging_capabilities", "list_datalogging_acquisitions",
    "request_datalogging_acquisition", "read_datalogging_acquisition_content",
    "update_datalogging_acquisition", "delete_datalogging_acquisition", "delete_all_datalogging_acquisition",
})  # fmt: skip
"""Commands whose reply was ``<command>_response`` in releases 0.1 to 0.3."""

_CHANGES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("0.1.0", {}),
    ("0.3.0", {"watch_has_enum": True}),
    ("0.4.1", {
        "transport": "tcp", "welcome": True, "status_tells_device": False, "link_operational": True,
        "device_session_and_capabilities": True, "loaded_sfd": "flat", "value_key": "v",
        "update_has_time": True, "completion_time_key": "completion_server_time_us", "long_ids": False,
        "pushes_link_change": True, "pushes_datalogging": "known", "path_spelling": "ends",
    }),
    ("0.5.0", {"watch_has_path": True}),
    ("0.6.0", {
        "datalogging_key": "datalogging_status", "datalogging_state_key": "datalogging_state",
        "names_data_ready": "downloading", "pushes_datalogging": "always", "alias_gives_floats": False,
    }),
    ("0.8.0", {"demo_mode": True, "loaded_sfd": "nested", "installed_sfds": "list"}),
    ("0.9.0", {"path_key": "path", "datatype_key": "dtype", "list_has_ids": False, "write_takes_math": True,
               "list_has_factories": True, "path_spelling": "slashes"}),
    ("0.9.2", {"strict_types": True}),
    ("0.10.0", {"watch_has_details": True, "element_aliases": "refused"}),
    ("0.11.0", {"unwatch_reply": "response_unsubscribe_watchable", "knows_pointers": True,
                "element_aliases": "lost again"}),
    ("0.12.0", {"update_tells_invalid": True, "batched_updates": True, "write_needs_watch": False,
                "resets_on_close": True, "unread_pointer": None, "element_aliases": "fatal"}),
    ("0.13.0", {"watch_takes_rate": True}),
    ("0.14.0", {"bool_word": "bool8", "char_bit": True}),
    ("0.14.1", {"counts_bits_from_the_top": True}),
    ("0.15.0", {"update_has_data": True, "completion_has_reason": True}),
    ("0.16.0", {"tells_why_no_command": True}),
)  # fmt: skip

COMMANDS: Mapping[str, tuple[str, str | None]] = MappingProxyType({
    **dict.fromkeys(
        (
            "echo", "get_watchable_list", "get_watchable_count", "subscribe_watchable",
            "unsubscribe_watchable", "get_installed_sfd", "get_loaded_sfd", "load_sfd", "get_server_status",
            "set_link_config", "write_watchable", "request_datalogging_acquisition",
            "list_datalogging_acquisitions", "read_datalogging_acquisition_content",
            "update_datalogging_acquisition", "delete_datalogging_acquisition",
            "delete_all_datalogging_acquisition", "read_memory", "write_memory", "user_command",
        ),
        ("0.1.0", None),
    ),
    "get_possible_link_config": ("0.1.0", "0.9.1"),
    "get_datalogging_capabilities": ("0.1.0", "0.3.0"),
    **dict.fromkeys(("get_device_info", "get_server_stats"), ("0.4.1", None)),
    **dict.fromkeys(
        ("demo_mode", "uninstall_sfd", "download_sfd", "upload_sfd_init", "upload_sfd_data"), ("0.8.0", None)
    ),
    "get_watchable_info": ("0.10.0", None),
    **dict.fromkeys(("write_single_watchable", "set_throttling"), ("0.12.0", None)),
    "change_subscription_update_rate": ("0.13.0", None),
    "write_single_watchable_by_data": ("0.15.0", None),
})  # fmt: skip
"""``{command: (first release, last release or None)}``."""


_RELEASE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}")


def parse_release(text: str) -> tuple[int, int, int]:
    """Return a release as three numbers that compare; ``"0.9"`` is ``"0.9.0"``.

    :raises ValueError: if it is not one to three numbers with dots between them.
    """
    if _RELEASE.fullmatch(text) is None:
        raise ValueError(f"release {text[:40]!r} is none; expected one like {LATEST!r}")
    major, minor, patch = (*map(int, text.split(".")), 0, 0)[:3]
    return major, minor, patch


def dialect_of(release: str) -> Dialect:
    """Return the dialect that a release's server speaks; releases we do not know speak the one before them.

    :raises ValueError: if ``release`` is no release, or older than the first one.
    """
    version = parse_release(release)
    changes: dict[str, Any] = {}
    for since, change in _CHANGES:
        if parse_release(since) <= version:
            changes.update(change)
    if version < parse_release(RELEASES[0]):
        raise ValueError(
            f"release {release!r} is older than the first one; expected {RELEASES[0]!r} or later"
        )
    return Dialect(release=release, **changes)
