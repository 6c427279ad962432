"""The exit status of a worker that has served, which Gunicorn's master may take for one that can't start.

By 3 and 4 a worker says that it can't load the application, and the master ends the service. A handler, or a
library in C, that ends its process with one of them says no such thing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from aylien_model_serving.servers.gunicorn import checks

#: The mode of the file that a worker shares with its master, once it serves; it is made with 0o600.
_SERVES = 0o640

#: The exit status that the master is told in place of one that would end the service.
_FAILED = 1

_EFFECT = "a handler that ends its process with status 3 or 4 ends the service"


def patch_master(server: Any) -> None:
    """Let no worker that has served end the service; for `on_starting`.

    Args:
        server: the arbiter.
    """
    module: Any = sys.modules.get("gunicorn.arbiter")
    kind: Any = getattr(module, "Arbiter", None)
    missing = [name for name in ("WORKER_BOOT_ERROR", "APP_LOAD_ERROR") if not hasattr(kind, name)]
    missing += ["WORKERS"] * (not hasattr(server, "WORKERS"))
    if missing or not hasattr(module, "os"):
        checks.warn(f"Arbiter's {', '.join(missing or ['os.waitpid'])}", _EFFECT)
        return
    statuses = {kind.WORKER_BOOT_ERROR, kind.APP_LOAD_ERROR}
    module.os = _waiting(lambda pid: server.WORKERS.get(pid), statuses)


def tell_when_serving(worker: Any) -> None:
    """Have a worker tell its master that it serves, at its first sign of life; for `post_worker_init`."""
    missing = [name for name in ("tmp", "notify") if not hasattr(worker, name)]
    if missing:
        checks.warn(checks.members(worker, missing), _EFFECT)
        return
    original = worker.notify

    def notify() -> None:
        os.fchmod(worker.tmp.fileno(), _SERVES)
        worker.notify = original
        original()

    worker.notify = notify


def _waiting(worker_of: Callable[[int], Any], statuses: set[int]) -> ModuleType:
    """Return the module `os` with a `waitpid` that keeps to itself how a worker that has served exited."""
    module = ModuleType(os.__name__)
    module.__dict__.update(vars(os))

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        found, status = os.waitpid(pid, options)
        if (
            found
            and os.WIFEXITED(status)
            and os.WEXITSTATUS(status) in statuses
            and _served(worker_of(found))
        ):
            checks.logger.error(
                "Worker (pid:%s) served, and was ended with status %d by what it ran: it is replaced",
                found,
                os.WEXITSTATUS(status),
            )
            return found, _FAILED << 8
        return found, status

    module.__dict__["waitpid"] = waitpid
    return module


def _served(worker: Any) -> bool:
    return worker is not None and os.fstat(worker.tmp.fileno()).st_mode & 0o777 == _SERVES
