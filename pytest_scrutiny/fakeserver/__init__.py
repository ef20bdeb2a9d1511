"""A Scrutiny server with a simulated device, for tests without hardware.

PYTEST_DONT_REWRITE
"""
