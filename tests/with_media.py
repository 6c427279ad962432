"""The extra `media` for the tests that need it: a run without it says so, and CI's run fails."""

import importlib.util
import os

import pytest

PACKAGES = ("PIL", "soundfile", "av", "numpy")


def need_media() -> None:
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'model-serving[media]'")
