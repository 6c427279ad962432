"""What a replica tells of its GPUs: nothing, where its handler has not used any."""

import sys
from types import SimpleNamespace

import pytest

from aylien_model_serving.replicas.replica import hosted_engine


@pytest.mark.parametrize(
    ("torch", "told"),
    [
        (None, None),
        (SimpleNamespace(), None),  # while it is imported
        (SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False)), None),
        (
            SimpleNamespace(
                cuda=SimpleNamespace(
                    is_initialized=lambda: True,
                    device_count=lambda: 2,
                    memory_reserved=lambda device: 2**device,
                )
            ),
            3,
        ),
    ],
)
def test_a_replica_tells_what_pytorch_holds_on_its_gpus(
    monkeypatch: pytest.MonkeyPatch, torch: object, told: int | None
) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)

    assert hosted_engine._gpu_bytes() == told
