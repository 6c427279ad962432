"""The peers: one entry per server, its command, what it does not support, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.cases import Case, Workload
from bench.protocols import bentoml_batches, open_inference, plain, protobuf

FOLDER = Path(__file__).parent / "peers"
ROOT = Path(__file__).parent.parent

HOST = "127.0.0.1"
BIND = f"{HOST}:{{port}}"


@dataclass(frozen=True)
class Peer:
    """One server under test.

    Args:
        name: in --peer and in the results.
        title: in the tables.
        folder: of its service and requirements under `bench/peers`; peers that share it share an environment.
        distribution: whose version the tables show.
        command: arguments after the environment's Python; {port}, {port2}, {port3} are free ports, {workers}
            the case's workers, {here} its folder, {bin} that of its environment's scripts.
        python: the interpreter's version if it is not that of the benchmark.
        installed: whether the benchmark's own environment serves it.
        unsupported: path of a workload → why it is left out.
        adapt: converts a workload to the peer's own protocol.
        environ: variables of its process; the same placeholders as `command`.
        start_timeout_s: limit of the time to its first correct response.
        is_server: whether it is a server; else a program that does the work, prints its own rate, and ends.
    """

    name: str
    title: str
    folder: str
    distribution: str
    command: tuple[str, ...]
    python: str | None = None
    installed: bool = False
    unsupported: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[Workload], Workload] = plain
    environ: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = 60.0
    is_server: bool = True

    @property
    def ours(self) -> bool:
        """Return whether it is this library."""
        return self.folder == "ours"

    def measures(self, case: Case) -> bool:
        """Return whether the peer is measured in a case."""
        return self.name in case.peers if case.peers else self.is_server

    @property
    def home(self) -> Path:
        """The folder of its service."""
        return FOLDER / self.folder


#: As the guide recommends for granian; Gunicorn's settings do the same by default.
_MALLOC_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}


def _gunicorn(worker_class: str, app: str, *options: str) -> tuple[str, ...]:
    return ("-m", "gunicorn", "-k", worker_class, "-w", "{workers}", "-b", BIND, *options, app)


def _granian(interface: str, app: str, *options: str) -> tuple[str, ...]:
    base = ("-m", "granian", "--interface", interface, "--workers", "{workers}", "--log-level", "warning")
    return (*base, "--host", HOST, "--port", "{port}", *options, app)


def _uvicorn(app: str) -> tuple[str, ...]:
    base = ("-m", "uvicorn", "--host", HOST, "--port", "{port}", "--workers", "{workers}", "--no-access-log")
    return (*base, "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", app)


def _own_peer(name: str, title: str, command: tuple[str, ...], **environ: str) -> Peer:
    return Peer(
        name, title, "ours", "model-serving", command, installed=True, adapt=protobuf, environ=environ
    )


_SETTINGS = ("-c", str(ROOT / "gunicorn.conf.py"))
_FACTORY = "service:run_app()"
_NO_CACHE = {"/cached": "no response cache of its own"}
_BARE_PATHS = ("/floats", "/binary", "/upload", "/cached")
_BARE = dict.fromkeys(_BARE_PATHS, "the bare app knows /echo and the verdict only")
_JSON_ONLY = "takes JSON only"


def _bentoml(name: str, title: str, service: str) -> Peer:
    where = ("--host", HOST, "--port", "{port}", "--working-dir", "{here}")
    unsupported = {**_NO_CACHE, "/binary": "arrays as JSON only"}
    environ = {"BENTOML_DO_NOT_TRACK": "true"}
    command = ("-m", "bentoml", "serve", service, *where)
    return Peer(
        name,
        title,
        "bentoml",
        "bentoml",
        command,
        unsupported=unsupported,
        adapt=bentoml_batches,
        environ=environ,
    )


PEERS = (
    _own_peer("ours-gevent", "this library, Gunicorn gevent", _gunicorn("gevent", _FACTORY, *_SETTINGS)),
    _own_peer("ours-asgi", "this library, Gunicorn asgi", _gunicorn("asgi", _FACTORY, *_SETTINGS)),
    _own_peer(
        "ours-granian-wsgi",
        "this library, granian WSGI",
        _granian("wsgi", "service:run_app", "--factory"),
        **_MALLOC_SETTINGS,
    ),
    _own_peer(
        "ours-granian-asgi",
        "this library, granian ASGI",
        _granian("asgi", "service:run_app", "--factory"),
        **_MALLOC_SETTINGS,
    ),
    Peer(
        "version2",
        "version 2, Gunicorn sync",
        "version2",
        "model-serving",
        _gunicorn("sync", _FACTORY),
        python="3.9",
        unsupported={"/binary": _JSON_ONLY, "/upload": _JSON_ONLY},
    ),
    Peer(
        "fastapi-def",
        "FastAPI, def",
        "fastapi",
        "fastapi",
        _uvicorn("service:sync_app"),
        unsupported=_NO_CACHE,
    ),
    Peer(
        "fastapi-async",
        "FastAPI, async def",
        "fastapi",
        "fastapi",
        _uvicorn("service:async_app"),
        unsupported=_NO_CACHE,
    ),
    Peer(
        "mosec",
        "mosec",
        "mosec",
        "mosec",
        ("{here}/service.py",),
        unsupported={**_NO_CACHE, "/upload": "no multipart"},
    ),
    Peer(
        "mlserver",
        "MLServer",
        "mlserver",
        "mlserver",
        ("{bin}/mlserver", "start", "{here}"),
        unsupported={**_NO_CACHE, "/binary": "binary tensors over gRPC only", "/upload": "no multipart"},
        adapt=open_inference,
        environ={
            "MLSERVER_DEBUG": "false",
            "MLSERVER_HOST": HOST,
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}",
            "MLSERVER_PARALLEL_WORKERS": "{workers}",
        },
    ),
    Peer(
        "litserve",
        "LitServe",
        "litserve",
        "litserve",
        ("{here}/service.py",),
        unsupported={**_NO_CACHE, "/binary": "takes JSON and forms only"},
    ),
    Peer(
        "apipod",
        "APIPod",
        "apipod",
        "apipod",
        _uvicorn("service:app"),
        unsupported={**_NO_CACHE, "/binary": _JSON_ONLY},
    ),
    _bentoml("bentoml-def", "BentoML, def", "service:SyncBench"),
    _bentoml("bentoml-async", "BentoML, async def", "service:AsyncBench"),
    Peer(
        "ray-serve",
        "Ray Serve",
        "rayserve",
        "ray",
        ("{here}/service.py",),
        unsupported=_NO_CACHE,
        environ={
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
        start_timeout_s=120.0,
    ),
    Peer(
        "bare-gevent",
        "bare WSGI, Gunicorn gevent",
        "bare",
        "gunicorn",
        _gunicorn("gevent", "service:app"),
        unsupported=_BARE,
    ),
    Peer(
        "bare-granian",
        "bare WSGI, granian",
        "bare",
        "granian",
        _granian("wsgi", "service:app"),
        unsupported=_BARE,
    ),
    Peer(
        "bare-asgi",
        "bare ASGI, Gunicorn asgi",
        "bare",
        "gunicorn",
        _gunicorn("asgi", "asgi:app"),
        unsupported=_BARE,
    ),
    Peer(
        "bare-granian-asgi",
        "bare ASGI, granian",
        "bare",
        "granian",
        _granian("asgi", "asgi:app"),
        unsupported=_BARE,
    ),
    Peer(
        "offline",
        "plain loop, no server",
        "offline",
        "torch",
        ("{here}/loop.py",),
        installed=True,
        is_server=False,
    ),
)

_TITLES = {peer.name: peer.title for peer in PEERS}


def title(name: str) -> str:
    """Return a peer's title in the tables; a peer that only older results have keeps its name."""
    return _TITLES.get(name, name)
