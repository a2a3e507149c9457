"""Jenkins, the CI engine."""

from integrations.jenkins.backend import Jenkins

__all__ = ["Jenkins"]
