"""What is told of systems of jobs side by side, and what is read of their handlers' runs."""

from pathlib import Path

import pytest

from bench.queues import handler, report
from bench.queues.measures import Loss, Speed
from bench.queues.systems import SYSTEMS
from bench.queues.trace import Trace

OTHER = "Celery, RabbitMQ"


def test_a_row_has_medians_and_the_ratios_within_a_round() -> None:
    speeds = {
        report.BASE: [Speed(2.0, 5.0, 400.0), Speed(4.0, 10.0, 100.0), Speed(3.0, 6.0, 200.0)],
        OTHER: [Speed(4.0, 5.0, 200.0), Speed(4.0, 20.0, 100.0), Speed(9.0, 6.0, 1000.0)],
    }
    losses = {report.BASE: Loss(1.24, 0, 22), OTHER: Loss(None, 2, 22)}

    *_, ours, other = report.table(speeds, losses, {OTHER: "5.7.0"}).splitlines()

    assert ours == f"| {report.BASE} | 3.0 | 6.0 | 200 | 1.2 | 0 of 22 |"
    assert (
        other == f"| {OTHER} (5.7.0) | 4.0 (2.00 x) | 6.0 (1.00 x) | 200 (1.00 x) | not within 75 | 2 of 22 |"
    )


def test_without_this_library_a_row_has_no_ratios_and_without_a_kill_no_loss() -> None:
    *_, row = report.table({OTHER: [Speed(4.0, 5.0, 50.0)]}, {}, {}).splitlines()

    assert row == f"| {OTHER} | 4.0 | 5.0 | 50.0 | - | - |"


def test_runs_are_read_as_they_come_and_no_half_of_a_line(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    trace.file.write_text("began a 1.5\nbegan b 2.")
    trace.follow()
    assert trace.began == {"a": [1.5]}

    with trace.file.open("a") as file:
        file.write("5\nbegan a 3\nended a 4\n")

    assert trace.all_began(["a"], 0.0, times=2)
    assert trace.began["b"] == [2.5]
    assert trace.ended == {"a": [4.0]}
    assert not trace.all_began(["b"], 0.0, times=2)


def test_the_handler_notes_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(tmp_path / "trace")
    monkeypatch.setenv(handler.TRACE, str(trace.file))

    assert handler.run("a") == {"token": "a"}
    handler.run("b", 0.001)
    trace.follow()

    assert list(trace.began) == ["a", "b"]
    assert list(trace.ended) == ["b"]


def test_each_system_has_its_versions_pinned_unless_it_is_this_library() -> None:
    for system in SYSTEMS:
        pinned = system.peer.home / "requirements.txt"
        assert system.peer.installed or all("==" in line for line in pinned.read_text().splitlines())
