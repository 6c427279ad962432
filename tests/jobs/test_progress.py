"""The reporter that a job's handler gets."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving import JobProgress
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.progress import JobCancelled, parameter_of

Written = list[tuple[float, str | None]]


@pytest.fixture
def written() -> Written:
    return []


@pytest.fixture
def reporter(written: Written) -> JobProgress:
    return JobProgress(lambda fraction, text: bool(written.append((fraction, text))))


def test_the_first_report_is_written_at_once(reporter: JobProgress, written: Written) -> None:
    reporter.set_status(0.5, "half")

    assert written == [(0.5, "half")]


def test_of_reports_in_quick_succession_the_last_one_is_written(
    reporter: JobProgress, written: Written
) -> None:
    for step in range(100):
        reporter.set_status(step / 100, str(step))
    reporter.flush()
    reporter.flush()

    assert written[0] == (0.0, "0")
    assert written[-1] == (0.99, "99")
    assert written.count((0.99, "99")) == 1
    assert len(written) < 50


def test_a_report_without_words_keeps_the_last_ones(
    reporter: JobProgress, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    reporter.set_status(0.1, "words")
    reporter.set_status(0.2)

    assert written == [(0.1, "words"), (0.2, "words")]


@pytest.mark.parametrize(("given", "kept"), [(-1, 0.0), (2, 1.0), (1, 1.0)])
def test_a_fraction_stays_between_0_and_1(
    reporter: JobProgress, written: Written, given: float, kept: float
) -> None:
    reporter.set_status(given)

    assert written == [(kept, None)]


def test_a_report_is_where_a_job_learns_that_it_is_to_stop(reporter: JobProgress) -> None:
    reporter.stop()

    with pytest.raises(JobCancelled):
        reporter.set_status(0.5)
    assert reporter.is_stopped


def test_the_store_may_stop_it_too() -> None:
    reporter = JobProgress(lambda fraction, text: True)

    with pytest.raises(JobCancelled):
        reporter.set_status(0.5)


def test_a_handler_that_catches_exceptions_still_stops() -> None:
    assert not issubclass(JobCancelled, Exception)


def test_the_names_that_handlers_of_fast_task_api_set_report_too(
    reporter: JobProgress, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    reporter._progress = 0.5
    reporter._message = "half"

    assert written[-1] == (0.5, "half")
    assert (reporter._progress, reporter._message) == (0.5, "half")


def by_name(job_progress: Any, text: str) -> None: ...


def by_type(text: str, report: JobProgress) -> None: ...


def by_neither(text: str) -> None: ...


class Handler:
    def __call__(self, text: str, reporter: JobProgress) -> None: ...


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (by_name, "job_progress"),
        (by_type, "report"),
        (by_neither, None),
        (Handler(), "reporter"),
        (functools.partial(by_name, text="a"), "job_progress"),
        (print, None),
    ],
)
def test_the_parameter_is_found_by_its_type_or_its_name(
    handler: Callable[..., Any], name: str | None
) -> None:
    assert parameter_of(handler) == name
