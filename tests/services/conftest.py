"""What the tests of running services share."""

from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
