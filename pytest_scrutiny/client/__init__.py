"""ScrutinyClient: a synchronous client of a Scrutiny server, any release, with one thread a connection.

PYTEST_DONT_REWRITE
"""
