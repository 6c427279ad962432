"""A RabbitMQ of the test's own, on free ports of the loopback, that can be killed and started again."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.serving import POLL_SECONDS, START_SECONDS, free_port
from tests.with_packages import lack

USER, PASSWORD = "jobs", "s3cret-of-the-broker"

#: Erlang's virtual machine starts slowly, above all on a busy machine.
_START_SECONDS = 4 * START_SECONDS

#: Debian's command in the search path changes to an account of its own, which can't write here.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitServer:
    """A broker that keeps its messages in a folder of its own.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._environ = self._configured()
        port = self._environ["ERL_EPMD_PORT"]
        self._epmd = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", port])
        self.start()

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}//"

    def _configured(self) -> dict[str, str]:
        """Write its configuration, and return its environment."""
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex())
        cookie.chmod(0o400)
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
            f"default_user = {USER}\ndefault_pass = {PASSWORD}\nlog.file.level = error\n"
        )
        (self._folder / "enabled_plugins").write_text("[].")
        return {
            **os.environ,
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1",
        }

    def start(self) -> None:
        """Start it, with the messages that it had, and return once it answers."""
        with (self._folder / "output").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_PROGRAM)],
                env=self._environ,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, f"RabbitMQ does not answer: {self._log()}"
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        """Return whether it speaks AMQP: it listens before that."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _log(self) -> str:
        return (self._folder / "output").read_text()

    def kill(self) -> None:
        """End it, which is a shell's child, without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        self._epmd.kill()
        self._epmd.wait()


@contextmanager
def rabbitmq_server() -> Iterator[RabbitServer]:
    """Run a RabbitMQ until the block ends; without it the test is skipped, and fails under CI."""
    if not _PROGRAM.exists() or shutil.which("epmd") is None:
        lack("RabbitMQ is not installed: apt-get install rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
    server = RabbitServer(folder)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
