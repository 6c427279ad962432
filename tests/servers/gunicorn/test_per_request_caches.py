"""The date and the error log are what Gunicorn's own are, and made when they are needed."""

import logging
import time

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.servers.gunicorn.per_request_caches import CachedDate, lazy_errors


@given(moments=st.lists(st.floats(0, 4e9), max_size=6))
def test_a_date_is_what_gunicorn_makes_of_its_second(moments: list[float]) -> None:
    dates = CachedDate(util.http_date)

    assert [dates(moment) for moment in moments] == [util.http_date(int(moment)) for moment in moments]


def test_a_date_is_formed_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    formed: list[float] = []

    def form(timestamp: float) -> str:
        formed.append(timestamp)
        return str(timestamp)

    dates = CachedDate(form)
    found = []
    for now in (7.0, 7.9, 8.0, 8.5):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        found.append(dates())

    assert found == ["7", "7", "8", "8"]
    assert formed == [7, 8]


def test_what_is_written_to_the_error_log_gets_to_where_the_log_is_by_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kept(logging.StreamHandler):  # type: ignore[type-arg]
        """Keeps what is written."""

        def __init__(self) -> None:
            self.written: list[str] = []
            super().__init__(self)

        def write(self, data: str) -> None:
            self.written.append(data)

        def flush(self) -> None:
            pass

    errors = lazy_errors(wsgi.WSGIErrorsWrapper)(Config())
    log, reopened = logging.getLogger("gunicorn.error"), Kept()
    monkeypatch.setattr(log, "handlers", [logging.StreamHandler(), reopened])

    print("line", file=errors)

    assert capsys.readouterr().err == "line\n"
    assert "".join(reopened.written) == "line\n"


def test_the_log_is_not_looked_up_before() -> None:
    class EagerErrors:
        def __init__(self, cfg: object) -> None:
            raise AssertionError("looked up")

    errors = lazy_errors(EagerErrors)(Config())

    with pytest.raises(AssertionError, match="looked up"):
        errors.write("line")
