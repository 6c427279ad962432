"""Services with runners for tests: started on every kind of server, looked into, put under load, and seen to
have left nothing behind when their `with` block ends.

    with host("gevent", routes="model") as service:
        replicas(service, "model")
"""

import contextlib
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from aylien_model_serving.testing import processes as service_processes
from tests.services.raw_http import ask, connect, get, post
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

APP = "tests.services.hosted_apps:hosting"

#: Seconds within which all that belonged to a service has to be gone, and what a busy machine gets on top.
LEAVING_SECONDS = 2.0
MARGIN = 2.0

POLL_SECONDS = 0.01

#: What Python writes of failures that nobody handles.
UNHEARD = ("Exception in thread", "Exception ignored", "was never retrieved", "Greenlet at")

Start = Callable[[int, Mapping[str, str], str], AbstractContextManager[Service]]


def gunicorn(worker_class: str, *args: str) -> Start:
    def start(workers: int, env: Mapping[str, str], app: str) -> AbstractContextManager[Service]:
        return serve(f"{app}()", worker_class=worker_class, workers=workers, env=env, args=args)

    return start


def granian(interface: str, *args: str) -> Start:
    def start(workers: int, env: Mapping[str, str], app: str) -> AbstractContextManager[Service]:
        words = ("--interface", interface, "--port", "{port}", "--workers", str(workers), "--factory", app)
        command = [sys.executable, "-m", "granian", *args, *words]
        return launch(command, env=env, stop_seconds=BRIEF_SECONDS)

    return start


def uvicorn(workers: int, env: Mapping[str, str], app: str) -> AbstractContextManager[Service]:
    """Start it as one process, which serves by itself."""
    command = [sys.executable, "-m", "uvicorn", "--factory", app, "--port", "{port}"]
    return launch(command, env=env, stop_seconds=BRIEF_SECONDS)


SERVERS: dict[str, Start] = {
    "gthread": gunicorn("gthread", "--threads", "16"),
    "gevent": gunicorn("gevent"),
    "asgi": gunicorn("asgi"),
    "granian wsgi": granian("wsgi", "--blocking-threads", "4"),
    "granian asgi": granian("asgi"),
    "uvicorn": uvicorn,
}


@contextmanager
def host(
    server: str, *, workers: int = 2, ready: bool = True, app: str = APP, **variables: object
) -> Iterator[Service]:
    """Serve the hosted app, or another one, until the block ends, and see that nothing of it is left then.

    Args:
        server: a key of SERVERS.
        workers: the number of worker processes.
        ready: whether to wait until the runners are ready.
        app: the function that makes it.
        variables: of the app's environment, in lower case.
    """
    env = {name.upper(): str(value) for name, value in variables.items()}
    with gone_in_the_end(SERVERS[server](workers, env, app)) as service:
        if ready:
            service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


@contextmanager
def gone_in_the_end(started: AbstractContextManager[Service]) -> Iterator[Service]:
    """See that a service, which leaves no process behind, has let no failure pass unhandled either."""
    with started as service:
        try:
            yield service
            assert not any(cry in service.log() for cry in UNHEARD), service.log()
        finally:
            service.stop()


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what `condition()` returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {seconds} seconds"
        time.sleep(POLL_SECONDS)
    return found


def processes(service: Service) -> dict[int, str]:
    """Return the command lines of all processes that a service has started, by process id."""
    return service_processes.of(service.folder)


def shared_memory() -> set[str]:
    """Return the names in shared memory, less the semaphores of whoever else works on this machine."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.")}


def supervisor(service: Service) -> int:
    """Return the process id of the only supervisor."""
    (pid,) = [pid for pid, line in processes(service).items() if "replicas.supervisor" in line]
    return pid


def replicas(service: Service, name: str) -> list[dict[str, Any]]:
    """Return what a service tells of a runner's replicas."""
    found: list[dict[str, Any]] = ask(service.port, get("/__runners")).json()[name]
    return found


def model_pid(service: Service) -> int:
    """Return the process that answers for the model."""
    pid: int = ask(service.port, post({}, path="/model")).json()["pid"]
    return pid


def metric(service: Service, name: str, **labels: str) -> float:
    """Return the sum of all series of a metric that have these labels; 0 where there are none."""
    lines = ask(service.port, get("/metrics")).body.decode().splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [line for line in lines if line.startswith(f"{name}{{") and all(want in line for want in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


class Asking:
    """A request that is under way on a thread of its own.

    Args:
        service: the service.
        path: the route.
        headers: further headers.
        fields: of the request.
    """

    def __init__(self, service: Service, path: str, *headers: str, **fields: object) -> None:
        self._answers: list[Any] = []
        request = post(fields, *headers, path=path)
        self._thread = threading.Thread(target=self._ask, args=(service.port, request), daemon=True)
        self._thread.start()

    def _ask(self, port: int, request: bytes) -> None:
        with connect(port) as connection:
            self._answers.append(connection.ask(request))

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def answer(self) -> Any:
        """Return the answer, once it is there; None where the connection was closed without one."""
        self._thread.join(40)
        [answer] = self._answers
        return answer


@contextmanager
def gated(
    service: Service, folder: Path, path: str = "/model", *headers: str, how: str = "gate"
) -> Iterator[Asking]:
    """Keep a route's only slot busy until the block ends."""
    folder.mkdir(exist_ok=True)
    asking = Asking(service, path, *headers, **{"text": folder.name, how: str(folder)})
    try:
        service.wait_until((folder / "entered").exists)
        yield asking
    finally:
        (folder / "open").touch()


class Load:
    """Clients that ask the model one request after the other, each on its own connection.

    Args:
        service: the service.
        clients: how many.
        keep: whether a client keeps its connection.
        fields: of each request.
    """

    def __init__(self, service: Service, clients: int, *, keep: bool = True, **fields: object) -> None:
        self._port = service.port
        self._keep = keep
        self._fields = fields
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(clients)]
        self.answers: list[tuple[float, Any]] = []
        self.failures: list[object] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Have the clients ask until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            for thread in self._threads:
                thread.join(40)

    def _ask_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            while not self._ends.is_set():
                try:
                    self._ask(connection)
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(error)
                    connection.close()
                time.sleep(POLL_SECONDS)

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        body = json.dumps(self.next_fields())
        connection.request("POST", "/model", body, {} if self._keep else {"Connection": "close"})
        response = connection.getresponse()
        content = response.read()
        if response.status == 200:
            self.answers.append((time.monotonic(), json.loads(content)))
        else:
            self.failures.append((response.status, content))

    def next_fields(self) -> dict[str, Any]:
        """Return the fields of one request."""
        return self._fields

    def wait_for(self, further: int) -> None:
        """Return once so many further answers have come."""
        wanted = len(self.answers) + further
        wait_until(lambda: len(self.answers) >= wanted or self.failures)
