"""Fixtures of the tests of the documentation."""

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web import build
from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def _fresh_shared_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each page a fresh shared app, to which it can add views."""
    monkeypatch.setattr(FlaskAppWrapper, "app", build.bare_app())
