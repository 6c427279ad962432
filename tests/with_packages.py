"""Packages that some tests alone need: a run without them says so, and CI's run fails."""

import importlib.util
import os

import pytest


def need(package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{package} is not installed")
    pytest.skip(f"{package} is not installed: pip install {package.replace('_', '-')}")
