"""How much memory a process has, and how much a container has left."""

import os
from pathlib import Path

import pytest

from aylien_model_serving.replicas.supervisor import memory


def test_a_process_has_memory() -> None:
    assert 1 < memory.resident_mib(os.getpid()) < 1 << 20


def test_a_process_that_has_gone_has_none(tmp_path: Path) -> None:
    assert memory.resident_mib(1, tmp_path) == 0.0


@pytest.mark.parametrize(
    ("limit", "left"),
    [("max", 2048.0), (str(3 << 30), 2048.0), (str(1 << 30), 1024 - 300 + 100), (str(100 << 20), 0.0)],
)
def test_the_least_of_machine_and_container_is_left(limit: str, left: float, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  9999999 kB\nMemAvailable:    2097152 kB\n")
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text(f"{300 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {100 << 20}\n")

    assert memory.available_mib(tmp_path, tmp_path) == left


def test_nothing_is_known_where_nothing_can_be_read(tmp_path: Path) -> None:
    assert memory.available_mib(tmp_path, tmp_path) == float("inf")
