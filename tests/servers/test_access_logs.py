"""Probes are in no access log but where their outcome changes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.servers import access_logs

#: What each server's record of a request holds, by the logger of the server.
RECORDS: dict[str, Any] = {
    "gunicorn.access": lambda path, status: ({"U": path, "s": str(status), "m": "GET"},),
    "granian.access": lambda path, status: ({"path": path, "status": status, "method": "GET"},),
    "uvicorn.access": lambda path, status: ("127.0.0.1:1", "GET", path, "1.1", status),
}


@pytest.fixture(params=RECORDS)
def shown(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Has a server log some requests, and returns those that its log shows."""
    logger = logging.getLogger(request.param)
    filters, propagates = logger.filters[:], logger.propagate
    logger.filters[:], logger.propagate = [], True
    access_logs.leave_out_probes(["/livez", "/readyz"])
    access_logs.leave_out_probes(["/livez", "/readyz"])

    def log(*requests: tuple[str, int]) -> list[tuple[str, int]]:
        caplog.clear()
        with caplog.at_level(logging.INFO, request.param):
            for path, status in requests:
                message = "%s %s %s %s %s" if request.param == "uvicorn.access" else "a line"
                logger.info(message, *RECORDS[request.param](path, status))
        return [access_logs._request_of(record.args) for record in caplog.records]

    yield log
    logger.filters[:], logger.propagate = filters, propagates


def test_probes_are_left_out_and_all_else_is_not(shown: Any) -> None:
    assert shown(("/livez", 200), ("/readyz?verbose", 200), ("/classify", 200), ("/classify", 500)) == [
        ("/classify", 200),
        ("/classify", 500),
    ]


def test_a_probe_is_told_of_when_it_fails_and_when_it_succeeds_again(shown: Any) -> None:
    asked = [("/readyz", status) for status in (503, 503, 200, 200, 503)]

    assert shown(*asked) == [("/readyz", 503), ("/readyz", 200), ("/readyz", 503)]


def test_each_path_has_an_outcome_of_its_own(shown: Any) -> None:
    assert shown(("/readyz", 503), ("/livez", 200), ("/readyz", 503)) == [("/readyz", 503)]


@pytest.mark.parametrize(
    "told", [None, (), ("one",), ({"a": 1},), {"U": "/livez"}, ("a", "b", "c", "d", "e")]
)
def test_a_line_of_another_form_is_no_probes(told: Any) -> None:
    assert access_logs._request_of(told) == ("", 0)
