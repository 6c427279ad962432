"""What all tests share: an environment without an operator's settings, the browser, and the selection."""

import os

import pytest

from aylien_model_serving.core import start_log
from tests.browser import browser, page
from tests.selection import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "browser",
    "page",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

OPERATORS_VARIABLES = ("MODEL_SERVING_", "PROMETHEUS_MULTIPROC_DIR", "LOG_LEVEL", "PYTHONUNBUFFERED")

#: What `make` hands to the programs that it starts, a `make` of a test's own among them.
MAKES_VARIABLES = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "ARGS")


@pytest.fixture(autouse=True)
def _operators_settings_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [
        name for name in os.environ if name.startswith((*OPERATORS_VARIABLES, *MAKES_VARIABLES))
    ]:
        monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def _no_word_of_how_long_the_tests_have_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_log, "QUIET_SECONDS", float("inf"))
