"""Log lines: one line each, with the request they belong to."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.messages import current_job_id, current_request_id
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


@pytest.mark.usefixtures("_request")
def test_a_line_about_a_job_has_the_ids_of_request_and_job() -> None:
    token = current_job_id.set("4c1d")
    try:
        assert " model [id-1 job 4c1d] Hello" in TEXT.format(record())
        assert json.loads(JSON.format(record()))["job_id"] == "4c1d"
    finally:
        current_job_id.reset(token)


def test_outside_of_a_request_there_is_a_dash() -> None:
    assert " [-] " in TEXT.format(record())
    assert json.loads(JSON.format(record()))["request_id"] == "-"


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
def test_a_line_shows_no_password_of_a_url(formatter: logging.Formatter) -> None:
    line = formatter.format(
        record("%s and %r", "redis://:one@host:1/0", "https://user:two@three@host/path?mail=a@b")
    )

    assert "redis://***@host:1/0 and 'https://***@host/path?mail=a@b'" in line


def test_passwords_are_looked_for_in_linear_time() -> None:
    times = []
    for repeats in (100_000, 200_000):
        texts = ("://" * repeats, "://" + "x" * repeats, "://a" * repeats + "@")
        begun = time.process_time()
        for text in texts:
            TEXT.format(record(text))
        times.append(time.process_time() - begun)

    assert times[1] < 5 * times[0] + 0.1


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


#: What forges a line, reorders it, or commands a terminal.
UNSAFE = (
    "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
    + "\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069\ufeff"
)


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
def test_no_character_of_a_line_means_anything_to_a_terminal(formatter: logging.Formatter) -> None:
    token = current_request_id.set(f"id{UNSAFE}")
    try:
        line = formatter.format(record(f"message{UNSAFE}end", error=True))
    finally:
        current_request_id.reset(token)

    assert [character for character in UNSAFE if character in line] == []
    assert "\\u202e" in line
    assert "\\u001b" in line or "\\x1b" in line


def test_a_json_line_holds_the_message_as_it_was() -> None:
    assert json.loads(JSON.format(record(f"message{UNSAFE}end")))["message"] == f"message{UNSAFE}end"


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("filling", ["x", "\0", "ü", "𝄞", '"', "\ud800", "\u2028", "ab\n", "\\"])
@pytest.mark.parametrize("limit", [1024, 8192])
def test_a_long_line_keeps_its_start_and_its_end(log_format: str, filling: str, limit: int) -> None:
    formatter = logs.formatter(Settings(log_format=log_format, log_line_bytes=limit))
    message = f"start{filling * 100_000}end"

    line = formatter.format(record(message))

    assert limit // 2 < len(line.encode()) <= limit
    assert "] start" in line or '"start' in line
    assert line.removesuffix('"}').endswith("end")
    left_out = re.search(r" …(\d+) characters left out… ", line)
    assert left_out is not None
    if log_format == "json" and filling != "\ud800":
        text = json.loads(line)["message"]
        assert len(text) - len(left_out[0]) + int(left_out[1]) == len(message)


@given(
    st.text(st.characters(codec=None, exclude_characters="%"), max_size=3000),
    st.sampled_from(["text", "json"]),
)
def test_no_line_is_longer_than_its_limit(message: str, log_format: str) -> None:
    formatter = logs.formatter(Settings(log_format=log_format, log_line_bytes=1024))

    assert len(formatter.format(record(message)).encode()) <= 1024


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
def test_a_line_of_ordinary_length_is_whole(formatter: logging.Formatter) -> None:
    assert "x" * 8000 in formatter.format(record("x" * 8000))


def test_a_message_of_any_length_is_cut_in_linear_time() -> None:
    begun = time.process_time()
    TEXT.format(record("\u2028" * 3_000_000))

    assert time.process_time() - begun < 1.0


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
