"""Where this process is in its life: it has loaded, it leaves, and how often it was told to load again.

Standard library only. A server's integration says so; readiness and the runners ask.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from aylien_model_serving.process import memory

_signs: list[Callable[[], bool]] = []

#: Whether this process hosts a handler: it imports the service's modules, and serves none of their routes.
is_replica = False

#: Whether this process only wants to know a service's routes: it builds no handler and starts nothing.
is_inspecting = False

#: How many times the service's owner was told to reload; the workers that it forks inherit the number.
generation = 0


def loaded() -> None:
    """Set aside what has been loaded: it stays, and the garbage collector need not look through it again.

    One such look holds up all requests, for some 30 ms where just this library is loaded, and 90 with torch.
    What requests need from here on stays with the process, too, once they are done with it.
    """
    gc.collect()
    gc.freeze()
    memory.keep_freed()


def reload() -> None:
    """Take note that the workers from here on belong to the next generation."""
    global generation
    generation += 1


def watch(is_leaving: Callable[[], bool]) -> None:
    """Ask this from the next `is_draining` on."""
    _signs.append(is_leaving)


def is_draining() -> bool:
    """Tell whether the process has begun to shut down, and takes no further work."""
    return any(sign() for sign in _signs)
