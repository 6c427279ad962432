"""A soak names what was left behind, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.soak.holdings import MEBIBYTE, Holding
from tests.soak.looks import Look

WORKER = Holding(50 * MEBIBYTE, 10, Counter({"socket": 5, "pipe": 2}))
BEFORE = Look(
    {"7 gunicorn": WORKER}, frozenset({"log"}), {"/measure": {"bytes": 10_000_000, "blocks": 200_000}}
)


def with_worker(**changes: object) -> Look:
    return replace(BEFORE, processes={"7 gunicorn": replace(WORKER, **changes)})  # type: ignore[arg-type]


def with_use(**more: int) -> Look:
    used = {unit: count + more.get(unit, 0) for unit, count in BEFORE.in_use["/measure"].items()}
    return replace(BEFORE, in_use={"/measure": used})


NEW = [f"upload-{number}" for number in range(9)]

LEFT = {
    "7 gunicorn: 9 more threads": with_worker(threads=19),
    "7 gunicorn: more descriptors: {'socket': 9}": with_worker(
        descriptors=WORKER.descriptors + Counter(socket=9)
    ),
    "7 gunicorn: memory grew by 6.0 MiB": with_worker(resident_bytes=56 * MEBIBYTE),
    f"new files: {NEW}": replace(BEFORE, files=BEFORE.files | set(NEW)),
    "the processes were ['7 gunicorn'], and are ['8 gunicorn']": replace(
        BEFORE, processes={"8 gunicorn": WORKER}
    ),
    "/measure: 2,000,000 more bytes are in use": with_use(bytes=2_000_000),
    "/measure: 5,000 more blocks are in use": with_use(blocks=5_000),
}


@pytest.mark.parametrize("fault", LEFT)
def test_what_is_left_behind_is_named(fault: str) -> None:
    assert LEFT[fault].faults_since(BEFORE, is_warm=True) == [fault]


def test_what_is_gone_is_no_fault() -> None:
    less = with_worker(threads=9, descriptors=Counter(socket=4), resident_bytes=40 * MEBIBYTE)

    assert less.faults_since(BEFORE, is_warm=True) == []


def test_pools_may_grow_a_little_and_memory_until_a_service_is_warm() -> None:
    descriptors = WORKER.descriptors + Counter(socket=8)
    more = with_worker(threads=12, descriptors=descriptors, resident_bytes=90 * MEBIBYTE)

    assert more.faults_since(BEFORE, is_warm=False) == []
    assert more.faults_since(BEFORE, is_warm=True) == ["7 gunicorn: memory grew by 40.0 MiB"]
