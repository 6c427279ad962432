"""Slots: the numbers under which the processes of a service keep their metrics."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from aylien_model_serving.metrics import multiprocess
from aylien_model_serving.metrics.multiprocess import Slot
from tests.selection import examples

PROJECT = Path(__file__).parents[2]


def end_process(slot: Slot) -> None:
    """Do what the end of a process does: its descriptors close, and its locks go with them."""
    os.close(slot._lock)


class Processes:
    """The processes that hold a slot at one time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: dict[int, Slot] = {}

    def enter(self) -> int:
        slot = Slot(self.folder)
        number = slot()
        assert number not in self.held
        self.held[number] = slot
        return number

    def go(self, number: int) -> None:
        end_process(self.held.pop(number))


@contextmanager
def processes_in(folder: Path) -> Iterator[Processes]:
    running = Processes(folder)
    yield running
    for number in list(running.held):
        running.go(number)


def test_each_process_has_a_number_of_its_own(tmp_path: Path) -> None:
    with processes_in(tmp_path) as running:
        assert [running.enter() for _ in range(4)] == [0, 1, 2, 3]


def test_a_number_stays_for_as_long_as_its_process_lives(tmp_path: Path) -> None:
    with processes_in(tmp_path) as running:
        number = running.enter()

        assert [running.held[number]() for _ in range(3)] == [number] * 3


def test_the_next_process_takes_the_lowest_number_that_is_free(tmp_path: Path) -> None:
    with processes_in(tmp_path) as running:
        for _ in range(3):
            running.enter()
        running.go(1)
        running.go(0)

        assert [running.enter(), running.enter(), running.enter()] == [0, 1, 3]


# The folder is emptied by hand before each example.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(st.lists(st.integers(0, 7), max_size=30))
def test_there_are_as_many_slots_as_there_were_processes_at_one_time(
    tmp_path: Path, moves: list[int]
) -> None:
    for file in tmp_path.iterdir():
        file.unlink()
    most = 0

    with processes_in(tmp_path) as running:
        for move in moves:
            if move in running.held:
                running.go(move)
            else:
                number = running.enter()
                assert number == min(set(range(len(running.held))) - (running.held.keys() - {number}))
            most = max(most, len(running.held))

    assert len(list(tmp_path.iterdir())) == most


def test_the_gauges_of_the_last_process_go_and_its_counters_stay(tmp_path: Path) -> None:
    for name in (
        "gauge_livesum_slot0.db",
        "gauge_all_slot0.db",
        "gauge_livesum_slot1.db",
        "counter_slot0.db",
        "histogram_slot0.db",
    ):
        (tmp_path / name).touch()

    with processes_in(tmp_path) as running:
        running.enter()

        left = {file.name for file in tmp_path.glob("*.db")}

    assert left == {"gauge_livesum_slot1.db", "counter_slot0.db", "histogram_slot0.db"}


def test_a_process_on_its_own_keeps_its_metrics_in_memory() -> None:
    assert multiprocess.FOLDER is None
    assert multiprocess.prepare() is None


COUNTING = """
import sys
from prometheus_client import Counter, Gauge
from aylien_model_serving.metrics import multiprocess

Counter("calls", "Calls").inc(int(sys.argv[1]))
Gauge("busy", "Busy", multiprocess_mode="livesum").set(1)
print("counted", flush=True)
sys.stdin.read()
"""


def start(folder: Path, calls: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTING, str(calls)],
        env={**os.environ, "MODEL_SERVING_METRICS_DIR": str(folder)},
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def end(process: subprocess.Popen[str], *, by_force: bool) -> None:
    if by_force:
        process.kill()
    process.communicate()


def sums(folder: Path) -> dict[str, float]:
    return {sample.name: sample.value for metric in multiprocess.collect(folder) for sample in metric.samples}


@pytest.mark.processes
def test_processes_are_summed_and_their_counts_outlive_them(tmp_path: Path) -> None:
    one, other = start(tmp_path, 3), start(tmp_path, 4)
    assert sums(tmp_path) == {"calls_total": 7, "busy": 2}

    end(one, by_force=True)
    assert sums(tmp_path) == {"calls_total": 7, "busy": 1}

    third = start(tmp_path, 5)
    assert sums(tmp_path) == {"calls_total": 12, "busy": 2}
    assert len(list(tmp_path.glob("counter_*.db"))) == 2

    end(other, by_force=False)
    end(third, by_force=False)
    assert sums(tmp_path) == {"calls_total": 12}


