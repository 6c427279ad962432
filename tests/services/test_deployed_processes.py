"""The processes that manifests describe, started as they say: command, variables, user, folders, memory.

Without a container engine: the kernel's namespaces and control groups are the same. An image and the seccomp
profile of a runtime are not here: the checkout is the image.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.cli.conftest import program
from tests.selection import full
from tests.services.containers import Container, container
from tests.services.hosts import wait_until
from tests.services.postgres_server import PASSWORD, USER, postgres_server
from tests.services.raw_http import ask, get, post
from tests.services.serving import PROJECT, START_SECONDS, Service, serve

pytestmark = [pytest.mark.processes, full, pytest.mark.timeout(22 * START_SECONDS)]

#: What an operator puts into the Secret.
SECRETS = {"api-keys": "alice:correct-horse-battery-staple", "metrics-key": "correct-horse-battery-staple"}
KEY = ("--header", f"X-API-Key: {SECRETS['metrics-key']}")

#: The pod of the workers of its jobs.
WORKER = "tests.services.deployed_apps:everything"

PODS = {
    "plain": ("tests.services.deployed_apps:app", "512Mi"),
    "jobs": ("tests.services.deployed_apps:everything", "1536Mi"),
    "hosting": ("tests.services.deployed_apps:hosting", "1536Mi"),
}


@pytest.fixture(params=PODS)
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The pod of a service's web tier, as the command writes it."""
    target, memory = PODS[request.param]
    found = pod_of(target, "web", tmp_path)
    assert found["containers"][0]["resources"]["limits"]["memory"] == memory
    return found


