"""Tests of the protocol floor: bytes, messages and model; no socket, no thread, no clock."""
