"""The outside: Launchpad and Jenkins, and what moves between them and the lower layers."""
