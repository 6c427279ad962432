"""Log lines: one line each, with the request they belong to."""

import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.core.settings import Settings

TEXT, JSON = logs.formatter(Settings()), logs.formatter(Settings(log_format="json"))


def record(message: str = "Hello", *arguments: object, error: bool = False) -> logging.LogRecord:
    exc_info = None
    if error:
        try:
            raise ValueError("first line\nsecond line")
        except ValueError:
            exc_info = sys.exc_info()
    found = logging.LogRecord("model", logging.WARNING, __file__, 1, message, arguments, exc_info)
    found.created, found.msecs = 1_769_860_800.25, 250.0
    return found


@pytest.fixture
def _request() -> Iterator[None]:
    token = current_request_id.set("id-1")
    yield
    current_request_id.reset(token)


@pytest.mark.usefixtures("_request")
def test_a_text_line_has_time_level_name_and_request() -> None:
    line = TEXT.format(record("Loaded %d of %s", 3, "five"))

    assert line == "2026-01-31T12:00:00.250Z WARNING model [id-1] Loaded 3 of five"


@pytest.mark.usefixtures("_request")
def test_a_json_line_has_the_same_as_fields() -> None:
    assert json.loads(JSON.format(record("Loaded %d", 3))) == {
        "time": "2026-01-31T12:00:00.250Z",
        "level": "WARNING",
        "logger": "model",
        "request_id": "id-1",
        "message": "Loaded 3",
    }


def test_outside_of_a_request_there_is_a_dash() -> None:
    assert " [-] " in TEXT.format(record())
    assert json.loads(JSON.format(record()))["request_id"] == "-"


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
def test_a_traceback_stays_on_its_line(formatter: logging.Formatter) -> None:
    line = formatter.format(record("It broke", error=True))

    assert len(line.splitlines()) == 1
    assert r"It broke\nTraceback (most recent call last):\n" in line
    assert r"ValueError: first line\nsecond line" in line


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
@given(st.text(st.characters(codec=None, exclude_characters="%")))
def test_no_message_breaks_its_line(formatter: logging.Formatter, message: str) -> None:
    line = formatter.format(record(message))

    assert "\n" not in line
    assert "\r" not in line
    assert line.encode()


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
def test_a_long_line_keeps_its_start_and_its_end(formatter: logging.Formatter) -> None:
    line = formatter.format(record("start" + "x" * 100_000 + "end"))

    assert len(line) < logs.MAX_LINE + 300
    assert "start" in line
    assert "xend" in line
    assert re.search(r"…\d+ characters left out…", line)


def without_handlers(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Return the root logger as it is in a process that has not set logging up."""
    root, own = logging.getLogger(), logging.getLogger("aylien_model_serving")
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(own, "level", own.level)
    return root


def test_the_process_logs_to_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    root = without_handlers(monkeypatch)

    logs.configure(Settings(log_level="DEBUG", log_format="json"))

    [handler] = root.handlers
    assert isinstance(handler.formatter, logs.JsonFormatter)
    assert logging.getLogger("aylien_model_serving").level == logging.DEBUG


def test_logging_that_the_application_configured_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    root, own = without_handlers(monkeypatch), logging.NullHandler()
    root.addHandler(own)

    logs.configure(Settings())

    assert root.handlers == [own]
