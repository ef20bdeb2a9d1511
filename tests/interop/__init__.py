"""Contract tests: the same assertions on the fake server and on released ones; see servers.py."""
