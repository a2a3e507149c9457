"""Sends one message to one channel with apprise, in a process of its own.

What staff enter as a channel is an address of anybody's. Here, and only here, the address is used: this process may
connect to public addresses alone (unless it is told otherwise), whatever a name resolves to and wherever a redirect
leads, starts no program, and is stopped by ``send.py`` after a while. It reads one line of JSON (``url``, ``title``,
``body``, ``private``) and writes one: ``sent``, ``maybe`` (nobody knows), ``error``.
"""

from __future__ import annotations

import io
import ipaddress
import json
import logging
import re
import sys
from typing import Any

# What does something on this machine, or reads files of it that the address names.
LOCAL_SCHEMAS = {
    "dbus", "qt", "kde", "glib", "gnome", "macosx", "windows", "syslog", "file", "exec", "fcm", "vapid",
}  # fmt: skip
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
NOT_PUBLIC_IPV4 = ipaddress.ip_network("192.0.0.0/24")
# How the libraries below apprise say that a request was sent and its answer was lost.
ANSWER_LOST = re.compile(r"Read timed out|RemoteDisconnected|Connection aborted|Connection broken|IncompleteRead")
STATUS = re.compile(r"error=(\d{3})")


class Refused(PermissionError):
    """A connection to an address that is not public."""


def guard(*, private: bool, refused: list[str]) -> None:
    """From here on, this process connects to public addresses only and starts no program. It can't be undone."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty"):
            raise Refused("A channel starts no program.")
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and not private:
            address = arguments[1]
            host = str(address[0]) if isinstance(address, tuple) and address else str(address)
            if not is_public(host):
                refused.append(host)
                raise Refused(f"{host} is no public address.")

    sys.addaudithook(hook)


def is_public(host: str) -> bool:
    """Whether an address is one of the public internet; False for what is no address at all."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # Addresses that lead to one of IPv4 could lead to this machine.
        leads_elsewhere = address.sixtofour or address.teredo
        return address in PUBLIC_IPV6 and address.is_global and not leads_elsewhere
    return address.is_global and not address.is_multicast and address not in NOT_PUBLIC_IPV4


def problem_of(url: str) -> str:
    """What is wrong with the address of a channel, without repeating it; empty when apprise can use it."""
    import apprise  # takes half a second: only where it is needed

    schema = url.strip().partition("://")[0].lower()
    if "://" not in url:
        return "This is no address: it begins as jsons://, mmosts:// or another service that apprise knows."
    if schema in LOCAL_SCHEMAS:
        return f"{schema}:// would do something on this machine, and not send a message."
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would log the address
    if not apprise.Apprise.instantiate(url, suppress_exceptions=True):
        return f"apprise does not know {schema}://, or something is missing in the address. See docs/notifications.md."
    return ""


def post(url: str, title: str, body: str, refused: list[str]) -> dict[str, Any]:
    """Send it, and say what became of it."""
    import apprise

    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [handler], False
    if problem := problem_of(url):
        return {"sent": False, "maybe": False, "error": problem}
    logger.setLevel(logging.DEBUG)
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)  # one, where the address could be a list
    client = apprise.Apprise(service)
    sent = bool(client.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
    log = said.getvalue()
    if sent:
        return {"sent": True, "maybe": False, "error": ""}
    if refused:
        words = f"{refused[0]} is no public address. NOTIFY_PRIVATE_NETWORKS=true allows such addresses."
        return {"sent": False, "maybe": False, "error": words}
    if status := STATUS.search(log):
        return {"sent": False, "maybe": False, "error": f"The service answered {status.group(1)}."}
    if ANSWER_LOST.search(log):
        return {"sent": False, "maybe": True, "error": "It was sent, and no answer came."}
    return {"sent": False, "maybe": False, "error": "The service can't be reached, or did not take the message."}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    import apprise  # noqa: F401  (before the guard: it looks at its own files)

    refused: list[str] = []
    guard(private=order["private"], refused=refused)
    json.dump(post(order["url"], order["title"], order["body"], refused), sys.stdout)


if __name__ == "__main__":
    main()
