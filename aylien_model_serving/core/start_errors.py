"""What keeps a service from starting, in few words: the sentence and its place.

Python and the servers show tracebacks, whose frames are mostly their own and this library's. Of a mistake in
the configuration, the last line of the service's own code is named. Any other error keeps its traceback.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from aylien_model_serving.core.escapes import escape_but_lines
from aylien_model_serving.core.secrets import without_user_info
from aylien_model_serving.core.settings import PREFIX
from aylien_model_serving.errors import ConfigurationError

#: Loggers in which servers write why an app can't be loaded.
_LOGGERS = ("gunicorn.error", "uvicorn.error", "_granian")

#: Packages whose frames are between the start of a process and the service's own code, or that we call.
_OTHERS = {"click", "flask", "gevent", "granian", "gunicorn", "msgspec", "pydantic", "uvicorn", "werkzeug"}
_NOT_OWN = _OTHERS | sys.stdlib_module_names | {__name__.partition(".")[0]}

_is_installed = False


def install() -> None:
    """Have Python and the servers show a ConfigurationError that ends this process as `told` does."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_shorten)
    show_others = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, ConfigurationError):
            _write(error)
        else:
            show_others(kind, error, trace)

    sys.excepthook = show
    if multiprocessing.parent_process() is not None or "gunicorn.app.base" in sys.modules:
        _shorten_printed()


def _shorten_printed() -> None:
    """Do it where errors are printed: by multiprocessing in workers, by Gunicorn for its file of settings."""
    print_others = traceback.print_exc

    def print_exc(*args: object, **options: object) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConfigurationError):
            _write(error)
        else:
            print_others(*args, **options)  # type: ignore[arg-type]  # passed on as they are

    traceback.print_exc = print_exc


def told(error: Exception) -> str:
    """Return an error's sentence and place, and the traceback of what in the service's own code led to it.

    One that is no ConfigurationError is told by its traceback, from the service's own code on.
    """
    if not isinstance(error, ConfigurationError):
        frames = _own_part(error) or error.__traceback__
        shown = "".join(traceback.format_exception(type(error), error, frames))
        return without_user_info(f"The service can't start\n{shown.rstrip()}")
    place = "" if str(error).startswith(PREFIX) else _place(error)  # a variable is a place itself
    text = f"The service can't start: {place}{error}"
    cause: BaseException | None = error
    while isinstance(cause, ConfigurationError):
        cause = cause.__cause__
    own = None if cause is None else _own_part(cause)
    if cause is not None and own is not None:
        lines = traceback.format_exception(type(cause), cause, own)
        text = f"{text}\n{''.join(lines).rstrip()}"
    return without_user_info(text)


def near(file: str) -> str:
    """Return the name of a file as people here call it: relative to the working directory, if it is below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _place(error: BaseException) -> str:
    own = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_own(frame)]
    return f"{near(own[-1][0].f_code.co_filename)}, line {own[-1][1]}: " if own else ""


def _own_part(error: BaseException) -> TracebackType | None:
    """Return an error's traceback from the first frame of the service's own code on."""
    return next((trace for trace in _parts(error.__traceback__) if _is_own(trace.tb_frame)), None)


def _parts(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_own(frame: FrameType) -> bool:
    """Return whether a frame is of the service's own code, or of what that has called."""
    name: str = frame.f_globals.get("__name__", "")
    if name == "__main__" and frame.f_globals.get("__spec__") is not None:
        name = frame.f_globals["__spec__"].name
    is_script = Path(frame.f_code.co_filename).parent == Path(sysconfig.get_path("scripts"))
    return name.partition(".")[0] not in _NOT_OWN and not is_script


def _shorten(record: logging.LogRecord) -> bool:
    """Take the traceback from a server's log line about a ConfigurationError; a filter of `logging`."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, ConfigurationError):
        record.msg, record.args, record.exc_info = told(error), None, None
    return True


def _write(error: ConfigurationError) -> None:
    if sys.stderr is not None:  # as where nobody is to see anything
        sys.stderr.write(f"{escape_but_lines(told(error))}\n")
