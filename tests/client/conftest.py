"""What the tests of the client share."""

from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
