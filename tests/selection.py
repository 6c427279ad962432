"""What `make test` leaves to `make test-all`, and this to a run by hand: the marker `full`, both options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest

full = pytest.mark.full

_LEFT_OUT = pytest.StashKey[int]()

#: How much less a property is tried in a run that is not full.
_SHORTER = 3

_is_full = False
_is_long = False


def examples(number: int) -> int:
    """Return how many examples of a property are tried; all of them in the full run."""
    return number if _is_full else number // _SHORTER


def longer(usual: float, long: float) -> float:
    """Return how much of a load or a fault a test has: `long` of it where a run by hand asks, by --long."""
    return long if _is_long else usual


def pytest_configure(config: pytest.Config) -> None:
    """Settle how long properties are tried, before a module of tests asks."""
    global _is_full, _is_long
    _is_full, _is_long = config.getoption("--full"), config.getoption("--long")
    # A shared machine makes single examples slow: how many there are bounds the time, not how long one takes.
    hypothesis.settings.register_profile("patient", deadline=None, max_examples=examples(100))
    hypothesis.settings.load_profile("patient")


def matrix(values: Iterable[Any], *quick: Any, rows: bool = False) -> list[Any]:
    """Return values as parameters of tests, of which all but a few are left to the full run.

    Args:
        values: of a parameter, as the names of servers.
        quick: those of them that every run takes.
        rows: whether a value is a tuple for several parameters.

    Raises:
        ValueError: one of `quick` is not among the values.
    """
    every = list(values)
    strangers = [value for value in quick if value not in every]
    if strangers:
        raise ValueError(f"{strangers} are not among {every}")
    left_out = [pytest.param(*(value if rows else [value]), marks=full) for value in every]
    return [value if value in quick else other for value, other in zip(every, left_out, strict=True)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the tests that are marked `full` too")
    parser.addoption(
        "--long", action="store_true", help="have tests of faults last as long as a run by hand may"
    )


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `full`, unless it is asked for, by --full or by its own name."""
    for item in items:
        is_property = _is_full and getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property or "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(full)
    if config.getoption("--full") or any("::" in word for word in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    config.stash[_LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("full")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the number from a process of xdist's to the one that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(_LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    config: pytest.Config = node.config
    config.stash[_LEFT_OUT] = max(
        config.stash.get(_LEFT_OUT, 0), getattr(node, "workeroutput", {}).get("left_out", 0)
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    number = config.stash.get(_LEFT_OUT, 0)
    if number:
        terminalreporter.write_line(
            f"{number} tests of the full run were left out: `make test-all` runs them"
        )
