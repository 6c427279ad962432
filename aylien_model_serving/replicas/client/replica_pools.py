"""A runner's replica pool in each process: made at its first use, and by a forked child anew.

Knows which process it runs in; what a pool does is in `replica_pool`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from aylien_model_serving.replicas.client.replica_pool import ReplicaPool
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.rpc.spec import Spec

#: Never held while a caller blocks: it may have been made before gevent patched threads.
_lock = threading.Lock()


class ReplicaPools:
    """One runner's replica pool in each process: a forked child gets a pool of its own.

    Args:
        spec: what the replicas host.
        on_waiting: called with the number of calls that wait for a replica, whenever it changes.
    """

    def __init__(self, spec: Spec, on_waiting: Callable[[int], None]) -> None:
        self._spec = spec
        self._on_waiting = on_waiting
        self._pool: ReplicaPool | None = None

    def get(self) -> ReplicaPool:
        """Return this process's pool, made at its first use: that is when the replicas are hosted."""
        pool = self._pool
        return pool if pool is not None and pool.pid == os.getpid() else self._create()

    def get_existing(self) -> ReplicaPool | None:
        """Return this process's pool, None if it has none: for a caller that should start nothing."""
        return self._pool if self._pool is not None and self._pool.pid == os.getpid() else None

    def _create(self) -> ReplicaPool:
        with _lock:
            pool = self._pool
            if pool is not None and pool.pid == os.getpid():
                return pool
            pool = self._pool = ReplicaPool(self._spec, self._on_waiting)
        try:
            pool.host(self._spec)
        except BaseException:
            self._pool = None  # so that the next call fails alike, and does not wait for nothing
            raise
        weakref.finalize(self, SupervisorClient.of_process().release, self._spec.key).atexit = False
        return pool
