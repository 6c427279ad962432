"""Machines on one kernel: services with host names and folders of their own, which share a database."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aylien_model_serving.testing import processes
from tests.services.job_hosts import APP
from tests.services.serving import POLL_SECONDS, PROJECT, SETTINGS, START_SECONDS, Service, free_port, launch
from tests.with_packages import lack

#: Has a command run under a host name of its own, in the same process.
_NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


@contextmanager
def machine(
    name: str, jobs_url: str, routes: str, *, server: str = "asgi", workers: int = 1, **variables: object
) -> Iterator[Service]:
    """Serve the app with jobs on a machine until the block ends.

    Args:
        name: the machine's.
        jobs_url: of the store.
        routes: names of the app's routes, separated by commas.
        server: Gunicorn's worker class.
        workers: the number of worker processes.
        variables: of the app's environment, in lower case.
    """
    env = {"MODEL_SERVING_JOBS_URL": jobs_url, "MODEL_SERVING_SERVICE_NAME": "shared", "ROUTES": routes}
    env |= {key.upper(): str(value) for key, value in variables.items()}
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", str(SETTINGS), "--no-control-socket"]
    options = ["--bind", "127.0.0.1:{port}", "--worker-class", server, "--workers", str(workers)]
    with launch(
        [*_can_be_named(), name, *gunicorn, *options, f"{APP}()"], env=env, cwd=PROJECT, ready="/readyz"
    ) as service:
        yield service


def _can_be_named() -> tuple[str, ...]:
    done = subprocess.run([*_NAMED, "probe", "true"], capture_output=True, check=False, timeout=30)
    if done.returncode != 0:
        lack("unshare, of util-linux, makes no UTS namespace here: root may")
    return _NAMED


def pull_the_plug(service: Service) -> None:
    """End all processes of a machine without a word."""
    for pid in processes.of(service.folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.process.wait(30)


@contextmanager
def balancer(folder: Path, *services: Service) -> Iterator[int]:
    """Run haproxy before machines until the block ends: each call goes to the next one; yield its port."""
    program = shutil.which("haproxy")
    if program is None:
        lack("haproxy is not installed: apt-get install haproxy")
    port = free_port()
    servers = "\n".join(
        f"    server machine{number} 127.0.0.1:{service.port} check inter 200ms fall 1"
        for number, service in enumerate(services)
    )
    settings = folder / "haproxy.cfg"
    settings.write_text(
        f"""
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    retries 2
    option redispatch 1
frontend clients
    bind 127.0.0.1:{port}
    default_backend machines
backend machines
    balance roundrobin
    option httpchk GET /livez
    http-check send hdr Host localhost
{servers}
"""
    )
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(settings)], stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "haproxy.log")
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "haproxy does not listen"
        time.sleep(POLL_SECONDS)
