"""Both clients and a service on real sockets: streams, further tries, restarts, connections, forks."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.client import Client, TimedOut, Unreachable
from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from tests.client.callers import NAMES, Caller, connected
from tests.selection import full
from tests.services.hosts import wait_until
from tests.services.serving import Service, free_port, serve
from tests.web.asgi_client import NEEDS_A_LOOP

pytestmark = pytest.mark.processes

APP = "tests.client.apps:make_app()"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    jobs = tmp_path_factory.mktemp("jobs") / "jobs.sqlite3"
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{jobs}"}
    with serve(APP, workers=2, args=("--threads", "16"), env=env) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


@pytest.fixture(params=NAMES)
def caller(request: pytest.FixtureRequest, service: Service) -> Iterator[Caller]:
    with connected(request.param, service.url) as caller:
        yield caller


def test_text_of_any_language_goes_into_the_path(caller: Caller) -> None:
    assert caller.run(caller.client.call("translate", lang="de-ü 한", text="a")) == ["de-ü 한", "a"]


def test_items_come_as_they_are_made(caller: Caller) -> None:
    began = time.monotonic()

    first = caller.first(caller.run(caller.client.call("count", number=100, pause=1)))

    assert first == {"step": 0}
    assert time.monotonic() - began < 30


def test_a_stream_that_is_left_ends_in_the_service(caller: Caller, tmp_path: Path) -> None:
    diary = tmp_path / "diary"

    caller.first(caller.run(caller.client.call("count", number=10_000, pause=0.01, diary=str(diary))))

    wait_until(diary.exists)


def test_a_stream_that_stalls_times_out(caller: Caller) -> None:
    hasty = caller.client.with_options(timeout=0.5)

    with pytest.raises(TimedOut, match=r"did not answer within 0\.5 s"):
        caller.items(caller.run(hasty.call("count", number=2, pause=20)))


def test_a_response_that_takes_too_long_is_given_up_on_both_sides(caller: Caller) -> None:
    hasty = caller.client.with_options(timeout=0.3)
    caller.run(caller.client.refresh())
    began = time.monotonic()

    with pytest.raises((TimedOut, DeadlineExceeded)):
        caller.run(hasty.call("sleep", seconds=10))

    assert time.monotonic() - began < 8


def test_a_service_that_sends_retry_after_is_waited_for(caller: Caller, tmp_path: Path) -> None:
    marker = tmp_path / "loaded"

    assert caller.run(caller.client.call("busy_once", marker=str(marker))) == {"done": True}


def test_without_retries_the_error_has_the_seconds_of_retry_after(caller: Caller, tmp_path: Path) -> None:
    hasty = caller.client.with_options(retries=0)

    with pytest.raises(Unavailable, match="being loaded") as raised:
        caller.run(hasty.call("busy_once", marker=str(tmp_path / "loaded")))

    assert raised.value.retry_after == 1


def test_a_job_is_followed_while_it_goes_on(caller: Caller, tmp_path: Path) -> None:
    job = caller.run(caller.client.call("fry", name="curly", gate=str(tmp_path)))
    wait_until((tmp_path / "entered").exists)

    assert caller.run(job.refresh()).status == "processing"
    assert (job.progress, job.message, job.done) == (0.25, "peeling for curly", False)
    (tmp_path / "open").touch()
    assert caller.run(job.result(60)) == "curly fries"


def test_the_attributes_of_a_blocking_job_refresh_themselves(service: Service, tmp_path: Path) -> None:
    with Client(service.url) as client:
        job = client.fry(name="curly", gate=str(tmp_path))
        (tmp_path / "open").touch()

        wait_until(lambda: job.done)

    assert job.progress == 1.0


@pytest.mark.parametrize("kind", ["blocking", pytest.param("asyncio", marks=[NEEDS_A_LOOP, full])])
def test_a_job_outlasts_a_restart_of_its_service(kind: str, tmp_path: Path) -> None:
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{tmp_path}/jobs.sqlite3"}
    port = free_port()
    bind = ("--bind", f"127.0.0.1:{port}", "--threads", "8")
    with connected(kind, f"http://127.0.0.1:{port}") as caller:
        with serve(APP, workers=1, env=env, args=bind) as service:
            wait_for(port)
            job = caller.run(caller.client.call("numbers", number=5, pause=0.5))
            wait_until(lambda: caller.run(job.refresh()).status == "streaming")
            os.kill(service.pid, signal.SIGTERM)
            service.process.wait(30)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: caller.run(job.result(90)))
            with serve(APP, workers=1, env=env, args=bind):
                result = waiting.result(90)

    assert result == [{"step": step} for step in range(5)]


def wait_for(port: int) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens)


@pytest.mark.parametrize("kind", NAMES)
def test_an_unreachable_service_is_reported_after_the_further_tries(kind: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with (
        connected(kind, url, retries=1) as caller,
        pytest.raises(Unreachable, match=f"No service answers at {url}"),
    ):
        caller.run(caller.client.call("classify", text="a"))


@pytest.mark.parametrize("kind", NAMES)
def test_an_address_that_never_answers_times_out(kind: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with connected(kind, url, timeout=0.3) as caller, pytest.raises(TimedOut):
            caller.run(caller.client.refresh())


def test_calls_share_connections_that_are_kept(service: Service) -> None:
    with Client(service.url, max_connections=1) as client:
        for _ in range(5):
            client.call("classify", text="a")

        assert connections_to(service) == 1


def connections_to(service: Service) -> int:
    """Return how many connections to a service this process holds, by Linux's table of them."""
    ours = {os.stat(f"/proc/self/fd/{fd}").st_ino for fd in os.listdir("/proc/self/fd") if is_socket(fd)}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[9]) in ours and int(row[2].partition(":")[2], 16) == service.port for row in rows)


def is_socket(fd: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    except OSError:
        return False  # the listing's own


def test_threads_share_a_client(service: Service) -> None:
    with Client(service.url, max_connections=4) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.classify(text=str(number)), range(64)))

    assert [answer["text"] for answer in answers] == [str(number) for number in range(64)]


def test_a_call_that_finds_no_free_connection_times_out(service: Service) -> None:
    with Client(service.url, max_connections=1, timeout=20) as client:
        client.refresh()
        stream = client.count(number=100, pause=1)

        with pytest.raises(TimedOut, match="raise max_connections"):
            client.with_options(timeout=0.3).classify(text="a")
        stream.close()
        assert client.classify(text="a")["text"] == "a"


def test_a_forked_process_has_connections_of_its_own(service: Service) -> None:
    with Client(service.url, max_connections=1) as client:
        client.classify(text="parent")
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            reported: Any = b"failed"
            try:
                reported = b"".join(client.classify(text="child")["text"].encode() for _ in range(2))
            finally:
                os.write(writing, reported)
                os._exit(0)
        answers = [client.classify(text=str(number))["text"] for number in range(20)]
        os.waitpid(pid, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"childchild"

    assert answers == [str(number) for number in range(20)]
