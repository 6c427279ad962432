"""A web tier and workers of jobs as services of their own, which come, go and die by themselves."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.jobs.webhook_receiver import SECRET, receiving
from tests.selection import full
from tests.services.hosts import gone_in_the_end, metric, processes, supervisor, wait_until
from tests.services.job_hosts import APP, cancel, end_of, enqueue, entered, host_jobs, look, wait_for
from tests.services.machines import machine
from tests.services.postgres_server import postgres_server
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service, launch

pytestmark = pytest.mark.processes


@contextmanager
def working(
    store: Path | str, routes: str = "work", *words: str, ready: str = "/readyz", **variables: str
) -> Iterator[Service]:
    """Run a worker of the jobs in a folder, or at a URL, until the block ends."""
    command = [sys.executable, "-m", "aylien_model_serving", "worker", f"{APP}()", "--health-port", "{port}"]
    url = store if isinstance(store, str) else f"sqlite:///{store}/jobs.sqlite3"
    env = {"MODEL_SERVING_JOBS_URL": url, "ROUTES": routes}
    env |= {name.upper(): value for name, value in variables.items()}
    with gone_in_the_end(launch([*command, *words], env=env, ready=ready)) as worker:
        yield worker


def web(folder: Path, routes: str = "work", **variables: str) -> AbstractContextManager[Service]:
    return host_jobs(folder, routes, workers=1, model_serving_role="web", **variables)


def kill(service: Service) -> None:
    """Kill all processes of a service at once, as the end of its machine does."""
    for pid in processes(service):
        os.kill(pid, signal.SIGKILL)
    service.process.wait(20)


def test_jobs_wait_for_a_worker_which_finishes_the_last_one_before_it_ends(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path) as service:
        waiting = enqueue(service, "/work", text="a")
        assert look(service, waiting)["status"] == "queued"
        assert not any(".replicas." in line for line in processes(service).values())
        assert metric(service, "model_serving_jobs", route="work", status="queued") == 1
        with working(tmp_path) as worker:
            end = end_of(service, waiting)
            assert ask(worker.port, post({}, path="/work")).status == 404
            assert metric(worker, "model_serving_jobs", route="work", status="finished") == 1
            assert metric(worker, "model_serving_runner_replicas", runner="work", state="ready") == 1
            running = enqueue(service, "/work", gate=str(gate))
            entered(gate)
            worker.process.terminate()
            worker.wait_until(lambda: worker.status("/readyz") == 503)
            (gate / "open").touch()
            status = worker.process.wait(20)
        last = end_of(service, running)

    assert (end["status"], last["status"], last["metrics"]["attempts"]) == ("finished", "finished", 1)
    assert status == 0


@full
def test_a_job_whose_worker_is_killed_is_finished_by_another(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path) as service:
        job_id = enqueue(service, "/work", gate=str(gate))
        with working(tmp_path) as killed:
            entered(gate)
            kill(killed)
        (gate / "open").touch()
        with working(tmp_path):
            end = end_of(service, job_id)

    assert (end["status"], end["metrics"]["attempts"]) == ("finished", 2)


@full
def test_a_worker_whose_first_process_alone_is_killed_gives_its_job_back(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path) as service, working(tmp_path) as killed:
        job_id = enqueue(service, "/work", gate=str(gate))
        entered(gate)
        os.kill(killed.pid, signal.SIGKILL)
        job = wait_for(service, job_id, "queued")
        (gate / "open").touch()
        with working(tmp_path):
            end = end_of(service, job_id)

    assert job["metrics"]["attempts"] == 0
    assert (end["status"], end["metrics"]["attempts"]) == ("finished", 1)


@full
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_job_that_takes_longer_than_the_grace_goes_back_into_the_queue(
    tmp_path: Path, number: signal.Signals
) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path) as service:
        with working(tmp_path, "work", "--grace", "1") as worker:
            job_id = enqueue(service, "/work", gate=str(gate))
            entered(gate)
            os.kill(worker.pid, number)
            status = worker.process.wait(20)
        job = wait_for(service, job_id, "queued")
        (gate / "open").touch()
        with working(tmp_path):
            end = end_of(service, job_id)

    assert (status, job["metrics"]["attempts"]) == (0, 0)
    assert (end["status"], end["metrics"]["attempts"]) == ("finished", 1)


@full
def test_a_second_signal_ends_a_worker_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path) as service:
        with working(tmp_path, "work", "--grace", "600") as worker:
            job_id = enqueue(service, "/work", gate=str(gate))
            entered(gate)
            worker.process.terminate()
            worker.wait_until(lambda: worker.status("/readyz") == 503)
            worker.process.terminate()
            worker.process.wait(20)
            job = wait_for(service, job_id, "queued")
        (gate / "open").touch()

    assert job["metrics"]["attempts"] == 0


@full
def test_the_web_tier_may_be_gone_while_jobs_run(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with working(tmp_path) as worker:
        with web(tmp_path) as service:
            running = enqueue(service, "/work", gate=str(gate))
            queued = enqueue(service, "/work", text="b")
            entered(gate)
        (gate / "open").touch()
        worker.wait_until(
            lambda: metric(worker, "model_serving_jobs", route="work", status="finished") == 2, 40
        )
        with web(tmp_path) as service:
            ends = [look(service, job_id) for job_id in (running, queued)]

    assert [end["status"] for end in ends] == ["finished", "finished"]


@full
def test_several_workers_share_the_jobs_of_all_routes(tmp_path: Path) -> None:
    gates = [tmp_path / str(number) for number in range(2)]
    routes = "work,report,echo"
    with ExitStack() as stack:
        service = stack.enter_context(web(tmp_path, routes))
        for _ in range(2):
            stack.enter_context(working(tmp_path, routes))
        jobs = [enqueue(service, "/work", gate=str(gate)) for gate in gates]
        for gate in gates:  # both at the same time
            entered(gate)
        for gate in gates:
            (gate / "open").touch()
        ends = [end_of(service, job_id) for job_id in jobs]
        echoed = ask(service.port, post({"text": "a"}, path="/echo"))

    assert len({end["result"]["pid"] for end in ends}) == 2
    assert echoed.status == 200


@full
def test_a_web_tier_and_a_worker_on_machines_of_their_own_share_a_database() -> None:
    shared = {"model_serving_service_name": "shared"}
    with postgres_server() as postgres:
        url = postgres.new_database()
        with (
            machine("front", url, "work", model_serving_role="web") as service,
            working(url, "work", **shared) as killed,
        ):
            first = end_of(service, enqueue(service, "/work", text="a"))
            kill(killed)
            waiting = enqueue(service, "/work", text="b")
            assert look(service, waiting)["status"] == "queued"
            with working(url, "work", **shared):
                second = end_of(service, waiting)

    assert [first["status"], second["status"]] == ["finished", "finished"]


@full
def test_a_worker_whose_supervisor_is_killed_goes_on_by_itself(tmp_path: Path) -> None:
    with web(tmp_path) as service, working(tmp_path) as worker:
        end_of(service, enqueue(service, "/work", text="a"))
        os.kill(supervisor(worker), signal.SIGKILL)
        end = end_of(service, enqueue(service, "/work", text="b"))

    assert end["status"] == "finished"


@full
def test_a_running_job_is_cancelled_and_followed_by_way_of_the_store(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    with web(tmp_path, "report") as service, working(tmp_path, "report"):
        job_id = enqueue(service, "/report", gate=str(gate))
        entered(gate)
        assert wait_for(service, job_id, "processing")["progress"] == 0.25
        assert cancel(service, job_id).status == 200
        end = end_of(service, job_id)

    assert end["status"] == "cancelled"


@full
def test_workers_send_the_webhooks(tmp_path: Path) -> None:
    allowed = {"model_serving_webhook_allow": "http://127.0.0.1:*", "model_serving_webhook_secret": SECRET}
    with receiving() as receiver, web(tmp_path, **allowed) as service:
        job_id = enqueue(service, "/work", f"X-Webhook-Url: {receiver.url}", text="a")
        gone = enqueue(service, "/work", f"X-Webhook-Url: {receiver.url}", text="b")
        cancel(service, gone)  # which ends it, and nobody is there to tell
        assert receiver.received == []
        with working(tmp_path, **allowed):
            end_of(service, job_id)
            wait_until(lambda: len(receiver.received) == 2)

    assert {each.job["job_id"] for each in receiver.received} == {job_id, gone}


@full
def test_a_worker_whose_model_can_not_be_loaded_is_alive_and_not_ready(tmp_path: Path) -> None:
    with working(tmp_path, "work,broken", ready="/livez") as worker:
        worker.wait_until(lambda: "can't be built" in worker.log())
        answer = ask(worker.port, get("/readyz"))

    assert answer.status == 503
    assert "broken" in answer.json()["error"]
