"""Fixtures of the tests of the examples."""

from tests.services.serving import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