def pod_of(target: str, tier: str, folder: Path) -> dict[str, Any]:
    """Return the pod of a tier, as the command writes it."""
    done = program("deploy", "kubernetes", target, "--output", str(folder), cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    deployment = next(yaml.safe_load_all((folder / "kubernetes" / f"{tier}.yaml").read_text()))
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


@pytest.fixture
def jobs_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A store of jobs, which a container without a network reaches by a socket; "" where a pod needs none."""
    if "jobs" not in request.node.callspec.params["pod"]:
        yield ""
        return
    with TemporaryDirectory(prefix="postgres-", dir="/run") as folder:
        Path(folder).chmod(0o777)
        with postgres_server(unix_socket_directories=folder, fsync="off") as server:
            name = server.new_database().rpartition("/")[2]
            yield f"postgresql://{USER}:{PASSWORD}@/{name}?host={folder}&port={server.port}"


@pytest.fixture
def started(pod: dict[str, Any], jobs_url: str) -> Iterator[Container]:
    """Its container, once the startup probe has succeeded."""
    with container(pod, SECRETS | {"jobs-url": jobs_url}) as made:
        probe = pod["containers"][0]["startupProbe"]
        seconds = probe["failureThreshold"] * probe["periodSeconds"]
        wait_until(lambda: succeeds(made, probe) or made.process.poll() is not None, seconds)
        assert made.process.poll() is None, made.log.read_text()
        yield made


def succeeds(made: Container, probe: dict[str, Any]) -> bool:
    status, _ = made.ask(probe["httpGet"]["path"])
    return 200 <= status < 400


def test_a_pod_starts_serves_and_stops_within_what_its_manifest_says(
    pod: dict[str, Any], started: Container
) -> None:
    only = pod["containers"][0]
    wait_until(lambda: succeeds(started, only["readinessProbe"]), START_SECONDS)
    assert succeeds(started, only["livenessProbe"])

    refused, _ = started.ask("/metrics")
    read, metrics = started.ask("/metrics", *KEY)
    assert (refused, read) == (401, 200)
    assert "flask_http_request_total" in metrics

    began = time.monotonic()
    started.process.send_signal(signal.SIGTERM)
    hook = only["lifecycle"]["preStop"]["sleep"]["seconds"]
    status = started.process.wait(pod["terminationGracePeriodSeconds"] - hook)
    left = pod["terminationGracePeriodSeconds"] - hook - (time.monotonic() - began)
    wait_until(lambda: not started.pids(), left)
    assert status == 0, started.log.read_text()
    assert started.most_memory() < int(only["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20


@pytest.mark.parametrize("pod", ["plain"], indirect=True)
def test_its_processes_are_confined(pod: dict[str, Any], started: Container) -> None:
    status, body = started.ask("/surroundings", *KEY, "--data", "{}")

    assert status == 200, body
    around, context = json.loads(body), pod["securityContext"]
    assert (around["user"], around["group"]) == (context["runAsUser"], context["runAsGroup"])
    assert int(around["capabilities"], 16) == 0
    assert around["no_new_privileges"] == "1"
    volumes = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert set(around["writable"]) == volumes


@pytest.mark.parametrize("pod", ["hosting"], indirect=True)
def test_a_hosted_model_answers_in_it(pod: dict[str, Any], started: Container) -> None:
    wait_until(lambda: succeeds(started, pod["containers"][0]["readinessProbe"]), START_SECONDS)

    status, body = started.ask("/length", *KEY, "--data", '{"text": "three"}')

    assert (status, body) == (200, "5")


@pytest.mark.parametrize("pod", ["jobs"], indirect=True)
def test_a_web_pod_keeps_jobs_in_the_store_of_its_secret(pod: dict[str, Any], started: Container) -> None:
    wait_until(lambda: succeeds(started, pod["containers"][0]["readinessProbe"]), START_SECONDS)

    status, body = started.ask("/bake", *KEY, "--data", '{"name": "bread"}')

    assert status == 202, body
    job = json.loads(body)["job_id"]
    status, body = started.ask(f"/status/{job}", *KEY)
    assert (status, json.loads(body)["job_id"]) == (200, job)
    assert PASSWORD not in started.log.read_text()


def test_a_worker_pod_runs_the_jobs_of_the_web_tier_within_what_its_manifest_says(tmp_path: Path) -> None:
    pod = pod_of(WORKER, "worker", tmp_path)
    only = pod["containers"][0]
    port = only["ports"][0]["containerPort"]
    with TemporaryDirectory(prefix="postgres-", dir="/run") as folder:
        Path(folder).chmod(0o777)
        with postgres_server(unix_socket_directories=folder, fsync="off") as server:
            outside = server.new_database()
            name = outside.rpartition("/")[2]
            inside = f"postgresql://{USER}:{PASSWORD}@/{name}?host={folder}&port={server.port}"
            named = {one["name"]: one["value"] for one in only["env"] if "SERVICE_NAME" in one["name"]}
            web = {"MODEL_SERVING_JOBS_URL": outside, "MODEL_SERVING_ROLE": "web", **named}
            with serve(WORKER, worker_class="gthread", workers=1, env=web) as service:
                job = ask(service.port, post({"name": "bread"}, path="/bake")).json()["job_id"]
                with container(pod, SECRETS | {"jobs-url": inside}) as made:
                    end = wait_until(lambda: finished(service, job, made), 40)
                    ready, _ = made.ask(only["readinessProbe"]["httpGet"]["path"], port=port)
                    read, metrics = made.ask("/metrics", *KEY, port=port)
                    made.process.send_signal(signal.SIGTERM)
                    status = made.process.wait(pod["terminationGracePeriodSeconds"])
                    wait_until(lambda: not made.pids())
                    log, most = made.log.read_text(), made.most_memory()

    assert (end["result"], ready, read, status) == ("bread", 200, 200, 0), log
    assert "model_serving_jobs" in metrics
    assert PASSWORD not in log
    assert most < int(only["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20


def finished(service: Service, job_id: str, made: Container) -> Any:
    assert made.process.poll() is None, made.log.read_text()
    job = ask(service.port, get(f"/status/{job_id}?wait=5")).json()
    return job if job["status"] == "finished" else None
