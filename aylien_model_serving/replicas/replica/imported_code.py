"""What a replica imports, reported to its supervisor as it comes: also what a handler imports when it runs.

Knows Python's imports and the stamps of files, and nothing of handlers.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.code_files import Stamp

#: Seconds in which imports are gathered for one report.
_GATHERING_SECONDS = 0.3


class ImportedCode:
    """Reports the files of the service's own code that this process imports, each once.

    Args:
        report: gets the stamps of files; called on a thread of this object's too.
    """

    def __init__(self, report: Callable[[dict[str, Stamp]], None]) -> None:
        self._report = report
        self._reported: set[str] = set()
        self._last_ns = time.time_ns()
        self._lock = threading.Lock()
        self._imports = threading.Event()

    def watch(self) -> None:
        """Report from here on what is imported."""
        sys.meta_path.insert(0, self)
        threading.Thread(target=self._run, name="model-serving-imports", daemon=True).start()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Note that something is being imported, for the next finder to find."""
        self._imports.set()

    def _run(self) -> None:
        while True:
            self._imports.wait()
            time.sleep(_GATHERING_SECONDS)
            self._imports.clear()
            self.report()

    def report(self) -> None:
        """Report what has been imported since the last time."""
        with self._lock:
            since_ns, self._last_ns = self._last_ns, time.time_ns()
            files = set(code_files.imported()) - self._reported
            self._reported |= files
            stamps = {file: _stamp(file, since_ns) for file in sorted(files)}
            if stamps:
                self._report(stamps)


def _stamp(file: str, since_ns: int) -> Stamp:
    """Return the stamp of a file that was imported after a time, unless it was modified after that, too."""
    stamp = code_files.stamp_of(file)
    return stamp if stamp[0] < since_ns else code_files.UNCERTAIN
