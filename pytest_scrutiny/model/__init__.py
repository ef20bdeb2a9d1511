"""Immutable facts about a server, its device and their values; no wire keys and no I/O.

PYTEST_DONT_REWRITE
"""
