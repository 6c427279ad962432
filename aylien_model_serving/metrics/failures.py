"""The last failures of a service, of all its processes: when, on which route, and under which request id.

No Flask. Neither a message nor a path is kept, which may quote what a client has sent; the log has both.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import NamedTuple

import msgspec

from aylien_model_serving.process import owner
from aylien_model_serving.process.shared_lines import SharedLines

#: Bytes that are kept of all services of a process.
_MAX_BYTES = 16 << 10

#: Characters of each text.
_MAX_TEXT = 120


class Failure(msgspec.Struct, frozen=True):
    """A request that the service failed.

    Args:
        service: number of the service in its process.
        at: seconds since 1970.
        route: its name; empty where none has been matched.
        method: of HTTP.
        status: of the response.
        request_id: of the request, as the log has it.
        kind: the exception's class.
        place: the file, line and function that raised it.
    """

    service: str
    at: float
    route: str
    method: str
    status: int
    request_id: str
    kind: str
    place: str


class FailedRequest(NamedTuple):
    """What a response says of a failure, beside the exception."""

    route: str
    method: str
    status: int
    request_id: str


class FailureLog:
    """The failures of one service, as its processes share them.

    Args:
        service: number of the service in its process.
        home: the folder of the service's owner; found where it is None.
    """

    def __init__(self, service: str, home: Path | None = None) -> None:
        self._service = service
        self._home = home

    def add(self, error: BaseException, failed: FailedRequest) -> None:
        """Keep a failure; where there is no room for it, the log alone has it."""
        texts = (failed.request_id, type(error).__name__, _place(error))
        request_id, kind, place = (_plain(text) for text in texts)
        failure = Failure(
            self._service,
            round(time.time(), 3),
            _plain(failed.route),
            _plain(failed.method),
            failed.status,
            request_id,
            kind,
            place,
        )
        with suppress(OSError):
            self._lines().append(msgspec.json.encode(failure))

    def latest(self) -> list[Failure]:
        """Return the last failures, the last one first."""
        found = []
        with suppress(OSError):
            for line in reversed(self._lines().read()):
                with suppress(msgspec.MsgspecError):  # a line that a full disk has cut
                    found.append(msgspec.json.decode(line, type=Failure))
        return [failure for failure in found if failure.service == self._service]

    def _lines(self) -> SharedLines:
        pid = owner.find()
        home = self._home or owner.find_folder(pid) or owner.folder(pid)
        return SharedLines(home / "failures", _MAX_BYTES)


def _plain(text: str) -> str:
    return text[:_MAX_TEXT].encode(errors="replace").decode()


def _place(error: BaseException) -> str:
    """Return where an exception was raised, empty where it never was."""
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        place = f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}"
    return place
