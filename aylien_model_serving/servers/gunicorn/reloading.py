"""What `--reload` does beyond Gunicorn's reloader, for code that replicas import and edits with mistakes.

A worker also ends for a file that replicas alone have imported. It stays for one that can't be compiled, and
one whose code can't be loaded answers 503 until the next edit, in place of ending the server.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from aylien_model_serving.core import start_errors
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.code_files import Stamp
from aylien_model_serving.servers.gunicorn import checks

#: Seconds between two looks at the files, as Gunicorn's reloader has it.
_POLL_SECONDS = 1.0

_EFFECT = "--reload neither looks at what replicas import nor survives a mistake in an edit"


def patch_reload(
    worker: Any,
    expected: Callable[[], Mapping[str, Stamp]],
    build: Callable[[Any], None],
    stand_in: Callable[..., Any],
) -> None:
    """Have a worker with `--reload` look at more files, and survive a mistake in them; for `post_fork`.

    Args:
        worker: Gunicorn's.
        expected: returns the files that replicas have imported, with the stamps that this worker began with.
        build: builds what Gunicorn has loaded, if that is left to the first request.
        stand_in: answers requests while the code can't be loaded, as a WSGI and an ASGI application.
    """
    if not getattr(worker.cfg, "reload", False):
        return
    missing = [member for member in ("load_wsgi", "app", "reloader") if not hasattr(worker, member)]
    if not missing and not hasattr(worker.app, "callable"):
        missing = ["app.callable"]
    if missing:
        checks.warn(checks.members(worker, missing), _EFFECT)
        return
    worker.load_wsgi = partial(_load, worker, worker.load_wsgi, expected, build, stand_in)


def _load(
    worker: Any,
    original: Callable[[], None],
    expected: Callable[[], Mapping[str, Stamp]],
    build: Callable[[Any], None],
    stand_in: Callable[..., Any],
) -> None:
    watch = CodeWatch(expected, partial(_end, worker), worker.log)
    try:
        build(worker.app.wsgi())
    except Exception as error:
        if isinstance(error, ConfigurationError):
            worker.log.error("%s", start_errors.told(error))
        else:
            worker.log.exception("The service's code can't be loaded; the next change of it is tried")
        worker.app.callable = stand_in
        watch.add(code_files.named_by(error))
    original()
    reloader = worker.reloader
    if hasattr(reloader, "_callback") and hasattr(reloader, "get_files"):
        reloader._callback = partial(_on_modified, watch, reloader.get_files)
    else:
        checks.warn(f"{type(reloader).__name__}._callback and get_files()", _EFFECT)
    threading.Thread(target=watch.run, name="model-serving-code-watch", daemon=True).start()


def _on_modified(watch: CodeWatch, files: Callable[[], Iterable[str]], name: str) -> None:
    """Look at a file that Gunicorn's reloader has found; inotify tells its name without the folder."""
    found = [file for file in files() if file == name or os.path.basename(file) == name]
    watch.on_modified(found or [name])


def _end(worker: Any, file: str) -> None:
    """End a worker as SIGTERM does, after its last answer; its master starts another one."""
    worker.log.info("Worker reloading: %s modified", file)
    worker.cfg.worker_int(worker)
    os.kill(os.getpid(), signal.SIGTERM)


class CodeWatch:
    """Looks for files that have changed since a worker loaded them.

    Args:
        expected: returns the files that replicas have imported, with the stamps that are expected.
        end: ends the worker, told the file that has changed.
        log: the worker's logger.
    """

    def __init__(
        self, expected: Callable[[], Mapping[str, Stamp]], end: Callable[[str], None], log: Any
    ) -> None:
        self._expected = expected
        self._end = end
        self._log = log
        self._began_ns = time.time_ns()
        self._further: dict[str, Stamp] = {}
        self._refused: dict[str, Stamp] = {}
        self._has_ended = False

    def add(self, files: Iterable[str]) -> None:
        """Look at further files."""
        self._further.update(code_files.stamps_of(files))

    def run(self) -> None:
        """Look until a file has changed."""
        self._look_at_imported()
        while not self._has_ended:
            self._look()
            time.sleep(_POLL_SECONDS)

    def _look_at_imported(self) -> None:
        """Find what was modified while it was loaded, which Gunicorn's reloader takes for what was loaded."""
        until_ns = time.time_ns()
        stamps = code_files.stamps_of(set(code_files.imported()))
        self.on_modified(
            [file for file, (modified, _) in stamps.items() if self._began_ns < modified <= until_ns]
        )

    def _look(self) -> None:
        expected = {**self._expected(), **self._further}
        stamps = code_files.stamps_of(expected)
        self.on_modified(
            [file for file, stamp in stamps.items() if stamp not in (expected[file], code_files.MISSING)]
        )

    def on_modified(self, files: Iterable[str]) -> None:
        """End the worker for files that have changed, unless one of them can't be compiled."""
        changed = list(files)
        if changed and not self._has_ended and all(map(self._is_compiled, changed)):
            self._has_ended = True
            self._end(changed[0])

    def _is_compiled(self, file: str) -> bool:
        if not file.endswith(".py"):
            return True
        stamp = code_files.stamp_of(file)
        if self._refused.get(file) == stamp:
            return False
        try:
            with open(file, "rb") as source:
                compile(source.read(), file, "exec", dont_inherit=True)
        except OSError:
            return True
        except (SyntaxError, ValueError) as error:
            self._refused[file] = stamp
            self._log.error("The code stays as it was until the next change: %s", _place(file, error))
            return False
        return True


def _place(file: str, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{file}, line {error.lineno}: {error.msg}"
    return f"{file}: {error}"
