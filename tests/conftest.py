"""What all tests share: an environment without an operator's settings, and patience with slow machines."""

import os

import hypothesis
import pytest

from tests.browser import browser, page
from tests.selection import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "browser",
    "page",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

# A shared machine makes single examples slow: how many there are bounds the time, not how long one takes.
hypothesis.settings.register_profile("patient", deadline=None, max_examples=100)
hypothesis.settings.load_profile("patient")

OPERATORS_VARIABLES = ("MODEL_SERVING_", "PROMETHEUS_MULTIPROC_DIR", "LOG_LEVEL")


@pytest.fixture(autouse=True)
def _operators_settings_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith(OPERATORS_VARIABLES)]:
        monkeypatch.delenv(variable)
