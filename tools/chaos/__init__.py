"""The chaos test: ``python -m tools.chaos``. docs/chaos.md says how to run it and how to read its report."""
