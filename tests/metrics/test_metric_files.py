"""The operator's folder of metrics: what is not the service's own is neither read, changed nor removed."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.metrics import metric_files, multiprocess
from aylien_model_serving.metrics.multiprocess import Slot
from tests.metrics.test_multiprocess import PROJECT, end, end_process, start, sums


def database(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (name TEXT)")
    db.close()


def link_to_a_metric_file(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere.db"
    elsewhere.write_bytes(b"\x08\0\0\0" + bytes(60))
    path.symlink_to(elsewhere)


STRANGERS: dict[str, Callable[[Path], object]] = {
    "customers.db": database,
    "counter_1.db": database,
    "counter_customers.db": database,
    "counter_2.db.bak": database,
    "gauge_sales_0.db": database,
    "gauge_all_0.db": database,
    "xcounter_3.db": database,
    "histogram_5.db": link_to_a_metric_file,
    "summary_0.db": lambda path: path.write_text('["no", "header"]'),
    "counter_4.db": lambda path: path.mkdir(),
    "histogram_6.db": lambda path: os.mkfifo(path),
    "gauge_all_1.db": lambda path: path.write_bytes(b"\xff" * 100),
    "histogram_7.db": lambda path: path.touch(),
    "counter_slot.db": lambda path: path.touch(),
    "counter_slot1.db.bak": lambda path: path.touch(),
}

#: Files of another program that keeps its metrics by prometheus_client's multi-process mode.
PLAIN = """
from prometheus_client import Counter, Gauge

Counter("theirs_total", "Theirs").inc(3)
Gauge("busy", "Busy", multiprocess_mode="all").set(1)
"""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder with what a program has left that uses prometheus_client alone."""
    subprocess.run(
        [sys.executable, "-c", PLAIN],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        check=True,
        timeout=60,
    )
    assert len(list(tmp_path.glob("*.db"))) == 2
    return tmp_path


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    folder = tmp_path / "metrics"
    folder.mkdir()
    for name, make in STRANGERS.items():
        make(folder / name)
    return folder


def state(folder: Path) -> dict[str, object]:
    return {
        file.name: file.read_bytes() if file.is_file() else file.lstat().st_mode for file in folder.iterdir()
    }


def test_files_of_others_are_not_removed(strangers: Path) -> None:
    before = state(strangers)

    multiprocess.clear(strangers)
    slot = Slot(strangers)
    assert slot() == 0
    end_process(slot)

    after = state(strangers)
    assert {name: after.get(name) for name in STRANGERS} == before
    assert (strangers.parent / "elsewhere.db").exists()


def test_files_of_others_are_not_read(strangers: Path) -> None:
    assert sums(strangers) == {}


@pytest.mark.processes
def test_a_service_counts_beside_the_files_of_others(strangers: Path) -> None:
    before = state(strangers)

    process = start(strangers, 3)
    found = sums(strangers)
    end(process, by_force=False)
    multiprocess.clear(strangers)

    assert found == {"calls_total": 3, "busy": 1}
    assert {name: state(strangers).get(name) for name in STRANGERS} == before
    assert sums(strangers) == {}


@pytest.mark.processes
def test_files_of_prometheus_client_itself_are_added_up_and_stay(plain: Path) -> None:
    before = state(plain)

    multiprocess.clear(plain)
    process = start(plain, 3)
    found = sums(plain)
    end(process, by_force=False)
    multiprocess.clear(plain)

    assert found == {"theirs_total": 3, "calls_total": 3, "busy": 1}
    assert {name: state(plain).get(name) for name in before} == before
    assert sums(plain) == {"theirs_total": 3}


@pytest.mark.processes
@pytest.mark.parametrize("make", [database, link_to_a_metric_file, lambda path: path.mkdir()])
def test_what_is_no_file_of_metrics_is_passed_over_with_a_warning(
    tmp_path: Path, make: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    make(folder / "counter_slot0.db")
    before = state(folder)

    slot = Slot(folder)
    number = slot()
    end_process(slot)
    process = start(folder, 3)
    found = sums(folder)
    end(process, by_force=False)
    multiprocess.clear(folder)

    assert (number, found) == (1, {"calls_total": 3, "busy": 1})
    assert [record.message for record in caplog.records] == [
        f"{folder}: files of slot0 hold no metrics, and are passed over"
    ]
    assert state(folder)["counter_slot0.db"] == before["counter_slot0.db"]


def test_a_link_is_not_followed_when_metrics_are_written(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    (tmp_path / "counter_slot0.db").symlink_to(theirs)
    os.link(theirs, tmp_path / "counter_slot1.db")

    for name in ("counter_slot0.db", "counter_slot1.db"):
        with pytest.raises(ConfigurationError, match=f"MODEL_SERVING_METRICS_DIR|{name}"):
            metric_files.open_metrics(tmp_path / name)

    assert theirs.read_text() == "precious"


def test_a_file_that_holds_something_else_is_not_written_to(tmp_path: Path) -> None:
    database(tmp_path / "counter_slot0.db")
    before = (tmp_path / "counter_slot0.db").read_bytes()

    with pytest.raises(ConfigurationError, match=r"counter_slot0\.db holds no metrics"):
        metric_files.open_metrics(tmp_path / "counter_slot0.db")

    assert (tmp_path / "counter_slot0.db").read_bytes() == before


def test_what_is_written_is_this_users_alone(tmp_path: Path) -> None:
    metric_files.prepare_folder(tmp_path / "a" / "b")
    os.close(metric_files.open_own(tmp_path / "a" / "b" / "counter_slot0.db"))

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b" / "counter_slot0.db").stat().st_mode & 0o777 == 0o600


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 12346, 12346)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        metric_files.prepare_folder(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files to others")
def test_a_master_of_root_clears_the_folder_of_the_user_that_its_workers_run_as(tmp_path: Path) -> None:
    (tmp_path / "counter_slot0.db").touch()
    for path in (tmp_path, tmp_path / "counter_slot0.db"):
        os.chown(path, 12346, 12346)

    metric_files.prepare_folder(tmp_path)
    multiprocess.clear(tmp_path)

    assert not (tmp_path / "counter_slot0.db").exists()


@pytest.mark.processes
def test_a_folder_that_is_a_file_stops_the_service_with_the_variables_name(tmp_path: Path) -> None:
    (tmp_path / "metrics").touch()

    done = subprocess.run(
        [sys.executable, "-c", "import aylien_model_serving.metrics.multiprocess"],
        env={**os.environ, "MODEL_SERVING_METRICS_DIR": str(tmp_path / "metrics")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "MODEL_SERVING_METRICS_DIR" in done.stderr
