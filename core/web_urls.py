"""What counts as a web address."""

from urllib.parse import urlsplit


def is_web_url(url: str) -> bool:
    """Whether it is an http or https URL with a host, and with a port that there can be."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket without its other, a port that is no number
        return False
