"""Tensors in results, with torch itself: `pip install --requirement requirements-torch.txt`."""

from __future__ import annotations

from typing import Any

import pytest

from aylien_model_serving.codecs import json
from tests.with_torch import import_torch


@pytest.fixture(scope="module")
def torch() -> Any:
    return import_torch()


def test_scalars_and_tensors_of_every_type_are_written_as_json(torch: Any) -> None:
    answer = {
        "score": torch.tensor(1.5),
        "half": torch.tensor([0.5], dtype=torch.bfloat16),
        "labels": torch.tensor([1, 2], dtype=torch.int64),
        "seen": torch.tensor(True),
        "shape": torch.Size([2, 3]),
    }

    written = json.encode(answer)

    assert written == b'{"score":1.5,"half":[0.5],"labels":[1,2],"seen":true,"shape":[2,3]}'


def test_a_tensor_that_still_has_its_gradient_is_written(torch: Any) -> None:
    assert json.encode(torch.ones(2, 2, requires_grad=True)) == b"[[1.0,1.0],[1.0,1.0]]"


def test_what_is_no_number_becomes_null(torch: Any) -> None:
    assert json.encode(torch.tensor([1.0, float("nan"), float("inf")])) == b"[1.0,null,null]"
