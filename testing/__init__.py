"""Test runs: requested, sent, followed, recovered, given up. Knows a CI engine only through ``testing.ci``."""
