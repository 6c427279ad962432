"""Names of the owners of leases, from which others on the same machine tell whether they are still alive.

A name has the machine and its boot, the namespace of process ids, the process and a random number; of
processes elsewhere nothing is known but their leases.
"""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache

from aylien_model_serving.process import boot, owner


def name() -> str:
    """Return a name that belongs to this process for its whole life."""
    return f"{_machine()} {owner.name_of(os.getpid())} {secrets.token_hex(4)}"


def is_gone(name: str) -> bool:
    """Return whether the process of a name is known to have ended."""
    machine, _, rest = name.rpartition(" ")[0].rpartition(" ")
    return bool(machine) and machine == _machine() and _sees_processes() and not owner.is_alive(rest)


@cache
def _machine() -> str:
    """Return what two processes have in common that see each other: proc(5), pid_namespaces(7)."""
    return f"{socket.gethostname()}:{boot.boot_id()}:{_pid_namespace()}"


def _sees_processes() -> bool:
    return not _machine().endswith(":")


def _pid_namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""
