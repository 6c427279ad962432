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
_HEAD_PORTS, _NODE_PORTS = range(20_000, 21_000), range(21_000, 32_000)


#: Patience of Ray's own parts with each other while a busy machine starts them, and no workers made for jobs
#: that only look at the cluster: each is a Python with Ray, on the cores that the node starts on.
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_raylet_start_wait_time_s": str(int(START_SECONDS)),
    "RAY_agent_register_timeout_ms": str(int(START_SECONDS * 1000)),
    "RAY_worker_register_timeout_seconds": str(int(START_SECONDS)),
    "RAY_NUM_REDIS_GET_RETRIES": str(int(START_SECONDS)),
}

#: How often a node is started that loses patience with parts of its own: some of that can't be configured.
_MOST_STARTS = 3

#: Ends with 0 once a head knows so many nodes that are well. It joins none, so that it costs them nothing.
_WAIT_FOR_NODES = """
import sys, time
from ray._raylet import GcsClient

address, number, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
deadline = time.monotonic() + seconds
while time.monotonic() < deadline:
    try:
        nodes = GcsClient(address=address).get_all_node_info(timeout=5).values()
    except Exception:  # of several kinds, while it starts
        nodes = ()
    if sum(node.state == node.ALIVE for node in nodes) >= number:
        sys.exit(0)
    time.sleep(0.1)
sys.exit(1)
"""


class RayNode:
    """The processes of one node."""

    def __init__(self, cluster: "RayCluster", address: str, cpus: int, port: int | None) -> None:
        self.address = address
        base = _free_ports(address, len(_PORTS) + _WORKER_PORTS, _NODE_PORTS)
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
        self._command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
        if port is not None:
            self._command.append("--head")
        self._manager = address, base
        self._log = cluster.folder / f"{address}.log"
        self._environment = cluster.environment()
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Start its first process, which starts the others."""
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
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

    def listens(self) -> bool:
        """Return whether it takes work: a head with a memory may still know the node before it."""
        with suppress(OSError), socket.create_connection(self._manager, 1):
            return True
        return False

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
        self.port = _free_ports(HEAD, 2, _HEAD_PORTS)
        self.address = f"{HEAD}:{self.port}"
        self.nodes: dict[str, RayNode] = {}
        self.start_head(cpus)

    def environment(self) -> dict[str, str]:
        memory = {} if self._redis is None else {"RAY_REDIS_ADDRESS": f"127.0.0.1:{self._redis}"}
        return {
            **clean_environment(),
            **memory,
            **_VARIABLES,
            "PYTHONPATH": str(PROJECT),
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
        """Return once so many nodes are well; one that has lost patience with its own parts starts again."""
        words = [sys.executable, "-c", _WAIT_FOR_NODES, self.address, str(number), str(START_SECONDS)]
        asking = subprocess.Popen(words, env=self.environment(), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        try:
            while asking.poll() is None or not all(node.listens() for node in self.nodes.values()):
                for node in self.nodes.values():
                    if not node.is_running:
                        assert node.starts < _MOST_STARTS, self.log()
                        node.kill()
                        node.start()
                assert time.monotonic() < deadline, self.log()
                time.sleep(POLL_SECONDS)
        finally:
            asking.kill()
            asking.wait()
        assert asking.returncode == 0, self.log()

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


def _free_ports(address: str, number: int, among: range) -> int:
    """Return the first of so many ports in a row that are free at an address.

    They are taken some seconds later: processes that look at the same time begin at different places.
    """
    places = len(among) // number
    for place in range(os.getpid(), os.getpid() + places):
        base = among.start + place % places * number
        with ExitStack() as held, suppress(OSError):
            for port in range(base, base + number):
                held.enter_context(socket.create_server((address, port)))
            return base
    raise AssertionError(f"{number} ports in a row are not free at {address}")


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
