"""Packages and programs that some tests alone need: a run without them says so, and CI's run fails."""

import importlib.util
import os
from typing import NoReturn

import pytest


def need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        lack(f"{package} is not installed: pip install {package.replace('_', '-')}")


def lack(reason: str) -> NoReturn:
    """Skip the test for want of something, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
