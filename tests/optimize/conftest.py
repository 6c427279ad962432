"""Small models for the tests of `optimize()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.with_torch import import_torch


@pytest.fixture(scope="session")
def torch() -> Any:
    return import_torch()


@pytest.fixture
def linear(torch: Any) -> Any:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))


@pytest.fixture
def images(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@pytest.fixture
def module(torch: Any) -> Callable[..., Any]:
    """A function that makes a module of a function of the module and its inputs, and of its weights."""

    class Custom(torch.nn.Module):
        def __init__(self, function: Callable[..., Any], weights: Any) -> None:
            super().__init__()
            self.function = function
            self.inner = weights or torch.nn.Linear(4, 2)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.function(self, *args, **kwargs)

    return lambda function, weights=None: Custom(function, weights)
