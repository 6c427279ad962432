"""Metrics of several workers: whole, exact, and never going back, whichever worker answers or dies."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.selection import full, matrix
from tests.services.hosts import wait_until
from tests.services.raw_http import ask, connect, get, post
from tests.services.serving import SETTINGS, Service, serve

pytestmark = pytest.mark.processes

TARGET = "tests.services.apps:answering()"
WORKERS = 3

NO_SETTINGS = Path(os.devnull)
GOOD = post({"text": "hello"})
BAD = post({"text": 1})


@pytest.fixture(
    scope="module",
    params=matrix(
        [("gthread", SETTINGS, ()), ("sync", NO_SETTINGS, ()), ("gthread", NO_SETTINGS, ("--preload",))],
        ("gthread", SETTINGS, ()),
    ),
    ids=["with its settings", "without settings", "preloaded"],
)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    worker_class, settings, args = request.param
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with serve(
        TARGET, worker_class=worker_class, workers=WORKERS, settings=settings, args=args, cwd=elsewhere
    ) as service:
        service.wait_until(lambda: len(service.workers()) == WORKERS)
        yield service


def scrape(service: Service, path: str = "/__metrics") -> dict[tuple[str, ...], float]:
    """Return each sample's value by its name and the values of its labels, sorted by their names."""
    answer = ask(service.port, get(path))
    assert answer.status == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def counted(service: Service, name: str = "echo", method: str = "POST", status: int = 200) -> int:
    """Return how many requests a scrape tells of, which every series has to agree on."""
    samples = scrape(service)
    histogram = "flask_http_request_duration_seconds"
    found = samples.get((f"{histogram}_count", name, method, str(status)), 0)
    assert samples.get((f"{histogram}_bucket", name, "+Inf", method, str(status)), 0) == found
    return int(found)


def metric_files(service: Service) -> set[Path]:
    return set(service.folder.glob("model-serving-*/*/metrics/*.db"))


def slots(service: Service) -> set[str]:
    """Return the numbers of the processes that the files belong to, with which their names end."""
    return {file.stem.rpartition("_slot")[2] for file in metric_files(service)}


def replace_worker(service: Service, worker: int, how: signal.Signals) -> int:
    """Send a worker a signal that ends it, and return the one that takes its place once it serves."""
    before = set(service.workers())
    os.kill(worker, how)
    service.wait_until(lambda: worker not in service.workers() and len(service.workers()) == len(before))
    [replacement] = set(service.workers()) - before
    with service.alone(replacement):
        service.wait_until(lambda: service.status("/__ping") == 200)
    return replacement


def hang_up(service: Service) -> None:
    """Send the signal that replaces all workers, and return once none of the old ones is there."""
    old = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(lambda: len(service.workers()) == WORKERS and not old & set(service.workers()))


def test_any_worker_tells_of_the_requests_to_all_of_them(service: Service) -> None:
    before = counted(service)
    for worker, requests in zip(service.workers(), (1, 2, 4), strict=True):
        with service.alone(worker):
            assert all(ask(service.port, GOOD).status == 200 for _ in range(requests))

    for worker in service.workers():
        with service.alone(worker):
            assert counted(service) == before + 7
            told, also_told = scrape(service, "/__metrics"), scrape(service, "/metrics")
            assert told == also_told


def test_statuses_methods_and_unknown_paths_are_told_apart(service: Service) -> None:
    kinds = [("echo", "POST", 400), ("unmatched", "GET", 404), ("unmatched", "other", 404)]
    before = {kind: counted(service, *kind) for kind in kinds}
    totals = scrape(service)
    for sent in (BAD, get("/one"), get("/two"), get("/three").replace(b"GET", b"BREW")):
        ask(service.port, sent)

    assert [counted(service, *kind) - before[kind] for kind in kinds] == [1, 2, 1]
    total = ("flask_http_request_total", "GET", "404")
    assert scrape(service)[total] == totals.get(total, 0) + 2
    assert not any("/one" in sample for sample in scrape(service))


