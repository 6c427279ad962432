"""Fixtures of the tests of the examples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.serving import pytest_runtest_makereport

__all__ = ["caches", "pytest_runtest_makereport"]


@pytest.fixture(scope="module")
def caches(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the folder in which a module's network, its fixture `model`, keeps its weights."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder
