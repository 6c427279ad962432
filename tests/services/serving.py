"""Real servers for our own tests: the package's launcher, with what only tests of a server want to look into.

with serve("examples.iris:run_app()", workers=2) as service:
    urllib.request.urlopen(service.url + "/__ping")
"""

import os
import signal
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from aylien_model_serving.testing import fixtures, running_service
from aylien_model_serving.testing.running_service import POLL_SECONDS, clean_environment, free_port

__all__ = [
    "BRIEF_SECONDS",
    "POLL_SECONDS",
    "PROJECT",
    "SETTINGS",
    "START_SECONDS",
    "Service",
    "clean_environment",
    "free_port",
    "launch",
    "pytest_runtest_makereport",
    "serve",
]

PROJECT = Path(__file__).parents[2]
SETTINGS = PROJECT / "gunicorn.conf.py"

#: Seconds for a server to become ready, where several start at once on a busy machine.
START_SECONDS = 100.0

#: Seconds for a server that knows nothing of our hooks, and may miss a signal while it loads the app.
BRIEF_SECONDS = 2.0


class Service(running_service.RunningService):
    """A service whose workers can be looked into."""

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


def state_of(pid: int) -> str:
    """Return the state of a process as proc(5) has it: "S" for sleeping, "T" for stopped, and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def launch(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = PROJECT,
    ready: str | None = "/__ping",
    stop_seconds: float = running_service.STOP_SECONDS,
    start_seconds: float = START_SECONDS,
) -> AbstractContextManager[Service]:
    """Run any server program until the block ends.

    Args:
        command: the program and its arguments; "{port}" in one of them is replaced by a free port.
        env: variables on top of this process's environment.
        cwd: the folder the program runs in; the project's modules are found from everywhere.
        ready: the path whose answer 200 says that the program serves; None not to wait for it.
        stop_seconds: how long the program may take to end before it is ended by force.
        start_seconds: how long it may take until it is ready.
    """
    return running_service.launch(
        command,
        env={"PYTHONPATH": str(PROJECT)} | dict(env or {}),
        cwd=cwd,
        ready=lambda service: ready is None or service.status(ready) == 200,
        stop_seconds=stop_seconds,
        start_seconds=start_seconds,
        kind=Service,
    )


def serve(
    target: str,
    *,
    worker_class: str = "gthread",
    workers: int = 2,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    cwd: Path = PROJECT,
    settings: Path = SETTINGS,
    ready: str | None = "/__ping",
) -> AbstractContextManager[Service]:
    """Serve `target` with Gunicorn and a file of settings until the block ends.

    Args:
        target: the app, as in "examples.iris:run_app()"; importable from `cwd`.
        worker_class: Gunicorn's worker class.
        workers: the number of worker processes.
        env: variables on top of this process's environment.
        args: further arguments of Gunicorn, as in ("--max-requests", "5").
        cwd: the folder Gunicorn runs in.
        settings: Gunicorn's configuration file.
        ready: as in `launch`.
    """
    command = [sys.executable, "-m", "gunicorn", "--config", str(settings), "--no-control-socket"]
    command += ["--bind", "127.0.0.1:{port}", "--worker-class", worker_class, "--workers", str(workers)]
    return launch([*command, *args, target], env=env, cwd=cwd, ready=ready)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that run while a test fails; a conftest.py imports this hook."""
    report = yield
    if report.failed:
        report.sections.extend(fixtures.ends_of_logs())
    return report
