"""PID namespaces of a test's own, as containers have them: by root, or else in a user namespace."""

import subprocess
from contextlib import suppress
from functools import cache

from tests.with_packages import lack

#: Ways to start a program as the first process of a namespace, which ends with whoever started it.
_WAYS = [
    ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"],
    ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"],
]


@cache
def own_pid_namespace() -> tuple[str, ...]:
    """Return the words before a command that runs it in a PID namespace of its own, with its /proc."""
    for way in _WAYS:
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*way, "true"], capture_output=True, check=True, timeout=30)
            return tuple(way)
    return lack("unshare, of util-linux, makes no PID namespace here: root may, or whoever may make user's")
