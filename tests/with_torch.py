"""torch for the tests that need it: a run without it says so, and the run that decides, CI's, fails."""

import os
from typing import Any

import pytest


def import_torch() -> Any:
    try:
        import torch
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("torch is not installed")
        pytest.skip("torch is not installed: pip install --requirement requirements-torch.txt")
    return torch
