"""What holds for everything that goes over the wire: it comes out as it went in, in any chunking."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_scrutiny.protocol.connection import ClientConnection, ServerConnection
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.framing import DatagramFraming, Framing, encode_datagram
from pytest_scrutiny.protocol.sfd import (
    decode_installed_sfds_reply,
    decode_loaded_sfd_reply,
    encode_installed_sfds_reply,
    encode_loaded_sfd_reply,
)
from pytest_scrutiny.protocol.status import (
    decode_device_info_reply,
    decode_status,
    encode_device_info_reply,
    encode_status,
)
from pytest_scrutiny.protocol.watch import decode_subscribed, encode_subscribed
from pytest_scrutiny.protocol.write import (
    decode_write_completion,
    encode_write_completion,
)
from tests import strategies
from tests.protocol.wire import cut, frame, open_websockets, received

# Round trips


def over_the_wire(dialect: Dialect, fields: dict[str, object], cuts: list[int]) -> Fields:
    """Return the fields as a client gets them from a server of this dialect."""
    near: Framing = DatagramFraming(strict=True)
    far: Framing = DatagramFraming(strict=False)
    if dialect.transport == "websocket":
        near, far = open_websockets()
    client, server = ClientConnection(near), ServerConnection(far)
    messages: list[dict[str, Any]] = []
    for chunk in cut(server.encode_message("m", 1, fields), cuts):
        client.receive_data(chunk)
        messages += client.messages()
    (message,) = messages
    return Fields(message, "m")


DATA = st.data()


@given(dialect=strategies.DIALECTS, data=DATA, cuts=strategies.CUTS)
def test_a_status_survives_the_wire(dialect: Dialect, data: st.DataObject, cuts: list[int]) -> None:
    report = data.draw(strategies.status_reports(dialect))

    assert decode_status(over_the_wire(dialect, encode_status(report, dialect), cuts)) == report


@given(dialect=strategies.DIALECTS, data=DATA, cuts=strategies.CUTS)
def test_device_information_survives_the_wire(dialect: Dialect, data: st.DataObject, cuts: list[int]) -> None:
    device = data.draw(st.one_of(st.none(), strategies.device_infos(dialect)))
    fields = over_the_wire(dialect, encode_device_info_reply(device, dialect), cuts)

    assert decode_device_info_reply(fields) == device


@given(dialect=strategies.DIALECTS, data=DATA, cuts=strategies.CUTS)
def test_firmware_descriptions_survive_the_wire(
    dialect: Dialect, data: st.DataObject, cuts: list[int]
) -> None:
    loaded = data.draw(strategies.loaded_sfds(dialect))
    has_filesize = dialect.installed_sfds == "list"
    installed = data.draw(st.lists(strategies.sfds(has_filesize=has_filesize), max_size=3))
    by_id = {sfd.firmware_id: sfd for sfd in installed}

    fields = over_the_wire(dialect, encode_loaded_sfd_reply(loaded, dialect), cuts)
    assert decode_loaded_sfd_reply(fields) == loaded
    fields = over_the_wire(dialect, encode_installed_sfds_reply(by_id.values(), dialect), cuts)
    assert decode_installed_sfds_reply(fields) == by_id


@given(dialect=strategies.DIALECTS, data=DATA, cuts=strategies.CUTS)
def test_a_subscription_survives_the_wire(dialect: Dialect, data: st.DataObject, cuts: list[int]) -> None:
    entries = data.draw(
        st.lists(strategies.watchables(dialect), max_size=3, unique_by=lambda entry: entry.path)
    )
    by_path = {entry.path: entry for entry in entries}
    fields = over_the_wire(dialect, encode_subscribed(by_path, dialect), cuts)

    assert decode_subscribed(fields) == by_path


@given(dialect=strategies.DIALECTS, data=DATA, cuts=strategies.CUTS)
def test_the_end_of_a_write_survives_the_wire(dialect: Dialect, data: st.DataObject, cuts: list[int]) -> None:
    end = data.draw(strategies.write_completions(dialect))
    fields = over_the_wire(dialect, encode_write_completion(end, dialect, epoch_time=1.5), cuts)

    assert decode_write_completion(fields) == end


# Any chunking


@given(
    payloads=st.lists(strategies.BINARY_FRIENDLY, max_size=5),
    flags=st.tuples(st.booleans(), st.booleans()),
    cuts=strategies.CUTS,
    strict=st.booleans(),
)
def test_datagrams_are_the_same_in_any_chunking(
    payloads: list[bytes], flags: tuple[bool, bool], cuts: list[int], strict: bool
) -> None:
    compress, with_hash = flags
    wire = b"".join(encode_datagram(payload, compress=compress, with_hash=with_hash) for payload in payloads)

    assert received(DatagramFraming(strict=strict), cut(wire, cuts)) == payloads


@given(
    payloads=st.lists(strategies.BINARY_FRIENDLY, max_size=5),
    fragments=st.lists(st.integers(0, 300), max_size=3),
    cuts=strategies.CUTS,
)
def test_websocket_messages_are_the_same_in_any_fragments_and_chunking(
    payloads: list[bytes], fragments: list[int], cuts: list[int]
) -> None:
    client, _ = open_websockets()
    wire = b""
    for payload in payloads:
        parts = list(cut(payload, fragments))
        opcodes = [2] + [0] * (len(parts) - 1)
        wire += b"".join(
            frame(opcode, part, fin=index == len(parts) - 1)
            for index, (opcode, part) in enumerate(zip(opcodes, parts, strict=True))
        )

    assert received(client, cut(wire, cuts)) == payloads


@given(
    payloads=st.lists(strategies.BINARY_FRIENDLY, min_size=1, max_size=4),
    garbage=st.binary(max_size=80).filter(lambda data: b"<" not in data),
    cuts=strategies.CUTS,
)
def test_a_server_finds_every_datagram_between_garbage(
    payloads: list[bytes], garbage: bytes, cuts: list[int]
) -> None:
    wire = b"".join(garbage + encode_datagram(payload) for payload in payloads) + garbage

    assert received(DatagramFraming(strict=False), cut(wire, cuts)) == payloads
