"""One service of this library, from the checkout and by the Python that runs the benchmark."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import processes

ROOT = Path(__file__).parents[1]
START_S = 120.0
STOP_S = 10.0


class Service(NamedTuple):
    """A service that answers.

    Args:
        port: on 127.0.0.1.
        pid: of its first process.
        mark: by which its processes are found.
    """

    port: int
    pid: int
    mark: str


#: Has a command run under a host name of its own, in the same process.
_NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


@contextmanager
def serving(
    app: str, args: Sequence[str], environ: Mapping[str, str] | None = None, *, host: str = ""
) -> Iterator[Service]:
    """Serve an app by Gunicorn until the block ends.

    Args:
        app: as Gunicorn takes it.
        args: of Gunicorn.
        environ: further variables; "{folder}" in one is replaced by a folder of the service's own.
        host: its machine's name, where that is not this one's.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="bench-service-") as folder:
        own = {name: value.replace("{folder}", folder) for name, value in (environ or {}).items()}
        own |= {"PYTHONPATH": str(ROOT), "TMPDIR": folder, processes.MARK: mark}
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), *args]
        command += ["--bind", f"127.0.0.1:{port}", "--log-level", "error", app]
        if host:
            command = [*_NAMED, host, *command]
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, start_new_session=True)
        try:
            _wait_until_ready(port)
            yield Service(port, server.pid, mark)
        finally:
            processes.stop(server.pid, mark, STOP_S)
            server.wait()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_S
    while not _is_ready(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service was not ready in {START_S:g} s")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
