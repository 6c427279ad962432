"""What tests of the patches of Gunicorn share."""

import logging
from collections.abc import Iterator

import pytest

from aylien_model_serving.servers.gunicorn import checks


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """The warnings in Gunicorn's error log."""
    found: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Keeping(logging.WARNING)
    checks.logger.addHandler(handler)
    yield found
    checks.logger.removeHandler(handler)
