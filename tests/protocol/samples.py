"""What the tables are made of: what real servers sent, and one device, link and firmware made by hand.

``captures/<release>.json`` holds what that release's server sent on 127.0.0.1, as it came: ``first_bytes``
in hex, then the messages by what they are.
"""

import json
from pathlib import Path
from typing import Any

import attrs

from pytest_scrutiny.model.datalog import (
    DataloggingCapabilities,
    DataloggingEncoding,
    FixedFreqSamplingRate,
    VariableFreqSamplingRate,
)
from pytest_scrutiny.model.sfd import SFDInfo, SFDMetadata
from pytest_scrutiny.model.status import DeviceInfo, MemoryRegion, SupportedFeatureMap

CAPTURES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("captures/*.json"))
}

SESSION = "9a99f741" * 4
FIRMWARE = "deadbeef" * 4
DEVICE = DeviceInfo(
    device_id=FIRMWARE,
    display_name="PSU-3",
    max_tx_data_size=256,
    max_rx_data_size=128,
    max_bitrate_bps=None,
    rx_timeout_us=50_000,
    heartbeat_timeout=1.001,  # times 1e6 this is a little less than its whole number
    address_size_bits=32,
    protocol_major=1,
    protocol_minor=0,
    supported_features=SupportedFeatureMap(True, False, True, False),
    forbidden_memory_regions=(MemoryRegion(0x100, 0x40), MemoryRegion(7, 1)),
    readonly_memory_regions=(),
)
DEVICE_FIELDS: dict[str, Any] = {
    "device_id": FIRMWARE,
    "display_name": "PSU-3",
    "max_tx_data_size": 256,
    "max_rx_data_size": 128,
    "max_bitrate_bps": None,
    "rx_timeout_us": 50_000,
    "heartbeat_timeout_us": 1_001_000,
    "address_size_bits": 32,
    "protocol_major": 1,
    "protocol_minor": 0,
    "supported_feature_map": {
        "memory_write": True,
        "datalogging": False,
        "user_command": True,
        "_64bits": False,
    },
    "forbidden_memory_regions": [
        {"start": 0x100, "end": 0x13F, "size": 0x40},
        {"start": 7, "end": 7, "size": 1},
    ],
    "readonly_memory_regions": [],
}
CAPABILITIES = DataloggingCapabilities(
    DataloggingEncoding.RAW,
    buffer_size=4096,
    max_nb_signal=32,
    sampling_rates=(FixedFreqSamplingRate(0, "1 kHz", 1000.0), VariableFreqSamplingRate(1, "idle")),
)
CAPABILITIES_FIELDS = {
    "buffer_size": 4096,
    "encoding": "raw",
    "max_nb_signal": 32,
    "sampling_rates": [
        {"identifier": 0, "name": "1 kHz", "frequency": 1000.0, "type": "fixed_freq"},
        {"identifier": 1, "name": "idle", "frequency": None, "type": "variable_freq"},
    ],
}
WITH_SESSION = attrs.evolve(DEVICE, session_id=SESSION, datalogging_capabilities=CAPABILITIES)
WITH_SESSION_FIELDS = {
    **DEVICE_FIELDS,
    "session_id": SESSION,
    "datalogging_capabilities": CAPABILITIES_FIELDS,
}
SFD = SFDInfo(FIRMWARE, SFDMetadata(project_name="psu"))
SFD_FIELDS = {
    "firmware_id": FIRMWARE,
    "metadata": {
        "project_name": "psu",
        "author": None,
        "version": None,
        "generation_info": {
            "time": None,
            "python_version": None,
            "scrutiny_version": None,
            "system_type": None,
        },
    },
}