CLEARING = """
import sys
from pathlib import Path
from prometheus_client import Histogram
from aylien_model_serving.metrics import multiprocess

sizes = Histogram("sizes", "Sizes")
sizes.observe(1)
multiprocess.clear(Path(sys.argv[1]))
"""


@pytest.mark.processes
def test_a_folder_is_cleared_but_for_the_series_that_are_there_at_0(tmp_path: Path) -> None:
    process = start(tmp_path, 3)
    end(process, by_force=True)

    subprocess.run(
        [sys.executable, "-c", CLEARING, str(tmp_path)],
        env={**os.environ, "MODEL_SERVING_METRICS_DIR": str(tmp_path)},
        cwd=PROJECT,
        check=True,
        timeout=60,
    )

    found = sums(tmp_path)
    assert found["sizes_count"] == found["sizes_sum"] == 0
    assert "calls_total" not in found


@pytest.mark.processes
def test_what_another_live_process_counts_is_not_cleared(tmp_path: Path) -> None:
    process = start(tmp_path, 3)

    multiprocess.clear(tmp_path)
    assert sums(tmp_path) == {"calls_total": 3, "busy": 1}

    end(process, by_force=True)
    multiprocess.clear(tmp_path)
    assert sums(tmp_path) == {}


METRICS = """
import sys
from prometheus_client import Counter, Gauge, Histogram
from aylien_model_serving.metrics import multiprocess

Counter("calls_total", "Calls", ["kind"]).labels(sys.argv[1]).inc(3)
Counter("shared_total", "Shared").inc(2)
lengths = Histogram("lengths", "Lengths", ["kind"], buckets=(1, 10))
for length in (0.5, 5, 50):
    lengths.labels("a").observe(length)
for mode in ("all", "min", "max", "sum", "mostrecent"):
    Gauge("gauge_" + mode, mode, multiprocess_mode=mode).set(len(sys.argv[1]))
"""


def samples_by_metric(metrics: Iterable[Metric]) -> dict[str, Any]:
    return {
        metric.name: (
            metric.type,
            metric.documentation,
            sorted((sample.name, sorted(sample.labels.items()), sample.value) for sample in metric.samples),
        )
        for metric in metrics
    }


@pytest.fixture
def folder_of_three_processes(tmp_path: Path) -> Path:
    for kind in ("x", "yy", "x"):
        (tmp_path / "slot-0.lock").unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-c", METRICS, kind],
            env={**os.environ, "MODEL_SERVING_METRICS_DIR": str(tmp_path)},
            cwd=PROJECT,
            check=True,
            timeout=60,
        )
        for file in tmp_path.glob("*_slot0.db"):
            file.rename(file.with_stem(f"{file.stem[:-1]}{len(list(tmp_path.glob('counter_*.db'))) + 4}"))
    return tmp_path


@pytest.mark.processes
def test_files_are_added_up_as_prometheus_client_does(folder_of_three_processes: Path) -> None:
    files = list(folder_of_three_processes.glob("*.db"))

    found = samples_by_metric(multiprocess._merge(files, frozenset()))

    merge: Any = MultiProcessCollector.merge
    theirs = [file.rename(file.with_name(file.name.replace("slot", ""))) for file in files]
    assert found == samples_by_metric(merge([str(file) for file in theirs]))
    assert found["shared"][2] == [("shared_total", [], 6.0)]


@pytest.mark.processes
def test_a_file_that_a_process_is_making_has_no_values_yet(folder_of_three_processes: Path) -> None:
    before = list(multiprocess.collect(folder_of_three_processes))
    (folder_of_three_processes / "counter_slot9.db").touch(mode=0o600)

    assert list(multiprocess.collect(folder_of_three_processes)) == before


def test_only_metrics_of_the_selected_series_are_added_up(folder_of_three_processes: Path) -> None:
    files = list(folder_of_three_processes.glob("*.db"))

    found = multiprocess._merge(files, frozenset({"lengths_count", "calls_total"}))

    assert {metric.name for metric in found} == {"lengths", "calls"}
