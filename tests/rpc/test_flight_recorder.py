"""The flight recorder: what its file says of a live replica, and of one that has died."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aylien_model_serving.rpc.flight_recorder import FlightRecorder, running_since, was_running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "record")


def test_a_recorder_without_a_run_is_idle(path: str) -> None:
    FlightRecorder(path, slots=2, capacity=4).close()

    assert running_since(path) is None
    assert not was_running(path, 0)


def test_the_calls_of_a_run_are_found_until_it_ends(path: str) -> None:
    recorder = FlightRecorder(path, slots=1, capacity=4)

    before = time.monotonic()
    recorder.begin_run([7, 2**64 - 1])

    assert was_running(path, 7)
    assert was_running(path, 2**64 - 1)
    assert not was_running(path, 8)
    assert before <= (running_since(path) or 0) <= time.monotonic()

    recorder.end_run()

    assert not was_running(path, 7)
    assert running_since(path) is None
    recorder.close()


def test_a_smaller_run_leaves_nothing_of_the_larger_one_before_it(path: str) -> None:
    recorder = FlightRecorder(path, slots=1, capacity=4)

    recorder.begin_run([1, 2, 3, 4])
    recorder.end_run()
    recorder.begin_run([5])

    assert [was_running(path, number) for number in (1, 2, 5)] == [False, False, True]
    recorder.close()


def test_every_thread_has_a_slot_of_its_own(path: str) -> None:
    recorder = FlightRecorder(path, slots=2, capacity=1)
    recorder.begin_run([1])
    since = running_since(path)

    other = threading.Thread(target=recorder.begin_run, args=([2],))
    other.start()
    other.join()
    assert was_running(path, 1)
    assert was_running(path, 2)
    assert running_since(path) == since

    recorder.end_run()
    assert not was_running(path, 1)
    assert was_running(path, 2)
    assert (running_since(path) or 0) >= (since or 0)
    recorder.close()


def test_a_run_beyond_the_capacity_and_a_thread_beyond_the_slots_are_refused(path: str) -> None:
    recorder = FlightRecorder(path, slots=1, capacity=2)

    with pytest.raises(ValueError, match="3 calls"):
        recorder.begin_run([1, 2, 3])
    recorder.begin_run([1, 2])
    errors: list[str] = []
    other = threading.Thread(target=_record_the_error, args=(recorder, errors))
    other.start()
    other.join()

    assert "1 slots" in errors[0]
    recorder.close()


def _record_the_error(recorder: FlightRecorder, errors: list[str]) -> None:
    try:
        recorder.begin_run([3])
    except ValueError as error:
        errors.append(str(error))


@pytest.mark.parametrize("content", [None, b"short", bytes(8), b"\xff" * 64])
def test_a_file_that_is_no_record_has_no_run(path: str, content: bytes | None) -> None:
    if content is not None:
        Path(path).write_bytes(content)

    assert not was_running(path, 1)
    assert running_since(path) is None


def test_a_recorder_begins_with_an_empty_file(path: str) -> None:
    Path(path).write_bytes(b"\xff" * 4096)

    FlightRecorder(path, slots=1, capacity=1).close()

    assert running_since(path) is None


def test_closing_twice_does_nothing(path: str) -> None:
    recorder = FlightRecorder(path, slots=1, capacity=1)

    recorder.close()
    recorder.close()


@pytest.mark.processes
def test_what_a_killed_process_was_running_stays_recorded(path: str) -> None:
    program = (
        "import sys, time; from aylien_model_serving.rpc.flight_recorder import FlightRecorder\n"
        "recorder = FlightRecorder(sys.argv[1], 1, 4); recorder.begin_run([42, 43])\n"
        "print('runs', flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"

        os.kill(process.pid, signal.SIGKILL)

    assert was_running(path, 43)
    assert running_since(path)


def test_what_ran_is_not_known_where_there_was_no_room_for_the_record(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    recorder = FlightRecorder(path, slots=1, capacity=1)

    recorder.begin_run([7])

    assert recorder.error is not None
    assert was_running(path, 7)
    assert was_running(path, 8)
    assert running_since(path) is None
    recorder.end_run()
    recorder.close()
