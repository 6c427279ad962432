"""Workers of Celery for tests, each a process with a pool, and the brokers that tell them of jobs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.hosts import wait_until
from tests.services.rabbitmq_server import RabbitServer, rabbitmq_server
from tests.services.redis_server import RedisServer, redis_server
from tests.services.serving import PROJECT

APP = "tests.services.celery_apps:celery_app"

BROKERS = ("rabbitmq", "redis")

#: Seconds that a worker may take to begin, and to end.
_START_SECONDS, _STOP_SECONDS = 60, 20


class CeleryWorker:
    """A worker that has begun.

    Args:
        env: variables on top of this process's environment.
        log: a file, which need not be there.
        words: arguments of `celery worker`.
    """

    def __init__(self, env: Mapping[str, str], log: Path, *words: str) -> None:
        self._log = log
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "--loglevel", "info", *words]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, "PYTHONPATH": str(PROJECT), **env},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def begin(self) -> None:
        """Return once it takes jobs."""
        wait_until(lambda: "ready." in self.log() or self.process.poll() is not None, _START_SECONDS)
        assert self.process.poll() is None, self.log()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def pool(self) -> list[int]:
        """Return the processes of its pool."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return list(map(int, children.read_text().split()))
        except OSError:
            return []

    def end(self) -> int:
        """Have it end as an operator would, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """End it and its pool without a word."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_STOP_SECONDS)


@contextmanager
def celery_worker(
    env: Mapping[str, str], folder: Path, *words: str, name: str = "one"
) -> Iterator[CeleryWorker]:
    """Run a worker until the block ends.

    Args:
        env: as `CeleryWorker` takes it.
        folder: of its log.
        words: arguments of `celery worker`.
        name: tells it from others of the same broker.
    """
    worker = CeleryWorker(env, folder / f"celery-{name}.log", "--hostname", f"{name}@%h", *words)
    try:
        worker.begin()
        yield worker
    finally:
        worker.kill()


@contextmanager
def broker_of(kind: str) -> Iterator[RabbitServer | RedisServer]:
    """Run a broker until the block ends."""
    with rabbitmq_server() if kind == "rabbitmq" else redis_server("s3cret-of-the-broker") as server:
        yield server
