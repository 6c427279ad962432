"""Numbers of metrics: in memory and in files, under threads, after a fork."""

import itertools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, multiprocess, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.samples import Exemplar

from aylien_model_serving.metrics import mapped_values
from aylien_model_serving.metrics.instruments import FastHistogram, Instruments
from aylien_model_serving.metrics.mapped_values import Value, mapped_value_class

Numbers = dict[str, float]


def value_of(made: type[Value], name: str = "calls_total", kind: str = "counter", mode: str = "") -> Value:
    return made(kind, name, name, ("route",), ("/a",), "Help", multiprocess_mode=mode)


def merged(folder: Path) -> Numbers:
    files = [str(file) for file in folder.glob("*.db")]
    metrics: list[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return {sample.name: sample.value for metric in metrics for sample in metric.samples}


def in_child(action: Callable[[], object]) -> None:
    """Run an action in a forked child, and wait for its end."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0


@pytest.fixture
def made(tmp_path: Path) -> type[Value]:
    return mapped_value_class(tmp_path, lambda: 0)


@pytest.fixture(params=["memory", "files"])
def any_made(request: pytest.FixtureRequest, tmp_path: Path) -> type[Value]:
    return Value if request.param == "memory" else mapped_value_class(tmp_path, lambda: 0)


@pytest.fixture
def by_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let metrics keep their numbers in files that are named after processes."""
    monkeypatch.setattr(values, "ValueClass", mapped_value_class(tmp_path, os.getpid))


def test_a_number_is_raised_and_set_and_read(any_made: type[Value]) -> None:
    value = value_of(any_made)

    value.inc(2)
    value.inc(0.5)
    assert value.get() == 2.5

    value.set(-1)
    assert value.get() == -1


def test_an_exemplar_stays_with_its_number(any_made: type[Value]) -> None:
    value, exemplar = value_of(any_made), Exemplar({"trace": "1"}, 0.5)
    assert value.get_exemplar() is None

    value.set_exemplar(exemplar)

    assert value.get_exemplar() is exemplar


def test_prometheus_client_reads_the_files(tmp_path: Path, made: type[Value]) -> None:
    value_of(made).inc(3)
    value_of(made, "sizes_sum", kind="histogram").inc(0.25)
    value_of(made, "busy", kind="gauge", mode="livesum").set(2)

    assert merged(tmp_path) == {"calls_total": 3, "sizes_sum": 0.25, "busy": 2}
    assert {file.name for file in tmp_path.iterdir()} == {
        "counter_slot0.db",
        "histogram_slot0.db",
        "gauge_livesum_slot0.db",
    }


# The folder is emptied by hand before each example.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=40), st.floats(allow_nan=False)), max_size=20))
def test_the_files_are_those_of_prometheus_client_byte_by_byte(
    tmp_path: Path, written: list[tuple[str, float]]
) -> None:
    for file in tmp_path.iterdir():
        file.unlink()
    theirs: Any = MmapedDict(str(tmp_path / "theirs.db"))  # type: ignore[no-untyped-call]
    ours = mapped_value_class(tmp_path, lambda: 0)

    for label, number in written:
        ours("counter", "calls", "calls_total", ("route",), (label,), "Help").set(number, 7.0)
        theirs.write_value(mmap_key("calls", "calls_total", ["route"], [label], "Help"), number, 7.0)
    theirs.close()

    if written:
        assert (tmp_path / "counter_slot0.db").read_bytes() == (tmp_path / "theirs.db").read_bytes()


def test_the_next_process_counts_on_from_where_the_last_one_stopped(tmp_path: Path) -> None:
    value_of(mapped_value_class(tmp_path, lambda: 0)).inc(3)

    later = mapped_value_class(tmp_path, lambda: 0)
    value_of(later, "others_total").inc(1)
    value = value_of(later)
    assert value.get() == 3
    value.inc(4)

    assert merged(tmp_path) == {"calls_total": 7, "others_total": 1}


def test_a_file_grows_and_older_numbers_stay_good(tmp_path: Path, made: type[Value]) -> None:
    several = [value_of(made, f"n{number}_total_{'x' * 500}") for number in range(500)]

    for number, value in enumerate(several):
        value.inc(number)

    found = merged(tmp_path)
    assert (tmp_path / "counter_slot0.db").stat().st_size > 1 << 17
    assert [found[f"n{number}_total_{'x' * 500}"] for number in range(500)] == list(range(500))


def test_two_values_of_one_name_share_its_number(tmp_path: Path, made: type[Value]) -> None:
    one, other = value_of(made), value_of(made)

    one.inc(1)
    other.inc(2)

    assert one.get() == other.get() == 3
    assert merged(tmp_path) == {"calls_total": 3}


def test_threads_lose_no_count(any_made: type[Value]) -> None:
    value = value_of(any_made)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def count() -> None:
        for _ in range(2000):
            value.inc(1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert value.get() == 8000


def test_requests_are_counted_together_by_threads() -> None:
    instruments = Instruments()

    def count() -> None:
        for seconds in itertools.islice(itertools.cycle((0.001, 0.2)), 1000):
            instruments.count_request("POST", 200, "classify", seconds)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    body = instruments.scrape("")[0].decode()
    assert 'flask_http_request_total{method="POST",status="200"} 4000.0' in body
    assert (
        'flask_http_request_duration_seconds_count{endpoint="classify",method="POST",status="200"} 4000.0'
        in body
    )


def test_a_forked_child_counts_in_files_of_its_own(tmp_path: Path) -> None:
    made = mapped_value_class(tmp_path, os.getpid)
    value, idle = value_of(made), value_of(made, "idle_total")
    value.inc(3)
    parent = tmp_path / f"counter_slot{os.getpid()}.db"
    before = parent.read_bytes()

    in_child(lambda: value.inc(4))

    assert parent.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
    value.inc(1)
    idle.inc(1)
    assert merged(tmp_path) == {"calls_total": 8, "idle_total": 1}


def test_a_number_starts_anew_in_a_forked_child(tmp_path: Path) -> None:
    made = mapped_value_class(tmp_path, os.getpid)
    several = [value_of(made, f"n{number}_total") for number in range(3)]
    for value in several:
        value.inc(3)

    def check_child() -> None:
        assert several[2].get() == 0
        several[1].set(5, 1.0)
        several[1].inc(1)
        in_child(lambda: several[1].inc(10))
        assert several[1].get() == 6

    in_child(check_child)

    assert merged(tmp_path) == {"n0_total": 3, "n1_total": 19, "n2_total": 3}


def test_a_forked_child_that_counts_nothing_has_no_files(tmp_path: Path) -> None:
    made = mapped_value_class(tmp_path, os.getpid)
    value_of(made).inc(1)

    in_child(lambda: None)

    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_were_removed_are_created_anew_with_all_values_at_0(
    tmp_path: Path, made: type[Value]
) -> None:
    value, idle = value_of(made), value_of(made, "idle_total")
    value.inc(3)
    (tmp_path / "counter_slot0.db").unlink()

    made.recreate_files()

    assert merged(tmp_path) == {"calls_total": 0, "idle_total": 0}
    value.inc(1)
    in_child(lambda: idle.inc(1))
    assert merged(tmp_path)["calls_total"] == 1


def test_a_fork_while_another_thread_counts_leaves_the_child_free_to_count(tmp_path: Path) -> None:
    value = value_of(mapped_value_class(tmp_path, os.getpid))

    with mapped_values.lock:
        in_child(lambda: value.inc(1))

    assert merged(tmp_path) == {"calls_total": 1}


@pytest.mark.usefixtures("by_process")
def test_the_histograms_of_a_parent_and_its_child_are_summed(tmp_path: Path) -> None:
    sizes = FastHistogram("sizes", "Sizes", ("route",), registry=CollectorRegistry()).labels("/a")
    usual = Histogram("usual", "Sizes", registry=CollectorRegistry())

    def observe() -> None:
        for histogram in (sizes, usual):
            histogram.observe(0.2)
            histogram.observe(100)

    observe()
    in_child(observe)

    found = merged(tmp_path)
    for name in ("sizes", "usual"):
        assert found[f"{name}_count"] == 4
        assert found[f"{name}_sum"] == pytest.approx(200.4)


@pytest.mark.usefixtures("by_process")
@pytest.mark.parametrize(
    ("mode", "together"),
    [("min", 2), ("livemin", 2), ("max", 5), ("livemax", 5), ("sum", 7), ("livesum", 7), ("mostrecent", 2)],
)
def test_the_gauges_of_a_parent_and_its_child_become_one(tmp_path: Path, mode: Any, together: float) -> None:
    gauge = Gauge("busy", "Busy", registry=CollectorRegistry(), multiprocess_mode=mode)

    gauge.set(5)
    in_child(lambda: gauge.set(2))

    assert merged(tmp_path) == {"busy": together}


@pytest.mark.usefixtures("by_process")
def test_a_gauge_that_a_child_leaves_alone_is_its_parents(tmp_path: Path) -> None:
    gauge = Gauge("busy", "Busy", registry=CollectorRegistry(), multiprocess_mode="livemin")
    calls = Counter("calls", "Calls", registry=CollectorRegistry())

    gauge.set(5)
    in_child(calls.inc)

    assert merged(tmp_path) == {"busy": 5, "calls_total": 1}
