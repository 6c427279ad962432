"""One runner of a running service that is loaded again, as its operator asks for it: no request fails."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aylien_model_serving.cli import main
from tests.selection import full, matrix
from tests.services.hosts import Load, host, processes, replicas
from tests.services.raw_http import Answer, ask, get, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

APP = "tests.services.reloaded_apps:reloaded"
CLIENTS = 4
SERVERS = ["asgi", "gevent", "gthread", "granian asgi", "granian wsgi", "uvicorn"]

#: What everybody may do in a service without keys.
OPEN = {"model_serving_open": "reload", "model_serving_expose_errors": "1"}

PATH = "/__runners/rate/reload"


@contextmanager
def loaded(folder: Path, server: str = "asgi", app: str = APP, **variables: object) -> Iterator[Service]:
    """Serve models that have loaded the weights "one"."""
    (folder / "weights").write_text("one")
    with host(server, app=app, weights=folder, **variables) as service:
        service.wait_until(lambda: {each["state"] for each in replicas(service, "rate")} == {"ready"})
        yield service


def reload(service: Service, name: str = "rate", *options: str) -> Result:
    return CliRunner().invoke(main, ["reload", service.url, name, *options], prog_name="model-serving")


def weights(service: Service, path: str = "/model") -> str:
    found: str = ask(service.port, post({}, path=path)).json()["weights"]
    return found


@contextmanager
def waiting_at_the_gate(service: Service, folder: Path) -> Iterator[Callable[[], Result]]:
    """Have a reload wait while it loads until the block ends; what is yielded waits for its end, then."""
    (folder / "weights").write_text("gated")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(reload, service)
        try:
            service.wait_until(lambda: len(replicas(service, "rate")) == 2)
            yield first.result
        finally:
            (folder / "gate").touch()


@pytest.mark.parametrize("server", matrix(SERVERS, "asgi"))
def test_all_replicas_are_replaced_and_serve_what_lies_on_the_disk_without_a_failed_request(
    server: str, tmp_path: Path
) -> None:
    with loaded(tmp_path, server, replicas=2, **OPEN) as service:
        before = {replica["pid"] for replica in replicas(service, "rate")}
        with Load(service, CLIENTS).running() as load:
            load.wait_for(CLIENTS)
            (tmp_path / "weights").write_text("two")
            result = reload(service)
            load.wait_for(10 * CLIENTS)
        after = {replica["pid"] for replica in replicas(service, "rate")}
        alive = processes(service)

    assert (result.stdout, result.exit_code) == ("rate: 2 of 2 replicas were replaced\n", 0)
    assert load.failures == []
    assert {found["weights"] for _, found in load.answers} == {"one", "two"}
    assert {found["weights"] for _, found in load.answers[-CLIENTS:]} == {"two"}
    assert len(after) == 2
    assert not before & (after | alive.keys())


def test_a_model_that_a_handler_calls_is_loaded_again_by_its_name_and_no_other(tmp_path: Path) -> None:
    with loaded(tmp_path, **OPEN) as service:
        (tmp_path / "weights").write_text("two")
        result = reload(service, "inner")
        found = weights(service, "/outer"), weights(service, "/model")

    assert result.stdout == "inner: 1 of 1 replicas were replaced\n"
    assert found == ("two", "one")


def test_a_replica_that_is_frozen_is_replaced_as_soon_as_its_successor_is_ready(tmp_path: Path) -> None:
    limit = {"model_serving_route_rate__runner__unresponsive_after": 1.5}
    with loaded(tmp_path, **OPEN, **limit) as service:
        [frozen] = replicas(service, "rate")
        os.kill(frozen["pid"], signal.SIGSTOP)
        service.wait_until(lambda: replicas(service, "rate")[0]["state"] == "unresponsive")
        (tmp_path / "weights").write_text("two")
        result = reload(service, "rate", "--timeout", "25")  # seconds; a replica with calls has 30 for these
        found = weights(service)

    assert (result.stdout, found) == ("rate: 1 of 1 replicas were replaced\n", "two")


@full
def test_jobs_are_worked_on_by_what_was_loaded_last(tmp_path: Path) -> None:
    app, store = "tests.services.reloaded_apps:keeping", tmp_path / "jobs.sqlite3"
    with loaded(tmp_path, app=app, model_serving_jobs_url=store, **OPEN) as service:
        first = job(service)
        (tmp_path / "weights").write_text("two")
        result = reload(service)
        second = job(service)

    assert result.stdout == "rate: 1 of 1 replicas were replaced\n"
    assert [found["result"]["weights"] for found in (first, second)] == ["one", "two"]


def job(service: Service) -> dict[str, Any]:
    """Have a job kept, and return its state once it has ended."""
    kept = ask(service.port, post({}, path="/rate")).json()["job_id"]
    found: dict[str, Any] = ask(service.port, get(f"/status/{kept}?wait=30")).json()
    return found


def test_a_replica_stays_where_the_weights_can_not_be_loaded_and_the_command_says_why(tmp_path: Path) -> None:
    with loaded(tmp_path, replicas=2, **OPEN) as service:
        before = {replica["pid"] for replica in replicas(service, "rate")}
        (tmp_path / "weights").write_text("broken")
        result = reload(service)
        service.wait_until(lambda: len(replicas(service, "rate")) == 2)
        after = {replica["pid"] for replica in replicas(service, "rate")}
        found = weights(service)

        (tmp_path / "weights").write_text("two")
        mended = reload(service)

    [line] = result.stderr.splitlines()
    assert line == (
        "model-serving: rate: 0 of 2 replicas were replaced, and the others go on: "
        "ValueError: The weights are broken"
    )
    assert result.exit_code == 1
    assert after == before
    assert found == "one"
    assert mended.exit_code == 0


def test_a_second_one_is_refused_while_the_first_goes_on_and_one_that_waits_too_briefly_says_so(
    tmp_path: Path,
) -> None:
    with loaded(tmp_path, **OPEN) as service:
        with waiting_at_the_gate(service, tmp_path) as first:
            second = ask(service.port, post({}, path=PATH))
            status = ask(service.port, get(PATH)).json()
            answered = weights(service)
        ended = first()

        (tmp_path / "gate").unlink()
        brief = reload(service, "rate", "--timeout", "0.5")
        (tmp_path / "gate").touch()

    assert (second.status, second.json()["code"]) == (409, "conflict")
    assert second.json()["error"] == "'rate' is being loaded again already: 0 of 1 replicas are replaced"
    assert (status["state"], status["replaced"], status["replicas"]) == ("running", 0, 1)
    assert answered == "one"
    assert ended.exit_code == 0
    assert "0 of 1 replicas were replaced within 0.5 seconds; the service goes on" in brief.stderr
    assert brief.exit_code == 1


def test_a_name_without_a_runner_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with loaded(tmp_path, **OPEN) as service:
        unknown, other, plain, never = (
            reload(service, "ratee"),
            reload(service, "zzz"),
            reload(service, "plain"),
            ask(service.port, get(PATH)),
        )

    assert "There is no runner 'ratee'; did you mean 'rate'?; known are inner, rate" in unknown.stderr
    assert "There is no runner 'zzz'; known are inner, rate" in other.stderr
    assert "'plain' has no runner: its handler is loaded again with the web workers" in plain.stderr
    assert [each.exit_code for each in (unknown, other, plain)] == [1, 1, 1]
    assert (never.status, never.json()["code"]) == (404, "not_found")


KEYS = {"user": "u" * 20, "admin:boss": "b" * 20}


def asked(service: Service, method: Callable[..., bytes], *headers: str) -> Answer:
    return ask(service.port, method({}, *headers, path=PATH))


def test_with_keys_those_of_admins_alone_may(tmp_path: Path) -> None:
    keys = ",".join(f"{name}:{key}" for name, key in KEYS.items())
    with loaded(tmp_path, model_serving_api_keys=keys, model_serving_open="runners") as service:
        nobody, user = (
            asked(service, post),
            asked(service, post, f"X-API-Key: {KEYS['user']}"),
        )
        asked_by_site = asked(
            service,
            post,
            f"X-API-Key: {KEYS['admin:boss']}",
            "Origin: https://elsewhere.example",
            "Sec-Fetch-Site: cross-site",
        )
        (tmp_path / "weights").write_text("broken")
        boss = reload(service, "rate", "--api-key", KEYS["admin:boss"])

    assert [answer.status for answer in (nobody, user, asked_by_site)] == [401, 403, 403]
    assert user.json()["error"] == "Loading a runner again takes an API key that is marked 'admin:'"
    assert asked_by_site.json()["code"] == "cross_origin_refused"
    assert "ValueError: The weights are broken" in boss.stderr  # an admin sees errors


def test_without_keys_nobody_may_unless_the_settings_say_so(tmp_path: Path) -> None:
    with loaded(tmp_path) as service:
        refused = asked(service, post)
        seen = ask(service.port, get(PATH)).status

    assert (refused.status, seen) == (403, 403)
    assert "MODEL_SERVING_OPEN=reload" in refused.json()["error"]


def test_what_was_raised_is_not_told_to_whoever_may_not_see_errors(tmp_path: Path) -> None:
    with loaded(tmp_path, model_serving_open="reload") as service:
        (tmp_path / "weights").write_text("broken")
        result = reload(service)

    assert "The service's log says why" in result.stderr
    assert "ValueError" not in result.stderr


def test_the_endpoint_is_not_counted(tmp_path: Path) -> None:
    with loaded(tmp_path, **OPEN) as service:
        first: dict[str, Any] = ask(service.port, post({}, path=PATH)).json()
        service.wait_until(lambda: json.loads(ask(service.port, get(PATH)).body)["state"] == "done")
        metrics = ask(service.port, get("/metrics")).body.decode()

    assert first["runner"] == "rate"
    assert "reload" not in metrics
