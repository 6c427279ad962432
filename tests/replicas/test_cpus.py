"""How many CPUs a container may use."""

import os
from pathlib import Path

import pytest

from aylien_model_serving.replicas.supervisor import cpus

V2 = "0::/system.slice/model.service\n"
V1 = "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n"


@pytest.fixture(autouse=True)
def _sixteen_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def available(folder: Path, membership: str, files: dict[str, str]) -> float:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "membership").write_text(membership)
    return cpus.available(folder, folder / "membership")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        (V2, {}, 16),
        (V2, {"cpu.max": "max 100000\n"}, 16),
        (V2, {"cpu.max": "250000 100000\n"}, 2.5),
        (V2, {"system.slice/model.service/cpu.max": "400000 100000\n"}, 4),
        (V2, {"system.slice/cpu.max": "200000 100000\n", "cpu.max": "max 100000\n"}, 2),
        (V2, {"cpu.max": "6400000 100000\n"}, 16),
        (V2, {"unified/cpu.max": "300000 100000\n"}, 3),
        ("0::/../../outside\n", {"cpu.max": "300000 100000\n"}, 3),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        (V1, {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        (
            V1,
            {
                "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "300000\n",
                "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
    ],
)
def test_the_smallest_limit_counts(
    membership: str, files: dict[str, str], expected: float, tmp_path: Path
) -> None:
    assert available(tmp_path, membership, files) == expected


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert cpus.available(tmp_path, tmp_path / "absent") == 16


@pytest.mark.parametrize(
    ("environ", "available", "replicas", "variables"),
    [
        ({}, 8, 2, {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}),
        ({}, 1.5, 4, {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
        ({"MKL_NUM_THREADS": "3"}, 2, 1, {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}),
        ({"OMP_NUM_THREADS": "6"}, 2, 1, {}),
    ],
)
def test_threads_are_divided_among_replicas_unless_the_operator_has_set_them(
    environ: dict[str, str], available: float, replicas: int, variables: dict[str, str]
) -> None:
    assert cpus.thread_variables(environ, available, replicas) == variables