def test_a_killed_workers_requests_stay_counted_and_its_files_are_used_again(service: Service) -> None:
    before = counted(service)
    for worker in service.workers():
        with service.alone(worker):
            ask(service.port, GOOD)
    used = slots(service)

    for number, worker in enumerate(service.workers(), start=1):
        replacement = replace_worker(service, worker, signal.SIGKILL)
        assert counted(service) == before + WORKERS + number - 1
        with service.alone(replacement):
            ask(service.port, GOOD)
            assert counted(service) == before + WORKERS + number

    assert slots(service) == used


def test_a_request_that_dies_with_its_worker_is_not_counted(service: Service, tmp_path: Path) -> None:
    before = counted(service), counted(service, "wait_at_gate")
    worker = service.workers()[0]

    with service.alone(worker), connect(service.port) as connection:
        connection.send(post({"folder": str(tmp_path)}, path="/gate"))
        service.wait_until((tmp_path / "entered").exists)
        os.kill(worker, signal.SIGKILL)
        assert connection.answer() is None

    assert (counted(service), counted(service, "wait_at_gate")) == before


def test_the_workers_that_follow_a_hang_up_count_on(service: Service) -> None:
    before = counted(service)

    for number in range(1, 3):
        hang_up(service)
        assert ask(service.port, GOOD).status == 200
        assert counted(service) == before + number

    assert len(slots(service)) <= 2 * WORKERS + 1


def is_gone(service: Service, worker: int) -> bool:
    return worker not in service.workers()


# The first is preloaded, so that a worker is there again in an instant.
RECYCLING = [
    ("gthread", SETTINGS, ("--preload",), 30),
    ("sync", NO_SETTINGS, (), 6),
    ("gevent", SETTINGS, (), 4),
]


@pytest.mark.parametrize(
    ("worker_class", "settings", "args", "workers_lived"), matrix(RECYCLING, RECYCLING[0], rows=True)
)
def test_recycled_workers_never_take_a_count_with_them(
    worker_class: str, settings: Path, args: tuple[str, ...], workers_lived: int
) -> None:
    args += ("--max-requests", "2")
    with serve(TARGET, worker_class=worker_class, workers=WORKERS, settings=settings, args=args) as service:
        lived: Counter[int] = Counter()
        while len(lived) < workers_lived:
            worker = ask(service.port, post({}, path="/worker")).json()["worker"]
            lived[worker] += 1
            if lived[worker] == 2:
                service.wait_until(partial(is_gone, service, worker))
            if lived.total() % 10 == 0:
                assert counted(service, "name_worker") == lived.total()

        answered = lived.total()
        assert counted(service, "name_worker") == answered
        assert len(slots(service)) <= 2 * WORKERS
        # Not told to stop: a worker that is just being forked would miss the signal, and be waited for.
        service.process.kill()


def folders(home: Path) -> set[Path]:
    """Return the folders that belong to services whose folder for temporary files this is."""
    return set(home.glob("model-serving-*/*"))


def test_a_folder_that_the_operator_chose_starts_empty_and_is_used_by_all_workers(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    env = {"PROMETHEUS_MULTIPROC_DIR": str(chosen)}
    with serve(TARGET, env=env) as service:
        assert ask(service.port, GOOD).status == 200
        assert counted(service) == 1

    assert list(chosen.glob("*.db"))
    with serve(TARGET, env=env) as service:
        assert counted(service) == 0
        assert ask(service.port, GOOD).status == 200
        assert counted(service) == 1
        assert not metric_files(service)


def test_the_folder_of_a_service_that_is_stopped_goes_with_it() -> None:
    with serve(TARGET) as service:
        [folder] = folders(service.folder)
        assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o700, 0o700)

        assert service.stop() == 0

        assert not folders(service.folder)


@full
def test_the_folder_of_a_master_that_was_killed_is_removed_by_the_next_one(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    with serve(TARGET, env=env) as service:
        [left_behind] = folders(tmp_path)
        workers = service.workers()
        service.process.kill()
        service.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))

        with serve(TARGET, env=env):
            [own] = folders(tmp_path)

    assert own != left_behind
