"""Telling people and channels what happened, by mail and by apprise (docs/specification.md, section 11)."""
