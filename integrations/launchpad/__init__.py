"""Launchpad: what is imported from it and posted to it."""
