"""Jobs that workers of Celery run: kept in a real database, told of by a real broker, killed on the way."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.celery_workers import BROKERS, CeleryWorker, broker_of, celery_worker
from tests.services.hosts import wait_until
from tests.services.job_hosts import APP, cancel, end_of, enqueue, entered, events, look, wait_for
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.services.rabbitmq_server import RabbitServer
from tests.services.redis_server import RedisServer
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

JOBS, KILLS = 200, 8


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server(fsync="off") as server:
        yield server


@pytest.fixture(scope="module", params=matrix(BROKERS, "redis"))
def broker(request: pytest.FixtureRequest) -> Iterator[RabbitServer | RedisServer]:
    with broker_of(request.param) as server:
        yield server


class Scene:
    """A web service that keeps jobs, and what its workers need to know."""

    def __init__(self, broker: RabbitServer | RedisServer, url: str, folder: Path, routes: str) -> None:
        self.folder = folder
        self.env = {
            "MODEL_SERVING_JOBS_BROKER": broker.url,
            "MODEL_SERVING_JOBS_URL": url,
            "MODEL_SERVING_SERVICE_NAME": url.rpartition("/")[2],
            "ROUTES": routes,
            "RETRIES": str(KILLS),
        }

    @contextmanager
    def web(self, server: str = "asgi") -> Iterator[Service]:
        with serve(f"{APP}()", worker_class=server, workers=1, env=self.env, ready="/readyz") as service:
            yield service

    @contextmanager
    def worker(self, *words: str, name: str = "one") -> Iterator[CeleryWorker]:
        with celery_worker(self.env, self.folder, "--concurrency", "1", *words, name=name) as worker:
            yield worker


def scene_of(
    broker: RabbitServer | RedisServer, postgres: PostgresServer, folder: Path, routes: str
) -> Scene:
    return Scene(broker, postgres.new_database(), folder, routes)


@pytest.mark.parametrize("server", matrix(["asgi", "gevent", "gthread"], "asgi"))
def test_a_worker_of_celery_runs_jobs_whose_progress_items_and_ends_are_those_of_any_job(
    server: str, broker: RabbitServer | RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    scene = scene_of(broker, postgres, tmp_path, "fries,count,report,work,echo")
    with scene.web(server) as service, scene.worker() as worker:
        fries = end_of(service, enqueue(service, "/fries", fries_name="curly"))
        assert (fries["result"], fries["message"]) == (
            "Your fries curly are ready",
            "Still working on it. Almost done",
        )

        counted = enqueue(service, "/count", count=3)
        assert [item for name, item in events(service, counted) if name == "item"] == [
            {"number": number} for number in range(3)
        ]

        refused = end_of(service, enqueue(service, "/work", refuse=True))
        assert (refused["status"], refused["error"]) == ("failed", "not this text")

        (tmp_path / "gate").mkdir()
        running = enqueue(service, "/report", gate=str(tmp_path / "gate"))
        entered(tmp_path / "gate")
        cancel(service, running)
        assert end_of(service, running)["status"] == "cancelled"

        pids = {end_of(service, enqueue(service, "/work"))["result"]["pid"] for _ in range(2)}
        assert pids == set(worker.pool())
        assert worker.end() == 0
        assert "s3cret" in broker.url
        assert "s3cret" not in worker.log() + service.log()


@full
def test_a_job_that_failed_runs_again_after_its_pause_without_a_message_from_the_web(
    broker: RabbitServer | RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    scene = scene_of(broker, postgres, tmp_path, "work")
    with scene.web() as service, scene.worker():
        job = end_of(service, enqueue(service, "/work", fail_times=1, diary=str(tmp_path / "diary")))

    assert (job["status"], job["metrics"]["attempts"]) == ("finished", 2)


@pytest.mark.parametrize("who", matrix(["process of the pool", "worker"], "process of the pool"))
def test_a_job_whose_process_is_killed_runs_again_and_ends_once(
    who: str, broker: RabbitServer | RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    scene, gate = scene_of(broker, postgres, tmp_path, "work"), tmp_path / "gate"
    with ExitStack() as stack:
        service = stack.enter_context(scene.web())
        worker = stack.enter_context(scene.worker())
        job_id = enqueue(service, "/work", gate=str(gate), diary=str(tmp_path / "diary"))
        entered(gate)
        if who == "worker":
            worker.kill()
            stack.enter_context(scene.worker(name="two"))
        else:
            os.kill(worker.pool()[0], signal.SIGKILL)
        (gate / "open").touch()
        job = end_of(service, job_id)

    assert (job["status"], job["metrics"]["attempts"]) == ("finished", 2)
    assert len((tmp_path / "diary").read_text().splitlines()) == 2


def test_jobs_are_kept_while_the_broker_is_away_and_run_when_it_is_back(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    with broker_of("redis") as broker:
        scene = scene_of(broker, postgres, tmp_path, "work")
        with scene.web() as service, scene.worker():
            end_of(service, enqueue(service, "/work"))
            broker.kill()
            jobs = [enqueue(service, "/work", text=str(number)) for number in range(3)]
            wait_until(lambda: "can't be reached, and workers of Celery learn of jobs later" in service.log())
            assert [look(service, job_id)["status"] for job_id in jobs] == ["queued"] * 3
            broker.start()
            ends = [end_of(service, job_id) for job_id in jobs]

    assert [(end["status"], end["metrics"]["attempts"]) for end in ends] == [("finished", 1)] * 3


@full
def test_a_job_whose_message_was_lost_is_found_by_a_worker(postgres: PostgresServer, tmp_path: Path) -> None:
    with broker_of("redis") as broker:
        assert isinstance(broker, RedisServer)
        scene = scene_of(broker, postgres, tmp_path, "work")
        with scene.web() as service:
            job_id = enqueue(service, "/work")
            wait_until(lambda: broker.client.dbsize() > 0)
            broker.client.flushall()
            with scene.worker():
                assert end_of(service, job_id)["status"] == "finished"


@full
def test_a_worker_that_is_told_to_end_at_once_gives_its_job_back(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with broker_of("redis") as broker:
        scene = scene_of(broker, postgres, tmp_path, "work")
        with scene.web() as service, scene.worker() as worker:
            job_id = enqueue(service, "/work", gate=str(gate))
            entered(gate)
            worker.process.send_signal(signal.SIGQUIT)
            job = wait_for(service, job_id, "queued")

    assert job["metrics"]["attempts"] == 0


def test_a_handler_that_does_not_stop_ends_with_its_process_and_the_next_job_runs_in_another(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    with broker_of("redis") as broker:
        scene = scene_of(broker, postgres, tmp_path, "hasty")
        with scene.web() as service, scene.worker():
            late = end_of(service, enqueue(service, "/hasty", sleep=60))
            assert (late["status"], late["error"]) == ("failed", "It took longer than 0.5 seconds")
            assert end_of(service, enqueue(service, "/hasty"))["status"] == "finished"


@full
@pytest.mark.parametrize(
    ("words", "routes", "sentence"),
    [
        (["--pool", "threads"], "work", "start the worker with --pool prefork"),
        (["--queues", "work"], "work", "--queues: none of them has jobs: these are "),
        ([], "echo", "no route has the key 'job'"),
        ([], "unknown", "The jobs can't be worked on: 'unknown'"),
    ],
)
def test_a_worker_that_would_run_no_job_says_so_and_ends(
    words: list[str], routes: str, sentence: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    with broker_of("redis") as broker:
        scene = scene_of(broker, postgres, tmp_path, routes)
        worker = CeleryWorker(scene.env, tmp_path / "log", *words)
        try:
            assert worker.process.wait(60) == 1
        finally:
            worker.kill()

    assert sentence in worker.log()


@full
@pytest.mark.timeout(400)
def test_hundreds_of_jobs_survive_kills_of_processes_workers_and_the_broker(
    broker: RabbitServer | RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    chance = random.Random(11)
    scene = scene_of(broker, postgres, tmp_path, "work")
    acts = ["process"] * (KILLS - 4) + ["worker", "worker", "broker", "broker"]
    with ExitStack() as stack:
        service = stack.enter_context(scene.web())
        workers = [stack.enter_context(scene.worker("-c", "2", name=f"first{number}")) for number in range(2)]
        jobs = [
            enqueue(service, "/work", text=str(number), sleep=0.05, diary=str(tmp_path / "diary"))
            for number in range(JOBS)
        ]
        for number, act in enumerate(chance.sample(acts, KILLS)):
            threading.Event().wait(chance.uniform(0.2, 0.8))  # anywhere in the life of a job
            if act == "broker":
                broker.kill()
                broker.start()
            elif act == "worker":
                workers.pop(0).kill()
                workers.append(stack.enter_context(scene.worker("-c", "2", name=f"later{number}")))
            else:
                for pid in workers[0].pool()[:1]:
                    os.kill(pid, signal.SIGKILL)
        ends = [end_of(service, job_id) for job_id in jobs]

    assert {end["status"] for end in ends} == {"finished"}
    diary = (tmp_path / "diary").read_text().split()
    assert set(diary) == {str(number) for number in range(JOBS)}
    assert len(diary) <= JOBS + 3 * KILLS
