"""Firmware descriptions in every wire generation: the object, the dialect and the JSON fields."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.sfd import SFDGenerationInfo, SFDInfo, SFDMetadata
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.sfd import (
    decode_embedded_sfd,
    decode_installed_sfds_reply,
    decode_loaded_sfd_reply,
    encode_installed_sfds_reply,
    encode_loaded_sfd_reply,
)

FIRMWARE = "deadbeef" * 4
METADATA = SFDMetadata(
    project_name="psu",
    author="us",
    version="1.2.3",
    generation_info=SFDGenerationInfo(
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "3.11.7", "0.16.0", "Linux"
    ),
)
METADATA_FIELDS: dict[str, Any] = {
    "project_name": "psu",
    "author": "us",
    "version": "1.2.3",
    "generation_info": {
        "time": 1_700_000_000,
        "python_version": "3.11.7",
        "scrutiny_version": "0.16.0",
        "system_type": "Linux",
    },
}
SFD = SFDInfo(FIRMWARE, METADATA)
FLAT = {"firmware_id": FIRMWARE, "metadata": METADATA_FIELDS}

LOADED: list[tuple[tuple[str, ...], SFDInfo | None, dict[str, Any]]] = [
    (("0.1.0", "0.3.0"), SFDInfo(FIRMWARE), {"firmware_id": FIRMWARE}),
    (("0.1.0", "0.3.0"), None, {"firmware_id": None}),
    (("0.4.1", "0.5.2", "0.6.0", "0.7.1"), SFD, FLAT),
    (("0.4.1", "0.5.2", "0.6.0", "0.7.1"), None, {"firmware_id": None, "metadata": None}),
    (
        ("0.8.0", "0.9.2", "0.10.0", "0.12.0", "0.14.0", "0.16.0"),
        attrs.evolve(SFD, filesize=1194),
        {"sfd": {**FLAT, "filesize": 1194}},
    ),
    (("0.8.0", "0.16.0"), SFD, {"sfd": {**FLAT, "filesize": None}}),
    (("0.8.0", "0.16.0"), None, {"sfd": None}),
]
INSTALLED: list[tuple[tuple[str, ...], list[SFDInfo], object]] = [
    (("0.1.0", "0.3.0", "0.4.1", "0.7.1"), [SFD], {FIRMWARE: METADATA_FIELDS}),
    (("0.1.0", "0.7.1"), [], {}),
    (("0.8.0", "0.9.2", "0.16.0"), [attrs.evolve(SFD, filesize=1)], [{**FLAT, "filesize": 1}]),
    (("0.8.0", "0.16.0"), [], []),
]


@pytest.mark.parametrize(
    ("release", "sfd", "fields"),
    [(release, sfd, fields) for releases, sfd, fields in LOADED for release in releases],
)
def test_the_loaded_description_is_told_like_this_in_this_release(
    release: str, sfd: SFDInfo | None, fields: dict[str, Any]
) -> None:
    assert encode_loaded_sfd_reply(sfd, dialect_of(release)) == fields
    assert decode_loaded_sfd_reply(Fields(fields, "reply")) == sfd


@pytest.mark.parametrize(
    ("release", "sfds", "sfd_list"),
    [(release, sfds, sfd_list) for releases, sfds, sfd_list in INSTALLED for release in releases],
)
def test_the_installed_descriptions_are_told_like_this_in_this_release(
    release: str, sfds: list[SFDInfo], sfd_list: object
) -> None:
    fields = encode_installed_sfds_reply(sfds, dialect_of(release))

    assert fields == {"sfd_list": sfd_list}
    assert decode_installed_sfds_reply(Fields(fields, "reply")) == {sfd.firmware_id: sfd for sfd in sfds}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"project_name": 1, "author": [], "version": None, "generation_info": "x"},
        {"generation_info": {}},
        {"generation_info": {"time": "yesterday", "python_version": 3, "scrutiny_version": {}}},
        *({"generation_info": {"time": time}} for time in (True, 10**400, -(10**20), 1e300)),
        *({"generation_info": {"time": time}} for time in (float("nan"), float("inf"), None, [1])),
    ],
)
def test_what_makes_no_sense_in_somebodys_file_is_left_out(metadata: dict[str, Any]) -> None:
    sfd = decode_embedded_sfd(Fields({"firmware_id": FIRMWARE, "metadata": metadata}, "sfd"))

    assert sfd == SFDInfo(FIRMWARE, SFDMetadata())


def test_a_time_may_be_written_with_a_fraction() -> None:
    metadata = {"generation_info": {"time": 0.5}}
    sfd = decode_embedded_sfd(Fields({"firmware_id": FIRMWARE, "metadata": metadata}, "sfd"))

    assert sfd.metadata is not None
    assert sfd.metadata.generation_info.timestamp == datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"sfd": "x"}, "reply.sfd"),
        ({"sfd": {}}, "reply.sfd.firmware_id"),
        ({"sfd": {"firmware_id": FIRMWARE, "metadata": []}}, "reply.sfd.metadata"),
        ({"sfd": {**FLAT, "filesize": "1"}}, "reply.sfd.filesize"),
        ({"firmware_id": 1}, "reply.firmware_id"),
    ],
)
def test_a_wrong_loaded_description_is_named_at_its_place(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_loaded_sfd_reply(Fields(fields, "reply"))

    assert info.value.where == where


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({}, "reply.sfd_list"),
        ({"sfd_list": None}, "reply.sfd_list"),
        ({"sfd_list": {"a": 1}}, "reply.sfd_list.a"),
        ({"sfd_list": [{"metadata": {}}]}, "reply.sfd_list[0].firmware_id"),
        ({"sfd_list": ["a"]}, "reply.sfd_list[0]"),
    ],
)
def test_a_wrong_list_of_descriptions_is_named_at_its_place(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_installed_sfds_reply(Fields(fields, "reply"))

    assert info.value.where == where
