"""Whether this process is on its way out.

Floor 0: standard library only. A server's integration says how to tell; readiness asks.
"""

from __future__ import annotations

from collections.abc import Callable

_signs: list[Callable[[], bool]] = []


def watch(is_leaving: Callable[[], bool]) -> None:
    """Ask this from the next `is_draining` on."""
    _signs.append(is_leaving)


def is_draining() -> bool:
    """Tell whether the process has begun to shut down, and takes no further work."""
    return any(sign() for sign in _signs)
