"""PostgreSQL, Redis and RabbitMQ of the benchmark's own, on the loopback, gone with the block that has them.

Each runs under the account of its Debian package where the benchmark runs as root, in a folder of its own.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from bench import processes

HOST = "127.0.0.1"
START_S, STOP_S = 60.0, 10.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.create_server((HOST, 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres() -> Iterator[Callable[[], str]]:
    """Run a PostgreSQL with its default durability, and lend what makes a database and returns its URL."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    port = free_port()
    url = f"postgresql://postgres@{HOST}:{port}"
    with _folder("postgres") as folder:
        words = [
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--locale=C",
            "-E",
            "UTF8",
            "-D",
            f"{folder}/data",
        ]
        subprocess.run(
            [str(programs / "initdb"), *words],
            capture_output=True,
            check=True,
            timeout=START_S,
            **_account("postgres"),
        )
        options = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 100,
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", f"{folder}/data", *settings]
        with _running(command, "postgres", folder, lambda: _answers_sql(url)):
            yield lambda: _new_database(url)


def _answers_sql(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _new_database(url: str) -> str:
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    return f"{url}/{name}"


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that appends to a file, synced each second, and lend its URL."""
    port = free_port()
    with _folder("redis") as folder:
        options = {"port": port, "bind": HOST, "dir": folder, "save": "", "appendonly": "yes"}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        command = [shutil.which("redis-server") or "redis-server", *words]
        with _running(command, "redis", folder, lambda: _answers(port, b"PING\r\n", b"+PONG")):
            yield f"redis://{HOST}:{port}/0"


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Run a RabbitMQ with an epmd of its own, and lend its URL."""
    port, epmd_port = free_port(), free_port()
    with _folder("rabbitmq") as folder:
        environ = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        }
        # Erlang would start a daemon otherwise, which outlives whoever started it.
        epmd = ["epmd", "-address", HOST, "-port", str(epmd_port)]
        command = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
        with (
            _running(epmd, "rabbitmq", folder, lambda: _listens(epmd_port), environ),
            _running(
                command, "rabbitmq", folder, lambda: _answers(port, b"AMQP\0\0\x09\x01", b"\x01"), environ
            ),
        ):
            yield f"amqp://guest:guest@{HOST}:{port}"


def _answers(port: int, question: bytes, answer: bytes) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(question)
            return connection.recv(len(answer)) == answer
    except OSError:
        return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def _account(name: str) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    if account := _account(name):
        os.chown(folder, account["user"], account["group"])
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: Sequence[str],
    account: str,
    folder: Path,
    is_ready: Callable[[], bool],
    environ: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a program until the block ends, and wait until it is ready."""
    mark = secrets.token_hex(8)
    own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environ or {}), processes.MARK: mark}
    log = folder / f"{account}-output"
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=own,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **_account(account),
        )
    try:
        deadline = time.monotonic() + START_S
        while not is_ready():
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        processes.stop(started.pid, mark, STOP_S)
        with suppress(subprocess.TimeoutExpired):
            started.wait(STOP_S)
