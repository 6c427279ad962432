"""What the tests of the documentation share."""

from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
