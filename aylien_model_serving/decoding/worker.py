"""A decoder: reads files from a socket, which is its standard input, and answers with what they hold.

It ends when the socket does, and by the kernel's signal with the process that started it. For each file the
kernel limits its memory and its processor time.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Generator
from itertools import chain
from typing import Any

import msgspec

from aylien_model_serving.decoding import film, pictures, sound
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import PREFIX, DecodeRequest, DecodeResponse, pack

Part = tuple[DecodeResponse, Any]

_SOCKET = 0

#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1

#: prctl(2): no program that is executed gets more privileges.
_PR_SET_NO_NEW_PRIVS = 38

#: Descriptors that a process may have inherited where there is no limit.
_MAX_DESCRIPTORS = 65_536

#: Bytes that decoders take beside their result: other forms of a picture, and their own state.
_WORKING_BYTES = 128 << 20

#: Bytes of a file or an array from which on freed memory is returned to the system at once.
_LARGE = 8 << 20

#: Letters of an exception that the service's log gets.
_MAX_DETAIL = 500

_PAGE = resource.getpagesize()

_decode = msgspec.msgpack.Decoder(DecodeRequest).decode

#: What decodes the files of each family.
_FAMILIES = {"image": pictures, "audio": sound, "video": film}


def main() -> None:
    """Answer requests until nobody is there."""
    _end_with_parent(int(sys.argv[1]))
    _renounce()
    _send(DecodeResponse(), b"")
    _silence()
    parts = _nothing()
    while True:
        request, content = _receive()
        _limit_time(request.cpu_seconds)
        if request.want != "more":
            parts.close()  # lets go of an earlier video
            parts = _parts(request, content)
        _answer(request, parts)
        del content


def _answer(request: DecodeRequest, parts: Generator[Part, None, None]) -> None:
    """Send the parts of a file, or as many as a message may have."""
    size = 0
    try:
        for response, body in parts:
            size += len(body)
            _send(response, body)
            if response.is_last:
                if response.is_end:
                    parts.close()
                break
        else:
            _send(DecodeResponse(), b"")
    except (TooLarge, MemoryError) as error:
        _send(DecodeResponse(problem="large", message=str(error) or _no_memory(request)), b"")
    except BadFile as error:
        _send(DecodeResponse(problem="bad", message=str(error)), b"")
    except ImportError as error:
        _send(DecodeResponse(problem="missing", message=str(error)), b"")
    except Exception as error:  # of a library, at a file that it does not expect
        message = f"the {request.media_type} is broken, or has a form that is not read here"
        _send(DecodeResponse(problem="bad", message=message, detail=_place_of(error)), b"")
    if size > _LARGE or not size:
        _return_freed()


def _parts(request: DecodeRequest, content: bytes) -> Generator[Part, None, None]:
    family = _FAMILIES[request.family]
    family.load(request.media_type)
    _limit_memory(request.limits.bytes + 2 * len(content))
    yield from family.parts(request, content)


def _nothing() -> Generator[Part, None, None]:
    yield from ()


def _place_of(error: Exception) -> str:
    """Return what an exception says, and where it was raised, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}: {error!r}"[:_MAX_DETAIL]


def _no_memory(request: DecodeRequest) -> str:
    return f"the {request.media_type} takes more memory to decode than it may"


def _limit_memory(size: int) -> None:
    """Limit this process to what a file may take beside what the process has taken already."""
    with contextlib.suppress(OSError, ValueError):  # systems without /proc, or that know no such limit
        with open("/proc/self/statm", "rb") as statm:
            taken = int(statm.read().split()[0]) * _PAGE
        resource.setrlimit(resource.RLIMIT_AS, (taken + size + _WORKING_BYTES, resource.RLIM_INFINITY))


def _limit_time(seconds: float) -> None:
    """Have the kernel end this process when it has computed for longer than somebody waits for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _receive() -> tuple[DecodeRequest, bytes]:
    header_length, body_length = PREFIX.unpack(_read(PREFIX.size))
    return _decode(_read(header_length)), _read(body_length)


def _read(count: int) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = os.readv(_SOCKET, [view])
        if not got:
            os._exit(0)  # the service is gone, or needs this decoder no more
        view = view[got:]
    return bytes(data)


def _send(response: DecodeResponse, body: Any) -> None:
    """Send a response; its body is bytes, or has a length and yields them piece by piece."""
    parts = [body] if isinstance(body, (bytes, memoryview)) else body
    try:
        for part in chain([pack(response, len(body))], parts):
            view = memoryview(part)
            while view:
                view = view[os.write(_SOCKET, view) :]
    except OSError:
        os._exit(0)


def _end_with_parent(parent: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # no prctl, as on macOS: the end of the socket ends it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _renounce() -> None:
    """Let go of what decoding does not need: other descriptors, files to write, further privileges."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, files if files != resource.RLIM_INFINITY else _MAX_DESCRIPTORS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where memory is short, this process goes before those that serve
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.version_info < (3, 11):
        del sys.path[0]  # the working folder, where clients' files may lie


def _silence() -> None:
    """Keep what libraries print about a file out of the service's log; errors are in the responses."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _return_freed() -> None:
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
