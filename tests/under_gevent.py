"""Runs the in-process tests in an interpreter patched by gevent: `python -m tests.under_gevent -k json`.

`--part=1/2` runs the tests of each second file: one such interpreter uses one processor.

Patching comes before every other import. Tests that start programs of their own gain nothing from it: they
stay out.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402  (what is imported from here on has to see the patched modules)
import socket
import sys
import threading

import gevent
import gevent.socket
import pytest

FOLDERS_LEFT_OUT = (
    "tests/costs",  # whose processor time is that of all greenlets
    "tests/examples",
    "tests/instructions",  # whose counts are those of an interpreter as it is
    "tests/packaging",
    "tests/services",
)

PART = "--part="


class Patched:
    """Stops the run unless gevent stands in for the standard library, and says so in the report's header.

    Args:
        part: the number of the files' part that is run, from 1, and how many parts there are.
    """

    def __init__(self, part: tuple[int, int] = (1, 1)) -> None:
        self._number, self._parts = part

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        files = list(dict.fromkeys(item.path for item in items))
        own = set(files[self._number - 1 :: self._parts])
        others = [item for item in items if item.path not in own]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item.path in own]

    def pytest_report_header(self) -> str:
        return f"gevent {gevent.__version__}: sockets and threads are patched"

    def pytest_sessionstart(self) -> None:
        threads_are_greenlets = threading.get_ident() == id(gevent.getcurrent())
        if socket.socket is not gevent.socket.socket or not threads_are_greenlets:
            pytest.exit("gevent has not patched this interpreter", returncode=1)


def main(args: list[str]) -> int:
    """Run pytest on what can run in one process, with the given arguments on top; return its exit status.

    gevent watches its children from the first fork on, and misses one that ends before it does.
    """
    gevent.get_hub().loop.install_sigchld()
    parts = [arg for arg in args if arg.startswith(PART)]
    number, _, count = parts[-1].removeprefix(PART).partition("/") if parts else ("1", "", "1")
    rest = [arg for arg in args if arg not in parts]
    ignored = [f"--ignore={folder}" for folder in FOLDERS_LEFT_OUT]
    return pytest.main([*ignored, "-m", "not processes", *rest], plugins=[Patched((int(number), int(count)))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
