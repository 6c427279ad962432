"""What tests of the patches of Gunicorn share."""

import importlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.servers.gunicorn import checks


@pytest.fixture(autouse=True)
def arbiter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gunicorn's module of its master, for one test alone: by it a process knows that it may be forked."""
    module = sys.modules.pop("gunicorn.arbiter", None) or importlib.import_module("gunicorn.arbiter")
    sys.modules.pop("gunicorn.arbiter", None)
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", module)
    return module


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
