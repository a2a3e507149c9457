"""How fast it is, and how far from the least that Django can do: ``make bench`` (docs/performance.md)."""
