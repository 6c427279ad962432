"""A Redis of the test's own, on a free port of the loopback, that can be killed and started again."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.services.serving import POLL_SECONDS, START_SECONDS, free_port
from tests.with_packages import lack


class RedisServer:
    """A Redis that keeps nothing on disk, and a client of it."""

    def __init__(self, program: str, folder: Path, password: str | None) -> None:
        self._program = program
        self._folder = folder
        self.port = free_port()
        self._password = password
        self.client = redis.Redis(port=self.port, password=password, retry=Retry(NoBackoff(), 0))
        self.start()

    @property
    def url(self) -> str:
        user = "" if self._password is None else f":{self._password}@"
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and return once it answers."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "save": "",
            "appendonly": "no",
            "requirepass": self._password or "",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *words], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def entries(self) -> dict[str, bytes]:
        """Return all that it holds."""
        found: dict[str, bytes] = {}
        for name in self.client.scan_iter():
            entry = self.client.get(name)
            assert isinstance(entry, bytes)
            found[name.decode()] = entry
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self.client.close()


@contextmanager
def redis_server(password: str | None = None) -> Iterator[RedisServer]:
    """Run a Redis until the block ends; without the program the test is skipped, and fails under CI."""
    program = shutil.which("redis-server")
    if program is None:
        lack("redis-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    server = RedisServer(program, folder, password)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
