"""What the tests of the documentation share."""

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web import build
from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def _the_shared_app_of_a_process_that_has_answered_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page add views to the one app of all who ask for none of their own."""
    monkeypatch.setattr(FlaskAppWrapper, "app", build.bare_app())
