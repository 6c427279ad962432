"""Room for files that are mapped into memory, taken before they are.

Standard library only. A write to a mapped page that its disk has no room for ends the process by SIGBUS; so
the blocks are allocated first, and a full disk is an error that can be handled.
"""

from __future__ import annotations

import errno
import mmap
import os

_ZEROS = bytes(1 << 16)

#: Errors of a filesystem, or a C library, that can't allocate.
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)

#: Errors of a disk without room, of a user's quota and of the largest size that a file may have.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def mapped(descriptor: int, size: int) -> mmap.mmap:
    """Return a mapping of a file, made as large as it, whose pages can all be written.

    Raises:
        OSError: there is no room for it; the file may have become longer.
    """
    _allocate(descriptor, os.fstat(descriptor).st_size, size)
    return mmap.mmap(descriptor, size)


def is_full(error: BaseException | None) -> bool:
    """Return whether an error says that there is no room."""
    return isinstance(error, OSError) and error.errno in _FULL


def _allocate(descriptor: int, length: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # macOS
        _fill(descriptor, length, size)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _fill(descriptor, length, size)


def _fill(descriptor: int, length: int, size: int) -> None:
    """Write zeros behind a file's end, which takes the room as well."""
    while length < size:
        length += os.pwrite(descriptor, _ZEROS[: size - length], length)
