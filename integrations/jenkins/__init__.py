"""Jenkins, the CI engine."""
