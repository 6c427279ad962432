"""Metrics on a disk without room: counted in memory, with one warning, and in files once there is room."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, values

from aylien_model_serving.metrics import multiprocess
from aylien_model_serving.metrics.mapped_values import Value, mapped_value_class
from tests.full_disks import on_small_disk
from tests.metrics.test_mapped_values import in_child, value_of

COUNTING = """
import logging, sys
from pathlib import Path
from aylien_model_serving.metrics.mapped_values import mapped_value_class
from tests.full_disks import FILLING

logging.basicConfig(stream=sys.stdout, format="%(message)s")
folder = Path(sys.argv[1])
made = mapped_value_class(folder, lambda: 0)
values = [made("counter", "a", "a_total", ("route",), (str(number),), "x" * 1000) for number in range(300)]
for value in values:
    value.inc(1)
print(sum(value.get() for value in values), all(type(value.cell) is memoryview for value in values))
(folder / FILLING).unlink()
made.move_to_files()
values[0].inc(1)
print(sum(value.get() for value in values), all(type(value.cell) is memoryview for value in values))
"""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Return what makes every disk fail with an error, or work again."""

    def fail_with(number: int | None) -> None:
        monkeypatch.undo()
        if number is not None:
            monkeypatch.setattr(os, "posix_fallocate", failing(number))

    return fail_with


def merged(folder: Path) -> dict[str, float]:
    return {
        sample.name: sample.value
        for metric in multiprocess._merge(folder.glob("*.db"), frozenset())
        for sample in metric.samples
    }


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.processes
@pytest.mark.parametrize("free", ["0", "100k"], ids=["full from the start", "full in between"])
def test_a_process_on_a_full_disk_counts_on_and_is_not_killed_by_its_write(free: str, tmp_path: Path) -> None:
    command = [*on_small_disk(tmp_path, "512k", free=free), sys.executable, "-c", COUNTING, str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done
    warning, counted, moved = done.stdout.splitlines()
    assert warning.startswith("Process ")
    assert warning.endswith(f"once there is room in {tmp_path}: [Errno 28] No space left on device")
    assert counted == "300.0 False"
    assert moved == "301.0 True"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM])
def test_what_there_is_no_room_for_is_moved_to_the_file_later(
    number: int,
    disk: Callable[[int | None], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    earlier = value_of(mapped_value_class(tmp_path, lambda: 0))
    earlier.inc(3)
    made = mapped_value_class(tmp_path, lambda: 0)
    disk(number)

    calls, busy = value_of(made), value_of(made, "busy", "gauge", "livesum")
    calls.inc(2)
    busy.set(5, 7.0)
    made.move_to_files()
    assert merged(tmp_path) == {"calls_total": 3}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]

    disk(None)
    made.move_to_files()
    calls.inc(1)

    assert merged(tmp_path) == {"calls_total": 6, "busy": 5}
    assert len(caplog.records) == 1


def test_a_child_that_finds_no_room_counts_in_memory(
    disk: Callable[[int | None], None], tmp_path: Path
) -> None:
    number = [0]
    made = mapped_value_class(tmp_path, lambda: number[0])
    value = value_of(made)
    value.inc(1)

    def count() -> None:
        number[0] = 1
        disk(errno.ENOSPC)
        value.inc(2)
        assert value.get() == 2
        disk(None)
        made.move_to_files()

    in_child(count)

    assert merged(tmp_path) == {"calls_total": 3}


def test_a_scrape_moves_what_there_is_room_for_again(
    disk: Callable[[int | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mapped_value_class(tmp_path, lambda: 0)
    disk(errno.ENOSPC)
    monkeypatch.setattr(values, "ValueClass", made)
    Counter("calls", "Calls", registry=CollectorRegistry()).inc()
    disk(None)
    monkeypatch.setattr(values, "ValueClass", made)
    monkeypatch.setattr(multiprocess, "FOLDER", tmp_path)

    found: dict[str, Any] = {metric.name: metric.samples for metric in multiprocess.collect(tmp_path)}

    assert [sample.value for sample in found["calls"]] == [1]


def test_where_there_is_no_room_for_the_folder_each_process_counts_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MODEL_SERVING_METRICS_DIR", str(tmp_path / "metrics"))
    monkeypatch.setattr(values, "ValueClass", None)
    monkeypatch.setattr(Path, "mkdir", failing(errno.ENOSPC))

    assert multiprocess.prepare() is None

    assert values.ValueClass is Value
    assert "Each process counts its metrics by itself" in caplog.text
