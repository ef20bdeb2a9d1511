"""The Scrutiny API without I/O, for both sides: bytes to messages to model, and back.

PYTEST_DONT_REWRITE
"""
