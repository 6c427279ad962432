"""A server program that runs while a test needs it: on a free port of the loopback, with a folder and a log
of its own, and gone with all that it started when its `with` block ends.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aylien_model_serving.testing import processes
from aylien_model_serving.testing.failures import INSTALL, ServiceFailed

if TYPE_CHECKING:
    import httpx

#: Seconds that a service may take until it is ready.
START_SECONDS = 60.0

#: Seconds that it may take to end after SIGTERM, before it is killed.
STOP_SECONDS = 15.0

#: Seconds after its end within which all that it started has to be gone.
LEAVING_SECONDS = 4.0

#: Seconds between two polls.
POLL_SECONDS = 0.02

#: Seconds that the client waits for an answer.
_ANSWER_SECONDS = 30.0

#: What a test run may carry in its own environment and a service under test must not inherit.
_FOREIGN_VARIABLES = ("MODEL_SERVING_", "PROMETHEUS_", "GUNICORN_", "MAKE", "MFLAGS", "PYTEST_")

#: Services that run, the one that was started last at the end.
RUNNING: list[RunningService] = []


class RunningService:
    """One server program, the processes that it starts, and the files that they write.

    Args:
        command: the program and its arguments.
        port: where it will listen.
        env: variables on top of a clean environment.
        cwd: the folder it runs in.
        stop_seconds: how long it may take to end before it is killed.
    """

    def __init__(
        self, command: Sequence[str], port: int, *, env: Mapping[str, str], cwd: Path, stop_seconds: float
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._stop_seconds = stop_seconds
        # Not the test's own folder: the paths of Unix sockets below it have to stay shorter than 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="serving-"))
        self.log_file = self.folder / "log"
        own = {
            "TMPDIR": str(self.folder),
            processes.MARK: str(self.folder),
            "MODEL_SERVING_JOBS_URL": f"sqlite:///{self.folder}/jobs.sqlite3",
        }
        try:
            self.process = self._started(command, clean_environment() | own | dict(env), cwd)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        RUNNING.append(self)

    def _started(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the program that was started: of Gunicorn's master, where it is Gunicorn."""
        return self.process.pid

    @cached_property
    def client(self) -> httpx.Client:
        """An HTTP client whose URLs are paths of this service; it keeps its connections until the stop.

        Raises:
            ServiceFailed: httpx is not installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise ServiceFailed(f"The service's client needs httpx: {INSTALL}") from error
        # A proxy that the environment names would not find this machine's loopback.
        return httpx.Client(base_url=self.url, timeout=_ANSWER_SECONDS, trust_env=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to a GET; the options are those of `httpx.Client.get`."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to a POST, as in `post("/classify", json={…})`; see `httpx.Client.post`."""
        return self.client.post(path, **options)

    def log(self) -> str:
        """Return all that the service's processes have written so far, to either stream."""
        return self.log_file.read_text(errors="replace")

    def status(self, path: str, timeout: float = 5.0) -> int | None:
        """Return the status that answers a GET of `path`; None where no answer comes in `timeout` seconds."""
        return self._ask(path, timeout)[0]

    def json(self, path: str, timeout: float = 5.0) -> Any:
        """Return what a GET of `path` answers with 200 in JSON; None where it does not."""
        status, body = self._ask(path, timeout)
        return json.loads(body) if status == 200 else None

    def _ask(self, path: str, timeout: float) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()

    def wait_until(self, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
        """Return once `condition()` is true.

        Raises:
            ServiceFailed: `seconds` have passed, or the program has ended before; the log is shown.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise self.failed(f"ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready in {seconds} s")
            time.sleep(POLL_SECONDS)

    def failed(self, reason: str) -> ServiceFailed:
        """Return the error that says how the service failed, with its log."""
        return ServiceFailed(f"{self.process.args!r} {reason}; its log:\n{self.log()}")

    def stop(self) -> int:
        """End the service as an operator would, by force if need be, and return the program's exit status.

        Raises:
            ServiceFailed: processes were left, which are ended by then.
        """
        if self in RUNNING:
            RUNNING.remove(self)
            if "client" in self.__dict__:
                self.client.close()
            self._end()
            self._refuse_leftovers()
        return self.process.wait()

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.returncode < 0:  # killed, so that it has not ended the others of its group
            processes.kill_group(self.pid)

    def _refuse_leftovers(self) -> None:
        if left := self._left_after(LEAVING_SECONDS):
            processes.kill(left)
            self._left_after(
                LEAVING_SECONDS
            )  # on a busy machine a killed process is there for a moment longer
            shown = "\n".join(f"{pid}: {line}" for pid, line in left.items())
            raise self.failed(f"left processes behind:\n{shown}\n")
        processes.kill_group(self.pid)

    def _left_after(self, seconds: float) -> dict[int, str]:
        """Return which processes are there when the time is over; none as soon as all are gone."""
        deadline = time.monotonic() + seconds
        while (left := processes.of(self.folder)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return left


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would steer the service under test."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_VARIABLES)}


_Service = TypeVar("_Service", bound=RunningService)


@contextmanager
def launch(
    command: Sequence[str],
    *,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    ready: Callable[[_Service], object] | None = None,
    stop_seconds: float = STOP_SECONDS,
    start_seconds: float = START_SECONDS,
    kind: type[_Service] = RunningService,  # type: ignore[assignment]  # a TypeVar takes no default
) -> Iterator[_Service]:
    """Run any server program until the block ends.

    Args:
        command: the program and its arguments; "{port}" in one of them is replaced by the port.
        port: where it will listen; a free one of the loopback when omitted.
        env: variables on top of this process's environment, of which those that steer services are left out.
        cwd: the folder the program runs in; this process's when omitted.
        ready: returns whether the service serves; that `/readyz` answers 200 when omitted.
        stop_seconds: how long the program may take to end before it is killed.
        start_seconds: how long it may take until it is ready.
        kind: the class of what is returned.

    Raises:
        ServiceFailed: the program did not become ready, or left processes behind.
    """
    port = port or free_port()
    is_ready = ready or (lambda service: service.status("/readyz") == 200)
    words = [part.replace("{port}", str(port)) for part in command]
    service = kind(words, port, env=env or {}, cwd=Path(cwd or Path.cwd()), stop_seconds=stop_seconds)
    try:
        service.wait_until(lambda: is_ready(service), start_seconds)
        yield service
    finally:
        try:
            service.stop()
        finally:
            shutil.rmtree(service.folder, ignore_errors=True)
