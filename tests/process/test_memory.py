"""The freed memory that a process keeps for the next batch."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES_OF_A_BATCH = 8 * (2 << 20) // 4096
BATCHES = 20

PROGRAM = f"""
import resource
from aylien_model_serving.process.memory import keep_freed

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def run_batch():
    return len([b"x" * (2 << 20) for _ in range(8)])

keep_freed()
run_batch()
before = faults()
for _ in range({BATCHES}):
    run_batch()
print(faults() - before)
"""


def faults(environ: dict[str, str]) -> int:
    """Return the page faults of batches that each need as much memory as the last."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.processes
def test_the_memory_of_a_batch_is_reused_by_the_next_one() -> None:
    assert faults({}) < PAGES_OF_A_BATCH


@pytest.mark.processes
@pytest.mark.parametrize(
    "environ",
    [
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"MALLOC_MMAP_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_what_an_operator_has_set_stays(environ: dict[str, str]) -> None:
    assert faults(environ) > BATCHES * PAGES_OF_A_BATCH // 2
