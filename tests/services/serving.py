"""Real servers for tests: each is a program of its own, on a free port of the loopback, with its own folder
and log file, and is gone with everything it started when its `with` block ends.

    with serve("examples.iris:run_app()", workers=2) as service:
        urllib.request.urlopen(service.url + "/__ping")
"""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SETTINGS = PROJECT / "gunicorn.conf.py"

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02

# The end of each log is shown below a test that fails.
SHOWN_CHARACTERS = 4000

# What a test run may carry in its own environment and a server of its own must not inherit.
FOREIGN_VARIABLES = ("MODEL_SERVING_", "PROMETHEUS_", "GUNICORN_", "MAKE", "MFLAGS", "PYTEST_")

# A variable by which all processes of a service are found, wherever they keep their files.
FOLDER = "SERVICE_FOLDER"

RUNNING: list["Service"] = []


class Service:
    """One server process, the group of processes that it leads, and the files that they write."""

    def __init__(self, command: Sequence[str], port: int, *, env: Mapping[str, str], cwd: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        # Not the test's own folder: the paths of Unix sockets below it have to stay shorter than 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="serving-"))
        self.log_file = self.folder / "log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=clean_environment()
                | {"TMPDIR": str(self.folder), "PYTHONPATH": str(PROJECT), FOLDER: str(self.folder)}
                | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        RUNNING.append(self)

    @property
    def pid(self) -> int:
        """The process id of the program that was started: of Gunicorn's master, where it is Gunicorn."""
        return self.process.pid

    def workers(self) -> list[int]:
        """Return the process ids of the program's children: of Gunicorn's workers, where it is Gunicorn."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    @contextmanager
    def alone(self, worker: int) -> Iterator[None]:
        """Stop all workers but one, so that it answers whatever is asked until the block ends."""
        others = [pid for pid in self.workers() if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.wait_until(lambda: all(state_of(pid) == "T" for pid in others))
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def log(self) -> str:
        """Return all that the program and its children have written so far, to either stream."""
        return self.log_file.read_text(errors="replace")

    def status(self, path: str, timeout: float = 5.0) -> int | None:
        """Return the status that answers a GET of `path`; None where no answer comes in `timeout` seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def wait_until(self, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
        """Return once `condition()` is true; fail with the log if `seconds` pass or it ends first."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                reason = f"ended with {self.process.returncode}" if ended else f"was not ready in {seconds} s"
                raise AssertionError(f"{self.process.args!r} {reason}; its log:\n{self.log()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> int:
        """End the program as an operator would, its group by force if need be, and return its exit status."""
        if self in RUNNING:
            RUNNING.remove(self)
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
            self._kill_group()
        return self.process.wait()

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nobody of the group outlived its leader


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def state_of(pid: int) -> str:
    """Return the state of a process as proc(5) has it: "S" for sleeping, "T" for stopped, and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would steer the server that is being tested."""
    return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN_VARIABLES)}


@contextmanager
def launch(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = PROJECT,
    ready: str = "/__ping",
) -> Iterator[Service]:
    """Run any server program until the block ends.

    Args:
        command: the program and its arguments; "{port}" in one of them is replaced by a free port.
        env: variables on top of this process's environment.
        cwd: the folder the program runs in.
        ready: the path whose answer 200 says that the program serves.
    """
    port = free_port()
    service = Service([part.replace("{port}", str(port)) for part in command], port, env=env or {}, cwd=cwd)
    try:
        service.wait_until(lambda: service.status(ready) == 200)
        yield service
    finally:
        service.stop()
        shutil.rmtree(service.folder, ignore_errors=True)


@contextmanager
def serve(
    target: str,
    *,
    worker_class: str = "gthread",
    workers: int = 2,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    cwd: Path = PROJECT,
    settings: Path = SETTINGS,
) -> Iterator[Service]:
    """Serve `target` with Gunicorn until the block ends.

    Args:
        target: the app, as in "examples.iris:run_app()"; importable from `cwd`.
        worker_class: Gunicorn's worker class.
        workers: the number of worker processes.
        env: variables on top of this process's environment.
        args: further arguments of Gunicorn, as in ("--max-requests", "5").
        cwd: the folder Gunicorn runs in; the project's modules are found from everywhere.
        settings: Gunicorn's configuration file.
    """
    command = [sys.executable, "-m", "gunicorn", "--config", str(settings), "--no-control-socket"]
    command += ["--bind", "127.0.0.1:{port}", "--worker-class", worker_class, "--workers", str(workers)]
    found = {"PYTHONPATH": str(PROJECT)}
    with launch([*command, *args, target], env=found | dict(env or {}), cwd=cwd) as service:
        yield service


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that run while a test fails; a conftest.py imports this hook."""
    report = yield
    if report.failed:
        ends = (
            (f"end of the log of {service.url}", service.log()[-SHOWN_CHARACTERS:]) for service in RUNNING
        )
        report.sections.extend(ends)
    return report
