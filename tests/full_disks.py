"""Disks without room for tests: small ones in memory, which a program of its own mounts and fills."""

import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.with_packages import lack

#: The file that fills a disk.
FILLING = "filling"

#: Ways to start a program that may mount, for itself alone.
_WAYS = [["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]]

#: Mounts, fills all but some of it, and becomes the program. What fills it takes whole pages of 4 KiB.
_SCRIPT = """
mount -t tmpfs -o size="$2" disk "$1" || exit 1
dd if=/dev/zero of="$1/filling" bs=1024 status=none 2>/dev/null
[ "$3" = 0 ] || truncate -s "-$3" "$1/filling"
shift 3
exec "$@"
"""


def on_small_disk(folder: Path, size: str = "256k", *, free: str = "0") -> list[str]:
    """Return the words before a command that runs it with a folder that is a disk of its own.

    Args:
        folder: an empty one; others see it empty, and the disk below `/proc/<pid>/root`.
        size: of the disk, in pages of 4 KiB.
        free: what is left of it.
    """
    return [*_mounting(), "sh", "-c", _SCRIPT, "sh", str(folder), size, free]


def make_room(pid: int, folder: Path) -> None:
    """Empty the disk of a process."""
    Path(f"/proc/{pid}/root{folder}/{FILLING}").unlink()


@cache
def _mounting() -> tuple[str, ...]:
    for way in _WAYS:
        with suppress(OSError, subprocess.CalledProcessError):
            mount = [*way, "mount", "-t", "tmpfs", "none", "/mnt"]
            subprocess.run(mount, capture_output=True, check=True, timeout=30)
            return tuple(way)
    return lack("nothing can be mounted here: root may, or whoever may make user namespaces")
