"""A PostgreSQL of the test's own, on a free port of the loopback, that can be stopped and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.services.serving import POLL_SECONDS, START_SECONDS, free_port
from tests.with_packages import lack

#: The role of its superuser, and of the account that it runs under where tests run as root, which it refuses.
USER = "postgres"
PASSWORD = "s3cret-of-the-store"

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "log_min_messages": "fatal",
    "dynamic_shared_memory_type": "mmap",  # other tests look at /dev/shm
}


class PostgresServer:
    """A cluster in a folder of its own.

    Args:
        programs: the folder of `initdb` and `postgres`.
        folder: an empty one, which belongs to the server's account.
        options: more of its configuration.
    """

    def __init__(self, programs: Path, folder: Path, options: dict[str, str]) -> None:
        self._programs = programs
        self._folder = folder
        self.data = folder / "data"
        self._log = folder / "log"
        self._options = {**_OPTIONS, **options}
        self.port = free_port()
        self._databases = 0
        self._make()
        self.start()

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        words = f"-U {USER} -A scram-sha-256 --no-sync --locale=C -E UTF8".split()
        self.run("initdb", *words, "--pwfile", str(secret), "-D", str(self.data))

    @property
    def host(self) -> str:
        return self._options["listen_addresses"]

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs to its end, under the server's account."""
        command = [str(self._programs / program), *words]
        environ = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, **_account())
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = {**self._options, "port": str(self.port)}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), *words]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **_account())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, f"PostgreSQL does not answer: {self._log.read_text()}"
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            self.ask("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}:{PASSWORD}@{self.host}:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database, and return its URL."""
        self._databases += 1
        name = f"jobs_{self._databases}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its processes."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue

    def stop(self) -> None:
        """Shut it down at once, as an operator would who does not wait for clients."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def kill(self) -> None:
        """End it and its processes without a word."""
        if self._process.poll() is not None:
            return
        self.send(signal.SIGKILL)
        self._process.wait(30)


class Standby(PostgresServer):
    """A server that follows another one, until it is promoted."""

    def __init__(self, primary: PostgresServer, programs: Path, folder: Path) -> None:
        self._primary = primary
        super().__init__(programs, folder, {})

    def _make(self) -> None:
        self.run("pg_basebackup", "-d", self._primary.url(), "-D", str(self.data), "-R", "-X", "stream")
        self.data.chmod(0o700)

    def has_all_of(self, primary: PostgresServer) -> bool:
        """Return whether it has all that the primary has written."""
        [(written,)] = primary.ask("SELECT pg_current_wal_lsn()::text")
        [(is_there,)] = self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")
        return bool(is_there)

    def promote(self) -> None:
        """Have it be the primary from now on."""
        self.ask("SELECT pg_promote(wait := true)")


def _account() -> dict[str, Any]:
    """Return what has a process run under the server's account."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(USER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _programs() -> Path:
    """Return the newest PostgreSQL's folder; without one the test is skipped, and fails under CI."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not places and (found := shutil.which("initdb")):
        places.append(Path(found))
    if not places:
        lack("PostgreSQL is not installed: apt-get install postgresql")
    return places[-1].parent


@contextmanager
def postgres_server(**options: str) -> Iterator[PostgresServer]:
    """Run a PostgreSQL until the block ends.

    Args:
        options: of its configuration; `fsync="off"` for tests that pull no plug.
    """
    with _folder() as folder:
        server = PostgresServer(_programs(), folder, options)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[Standby]:
    """Run a standby of a server until the block ends."""
    with _folder() as folder:
        standby = Standby(primary, _programs(), folder)
        try:
            yield standby
        finally:
            standby.kill()


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that belongs to the server's account."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if account := _account():
        os.chown(folder, account["user"], account["group"])
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
