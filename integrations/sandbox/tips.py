"""Which revision a target is at: the same in the diffs of the sandbox's Launchpad and in the builds of its Jenkins."""

import hashlib


def target_tip(address: str) -> str:
    """The tip of a branch or repository, by any of its addresses: in the API, as ``lp:~…``, or for Git over https."""
    owner, _, rest = address.rpartition("~")[2].partition("/")
    digest = hashlib.sha1(f"{owner}/{rest}".encode(), usedforsecurity=False).hexdigest()
    return digest if "+git/" in rest else f"{owner}@example.com-{int(digest[:3], 16)}"
