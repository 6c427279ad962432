"""A Ray cluster of the test's own: nodes with addresses of the loopback, each of which can be killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.services.serving import POLL_SECONDS, PROJECT, START_SECONDS, clean_environment
from tests.with_packages import need

HEAD, SECOND = "127.0.0.2", "127.0.0.3"

#: Bytes of each node's store of objects, which holds nothing of ours.
_STORE_BYTES = 100_000_000

#: Ports of a node's own processes, by the option that sets each; those of its workers follow.
_PORTS = (
    "node-manager-port",
    "object-manager-port",
    "runtime-env-agent-port",
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "metrics-export-port",
)
_WORKER_PORTS = 60

#: Where ports of heads, and of nodes, are looked for: below those that the system gives to anybody.
_FIRST_HEAD_PORT, _FIRST_NODE_PORT = 20_000, 21_000


class RayNode:
    """The processes of one node."""

    def __init__(self, cluster: "RayCluster", address: str, cpus: int, port: int | None) -> None:
        self.address = address
        base = _free_ports(address, len(_PORTS) + _WORKER_PORTS)
        options = {
            "node-ip-address": address,
            "num-cpus": cpus,
            "object-store-memory": _STORE_BYTES,
            **{name: base + place for place, name in enumerate(_PORTS)},
            "min-worker-port": base + len(_PORTS),
            "max-worker-port": base + len(_PORTS) + _WORKER_PORTS - 1,
        }
        if port is None:
            options["address"] = cluster.address
        else:
            options |= {"port": port, "ray-client-server-port": port + 1}
            options |= {"include-dashboard": "false", "temp-dir": cluster.folder}
        words = [f"--{name}={value}" for name, value in options.items()]
        program = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
        with (cluster.folder / f"{address}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*program, *(["--head"] if port is not None else [])],
                env=cluster.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._known: set[int] = {self._process.pid}

    def note_processes(self) -> set[int]:
        """Return the processes of this node, as far as they could ever be seen."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
        left = list(self._known)
        while left:
            for child in children.get(left.pop(), ()):
                if child not in self._known:
                    self._known.add(child)
                    left.append(child)
        return self._known

    @property
    def is_running(self) -> bool:
        """Whether its first process, which starts the others, has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill all of its processes at once, as the end of a machine does."""
        for pid in self.note_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def processes(self, name: str) -> list[int]:
        """Return its processes with a command line that has this in it."""
        return [pid for pid in self.note_processes() if name in _command(pid)]


class RayCluster:
    """A head, and the nodes that join it."""

    def __init__(self, folder: Path, cpus: int, redis: int | None = None) -> None:
        self.folder = folder
        self._redis = redis
        self.port = _free_ports(HEAD, 2, _FIRST_HEAD_PORT)
        self.address = f"{HEAD}:{self.port}"
        self.nodes: dict[str, RayNode] = {}
        self.start_head(cpus)

    def environment(self) -> dict[str, str]:
        memory = {} if self._redis is None else {"RAY_REDIS_ADDRESS": f"127.0.0.1:{self._redis}"}
        return {
            **clean_environment(),
            **memory,
            "PYTHONPATH": str(PROJECT),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": str(int(START_SECONDS)),
        }

    def start_head(self, cpus: int) -> None:
        """Start the head, and return once it is joined by others."""
        self.nodes[HEAD] = RayNode(self, HEAD, cpus, self.port)
        self._wait_for_nodes(1)

    def add(self, address: str, cpus: int) -> RayNode:
        """Start another node, and return once it has joined."""
        node = self.nodes[address] = RayNode(self, address, cpus, None)
        self._wait_for_nodes(len(self.nodes))
        return node

    def _wait_for_nodes(self, number: int) -> None:
        question = (
            "import ray, sys\n"
            "ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)\n"
            "sys.exit(sum(node['Alive'] for node in ray.nodes()) < int(sys.argv[2]))\n"
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens() or not self._says_yes(question, str(number)):
            assert all(node.is_running for node in self.nodes.values()), self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(POLL_SECONDS)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((HEAD, self.port), 1):
            return True
        return False

    def _says_yes(self, program: str, *arguments: str) -> bool:
        asked = subprocess.run(
            [sys.executable, "-c", program, self.address, *arguments],
            env=self.environment(),
            capture_output=True,
            timeout=START_SECONDS,
        )
        return asked.returncode == 0

    def log(self) -> str:
        """Return what its processes have logged, the end of each."""
        logs = [*self.folder.glob("*.log"), *self.folder.glob("session_latest/logs/[gr][ca]*.[eo][ru][rt]")]
        return "\n".join(f"{file.name}: {file.read_text(errors='replace')[-3000:]}" for file in logs)

    def command(self, *words: str, version: str = "1", env: dict[str, str] | None = None) -> str:
        """Run `model-serving ray …` on this cluster, and return what it prints."""
        result = self.try_command(*words, version=version, env=env)
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        return result.stdout

    def try_command(
        self, *words: str, version: str = "1", env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "aylien_model_serving", "ray", *words],
            env={**self.environment(), **self.settings(version), **(env or {})},
            capture_output=True,
            text=True,
            cwd=PROJECT,
            timeout=START_SECONDS,
        )

    def settings(self, version: str = "1") -> dict[str, str]:
        """Return the variables of a service whose models are here."""
        return {"MODEL_SERVING_RAY_ADDRESS": self.address, "MODEL_SERVING_VERSION": version}

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()


@contextmanager
def ray_cluster(cpus: int = 4, redis: int | None = None) -> Iterator[RayCluster]:
    """Run a cluster of one node until the block ends.

    Args:
        cpus: of that node.
        redis: the port of a Redis in which the head keeps what it knows.
    """
    need("ray")
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # of Unix sockets, whose paths are short
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = RayCluster(folder, cpus, redis)
        ends.callback(cluster.close)
        yield cluster


def _free_ports(address: str, number: int, first: int = _FIRST_NODE_PORT) -> int:
    """Return the first of so many ports in a row that are free at an address."""
    for base in range(first + os.getpid() % 97 * 10, 32_000, number):
        with ExitStack() as held:
            try:
                for port in range(base, base + number):
                    held.enter_context(socket.create_server((address, port)))
            except OSError:
                continue
            return base
    raise AssertionError(f"{number} ports in a row are not free at {address}")


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
