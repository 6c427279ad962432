"""The lines of a start, which are shown at the default level."""

from __future__ import annotations

import logging
import os
import re

import pytest

from aylien_model_serving.core import start_log


@pytest.fixture(autouse=True)
def _shown(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, start_log.logger.name)
    monkeypatch.setattr(start_log, "QUIET_SECONDS", 5.0)


@pytest.mark.parametrize(
    ("names", "seconds", "line"),
    [
        (["a", "b"], 1.23, "Process {pid} loads a, b, 1.2 s after its start"),
        (["a"], None, "Process {pid} loads a"),
        ([], 12.34, "Process {pid} has imported the service, 12.3 s after its start"),
    ],
)
def test_loading_begins_with_one_line(
    caplog: pytest.LogCaptureFixture, names: list[str], seconds: float | None, line: str
) -> None:
    start_log.begins(names, seconds)

    assert caplog.messages == [line.format(pid=os.getpid())]


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_where_nothing_takes_long_there_is_no_line(
    caplog: pytest.LogCaptureFixture, seconds: float | None
) -> None:
    start_log.begins([], seconds)

    assert caplog.messages == []


def test_the_time_of_a_handler_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with start_log.timed("classify"):
        pass

    [line] = caplog.messages
    assert re.fullmatch(rf"classify is ready in process {os.getpid()} after [0-9]\.[0-9] s", line)


@pytest.mark.parametrize(
    ("level", "shown"),
    [(logging.WARNING, logging.INFO), (logging.DEBUG, logging.INFO), (logging.ERROR, logging.ERROR)],
)
def test_the_lines_are_shown_where_warnings_are(level: int, shown: int) -> None:
    start_log.set_level(level)

    assert start_log.logger.level == shown
