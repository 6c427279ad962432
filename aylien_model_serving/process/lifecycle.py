"""The lifecycle of this process: loaded, draining, and the generation of the service's code.

Standard library only. A server's integration sets the state; readiness and the executors read it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import MethodType

from aylien_model_serving.process import memory

_drain_checks: list[Callable[[], bool]] = []

_when_serving: list[weakref.WeakMethod[Callable[[], None]]] = []

#: Whether this process hosts a handler: it imports the service's modules, and serves none of their routes.
is_replica = False

#: The protocol that this process, which a supervisor has started, serves in place of HTTP; empty for none.
protocol = ""

#: How Gunicorn names the app that this process serves, as in "service:app"; empty where nobody has told.
app_uri = ""

#: Whether this process is a worker of jobs: it answers no routes, and owns the replicas that run its jobs.
is_job_worker = False

#: The runner whose handler this process, a replica, is about to load; empty once it takes calls.
loads = ""

#: Has other replicas load while this one still does: it calls a model that may have to be loaded first.
let_others_load: Callable[[], object] = bool

#: Whether this process only inspects a service's routes: it builds no handler and starts nothing.
is_inspecting = False

#: How many times the service's owner has reloaded; the workers that it forks inherit the number.
generation = 0


def is_hosted() -> bool:
    """Return whether a supervisor has started this process."""
    return is_replica or bool(protocol)


def loaded() -> None:
    """Exclude what has been loaded from garbage collection: it stays, and need not be traversed again.

    One such traversal holds up all requests, for some 30 ms where just this library is loaded, and 90 with
    torch. What requests allocate from here on stays with the process, too, once they have freed it.
    """
    gc.collect()
    gc.freeze()
    memory.keep_freed()


def when_serving(method: Callable[[], None]) -> None:
    """Have a bound method called once this process serves, if its object is still in use by then."""
    assert isinstance(method, MethodType)
    _when_serving.append(weakref.WeakMethod(method, _when_serving.remove))


def serving() -> None:
    """Call what waits for this process to serve; a server's integration does, for each process that does."""
    for reference in _when_serving:
        method = reference()
        if method is not None:
            method()


def reload() -> None:
    """Begin the next generation, to which the workers from here on belong."""
    global generation
    generation += 1


def add_drain_check(check: Callable[[], bool]) -> None:
    """Add a check that `is_draining` calls."""
    _drain_checks.append(check)


def is_draining() -> bool:
    """Return whether the process has begun to shut down, and takes no further work."""
    return any(check() for check in _drain_checks)
