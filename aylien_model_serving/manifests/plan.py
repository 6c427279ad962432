"""How a service is to be deployed: what the operator chose, and what follows from its workload.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from aylien_model_serving.manifests.workload import (
    RunnerNeeds,
    Workload,
    gpus_of,
    loading_seconds,
    replicas_mb,
)

#: TCP ports of the web servers, and of the workers' probes.
WEB_PORT, HEALTH_PORT = 8000, 8001

#: The user and the group of the processes, and where they may write.
USER_ID = 10001
HOME, TEMPORARY = "/var/lib/service", "/tmp"

#: Seconds before SIGTERM in which balancers learn that a pod goes, and after it for requests in flight, for
#: replicas and the supervisor, which end later than the servers.
UNROUTE_SECONDS, GRACEFUL_SECONDS, REPLICAS_SECONDS = 5, 25, 5

#: Seconds in which the processes start and import the service, on a busy machine.
_IMPORT_SECONDS = 60

#: The name under which the secret keeps the API key by which Prometheus reads metrics.
METRICS_KEY = "metrics-key"

#: The variable by which the service's code finds its Redis; it is no setting of the library.
REDIS_URL = "REDIS_URL"

#: MiB of Gunicorn's master with what all share, and of one warm worker.
_MASTER_MB, _WORKER_MB = 128, 192


@dataclass(frozen=True)
class Tier:
    """The processes of one kind, of which there are as many copies as needed.

    Args:
        name: "web" or "worker".
        arguments: of the program `model-serving`.
        port: of its probes, and of the web servers' requests.
        runners: whose replicas it has.
        processes: of the tier itself, beside replicas.
        gpus: of each copy.
        loading: seconds until it is ready at the latest.
        stop: seconds from SIGTERM until all its processes are gone.
        grpc_port: of its gRPC server; None where it has none.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    runners: tuple[RunnerNeeds, ...]
    processes: int
    gpus: int
    loading: int
    stop: int
    grpc_port: int | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Its TCP ports, by their names."""
        return {"http": self.port} | ({} if self.grpc_port is None else {"grpc": self.grpc_port})

    @property
    def memory_mb(self) -> int:
        """MiB of each copy."""
        return ceil(_MASTER_MB + _WORKER_MB * self.processes + replicas_mb(self.runners))

    @property
    def cpus(self) -> int:
        """Cores that each copy asks for: one for its own processes, and one for each replica."""
        return 1 + sum(runner.least for runner in self.runners)


@dataclass(frozen=True)
class Plan:
    """A service, and how it is to be deployed.

    Args:
        name: of the service and of all that is made for it: letters, digits and dashes.
        target: the app as `model-serving run` takes it, within the image's working folder.
        image: of the containers.
        workload: what its routes ask for.
        replicas: pods of web servers at the least.
        namespace: of Kubernetes; None for the one that is current when the files are applied.
        gpus: of each pod with replicas; None for as many as the routes name.
        prometheus: URL of the Prometheus that KEDA asks.
        workers: web processes of each pod.
        variables: of the operator, by their names; none is secret.
        loads_in_parallel: whether its replicas may load at the same time.
        has_open_metrics: whether metrics are read without a key.
        grpc_port: of the web tier's gRPC servers; None where it has none.
    """

    name: str
    target: str
    image: str
    workload: Workload = field(default_factory=Workload)
    replicas: int = 2
    namespace: str | None = None
    gpus: int | None = None
    prometheus: str = "http://prometheus-operated.monitoring.svc:9090"
    workers: int = 2
    variables: Mapping[str, str] = field(default_factory=dict)
    loads_in_parallel: bool = False
    has_open_metrics: bool = False
    grpc_port: int | None = None

    @property
    def web(self) -> Tier:
        """The tier that answers requests."""
        words = ("run", self.target, "--quiet", "--port", str(WEB_PORT), "--workers", str(self.workers))
        runners = self.workload.web
        processes = self.workers + (self.grpc_port is not None)
        tier = self._tier("web", words, WEB_PORT, runners, processes, GRACEFUL_SECONDS)
        return replace(tier, grpc_port=self.grpc_port)

    @property
    def worker(self) -> Tier | None:
        """The tier that works on jobs; None where there are none."""
        if not self.workload.has_jobs:
            return None
        runners, seconds = self.workload.jobs, ceil(max(GRACEFUL_SECONDS, self.workload.job_grace))
        probes = ("--health-host", "0.0.0.0", "--health-port", str(HEALTH_PORT))
        words = ("worker", self.target, "--quiet", *probes, "--grace", str(seconds))
        return self._tier("worker", words, HEALTH_PORT, runners, 1, seconds)

    @property
    def tiers(self) -> list[Tier]:
        return [self.web, *([] if self.worker is None else [self.worker])]

    def _tier(
        self,
        name: str,
        words: tuple[str, ...],
        port: int,
        runners: tuple[RunnerNeeds, ...],
        processes: int,
        seconds: int,
    ) -> Tier:
        loading = _IMPORT_SECONDS + ceil(loading_seconds(runners, in_parallel=self.loads_in_parallel))
        gpus = gpus_of(runners, self.gpus)
        return Tier(name, words, port, runners, processes, gpus, loading, seconds + REPLICAS_SECONDS)


def environment(plan: Plan, tier: Tier) -> dict[str, str]:
    """Return the variables of a tier's processes, but those that are secret."""
    role = {"MODEL_SERVING_ROLE": "web"} if plan.workload.has_jobs and tier.name == "web" else {}
    return {
        "HOME": HOME,
        "TMPDIR": TEMPORARY,
        "XDG_STATE_HOME": f"{HOME}/state",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MODEL_SERVING_HOST": "0.0.0.0",
        "MODEL_SERVING_LOG_FORMAT": "json",
        "MODEL_SERVING_SERVICE_NAME": plan.name,
        **role,
        **plan.variables,
    }


def secret_variables(plan: Plan, tier: Tier) -> dict[str, str]:
    """Return the variables of a tier that are secret, each with the name under which its value is kept."""
    found = {"MODEL_SERVING_API_KEYS": "api-keys"} if tier.name == "web" else {}
    if plan.workload.has_jobs:
        found["MODEL_SERVING_JOBS_URL"] = "jobs-url"
    if "MODEL_SERVING_WEBHOOK_ALLOW" in plan.variables:
        found["MODEL_SERVING_WEBHOOK_SECRET"] = "webhook-secret"
    if plan.workload.shares_counts:
        found[REDIS_URL] = "redis-url"
    return found
