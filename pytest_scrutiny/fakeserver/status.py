"""The commands about the server, its device, its firmware description and its link.

PYTEST_DONT_REWRITE
"""

from collections.abc import Mapping

from pytest_scrutiny.fakeserver.link import NO_LINK, Change
from pytest_scrutiny.fakeserver.state import Command, Refused, Request, State
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, UDPLinkConfig
from pytest_scrutiny.model.status import StatusReport
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.sfd import encode_installed_sfds_reply, encode_loaded_sfd_reply
from pytest_scrutiny.protocol.status import (
    STATUS,
    encode_capabilities,
    encode_device_info_reply,
    encode_status,
)

_BAD_LINK = "Link configuration is not good for given link type."


def report(state: State) -> dict[str, object]:
    """Return the fields of an ``inform_server_status``."""
    link = state.link
    return encode_status(
        StatusReport(
            comm_state=link.comm_state,
            session_id=link.session_id,
            datalogging=link.datalogging,
            link=link.info,
            sfd_firmware_id=None if link.sfd is None else link.sfd.firmware_id,
            device=state.device.describe(link.session_id) if link.is_ready else None,
            sfd=link.sfd,
        ),
        state.dialect,
    )


def push_change(state: State, change: Change) -> None:
    """Push the status if this release's server does so at such a change; none does it at any other time."""
    if _is_pushed(change, state.dialect):
        state.push(STATUS, report(state))


def _is_pushed(change: Change, dialect: Dialect) -> bool:
    match change:
        case Change.DATALOGGING:
            return dialect.pushes_datalogging != "never"
        case Change.DATALOGGING_GONE:
            return dialect.pushes_datalogging == "always"
        case Change.LINK:
            return dialect.pushes_link_change
    return True


def echo(request: Request) -> Mapping[str, object]:
    """Give back the payload: any JSON value until 0.9.1, then a string."""
    types = (str,) if request.state.dialect.strict_types else (object,)
    return {"payload": request.field("payload", *types)}


def get_server_status(request: Request) -> Mapping[str, object]:
    """Tell the status."""
    return report(request.state)


def get_device_info(request: Request) -> Mapping[str, object]:
    """Tell what the device said of itself."""
    link = request.state.link
    device = link.device.describe(link.session_id) if link.is_ready else None
    return encode_device_info_reply(device, request.state.dialect)


def get_datalogging_capabilities(request: Request) -> Mapping[str, object]:
    """Tell what the datalogger can do (releases 0.1 to 0.3)."""
    link = request.state.link
    capabilities = link.device.describe(None).datalogging_capabilities if link.is_ready else None
    return {"available": capabilities is not None, "capabilities": encode_capabilities(capabilities)}


def get_loaded_sfd(request: Request) -> Mapping[str, object]:
    """Tell which firmware description is loaded."""
    return encode_loaded_sfd_reply(request.state.link.sfd, request.state.dialect)


def get_installed_sfd(request: Request) -> Mapping[str, object]:
    """Tell which firmware descriptions are on the server."""
    sfd = request.state.device.profile.sfd
    return encode_installed_sfds_reply([] if sfd is None else [sfd], request.state.dialect)


def load_sfd(request: Request) -> None:
    """Do as a server does whose own choice is loaded already; no server ever answers this."""
    request.field("firmware_id", str)


def set_link_config(request: Request) -> None:
    """Use another link: the device answers on any UDP one and on ``dummy``; ``none`` cuts it off."""
    kind, config = request.field("link_type", str), request.field("link_config", dict)
    # Until 0.3 nobody can choose "none"; a status that tells "operational" came with it.
    if kind == "none" and not request.state.dialect.link_operational:
        raise Refused(f"{_BAD_LINK} Unknown link type none")
    info = _read_link(kind, config)
    request.reply({})
    use_link(request.state, info, request.now)


def use_link(state: State, info: DeviceLinkInfo, now: float) -> None:
    """Use another link, and push the status if this release's server does so when one is configured."""
    state.link.configure(info, now)
    push_change(state, Change.LINK)


def _read_link(kind: str, config: Mapping[str, object]) -> DeviceLinkInfo:
    match kind:
        case "none":
            return NO_LINK
        case "dummy":
            return DeviceLinkInfo(DeviceLinkType.Dummy, None, operational=True, demo_mode=False)
        case "udp":
            host, port = config.get("host"), config.get("port")
            if not isinstance(host, str) or not str(port).isdecimal() or int(str(port)) > 0xFFFF:
                raise Refused(f"{_BAD_LINK} Invalid host or port")
            return DeviceLinkInfo(
                DeviceLinkType.UDP, UDPLinkConfig(host, int(str(port))), operational=True, demo_mode=False
            )
    raise Refused(f"{_BAD_LINK} Unknown link type {kind}")


def get_possible_link_config(request: Request) -> Mapping[str, object]:
    """Tell which links can be chosen (until 0.9.1; no client ever used it)."""
    host = {"description": "Host name or address", "default": "localhost", "type": "string"}
    port = {"description": "Port", "default": 8765, "type": "int", "range": {"min": 0, "max": 0xFFFF}}
    return {"configs": [{"name": "udp", "params": {"host": host, "port": port}}]}


def demo_mode(request: Request) -> Mapping[str, object]:
    """Play the device: here the same one in a new session; switched off, the link is ``dummy`` and dead."""
    is_on = request.field("enable", bool)
    info = DeviceLinkInfo(DeviceLinkType.Dummy, None, operational=is_on, demo_mode=is_on)
    request.state.link.configure(info, request.now)
    return {"enabled": is_on}


def get_server_stats(request: Request) -> Mapping[str, object]:
    """Tell the counters; the simulated link has no data rates."""
    state = request.state
    return {
        "uptime": state.uptime(request.now),
        "invalid_request_count": state.invalid,
        "unexpected_error_count": state.unexpected,
        "client_count": len(state.clients),
        "to_all_clients_datarate_byte_per_sec": 0.0,
        "from_any_client_datarate_byte_per_sec": 0.0,
        "msg_received": state.received,
        "msg_sent": state.sent,
        "device_session_count": state.link.session_count,
        "to_device_datarate_byte_per_sec": 0.0,
        "from_device_datarate_byte_per_sec": 0.0,
        "device_request_per_sec": 0.0,
    }


COMMANDS: Mapping[str, Command] = {
    "echo": echo,
    "get_server_status": get_server_status,
    "get_device_info": get_device_info,
    "get_datalogging_capabilities": get_datalogging_capabilities,
    "get_loaded_sfd": get_loaded_sfd,
    "get_installed_sfd": get_installed_sfd,
    "load_sfd": load_sfd,
    "set_link_config": set_link_config,
    "get_possible_link_config": get_possible_link_config,
    "demo_mode": demo_mode,
    "get_server_stats": get_server_stats,
}
