"""The systems that are compared: one entry each, with its commands. All have two processes that run jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.peers import ROOT, Peer

#: Processes that run jobs, and processes that answer HTTP.
WORKERS = 2

_PYTHON = "{python}"
_WEB = (_PYTHON, "-m", "gunicorn", "-k", "gthread", "--threads", "8", "-w", "2", "-b", "127.0.0.1:{port}")
_QUIET = ("--log-level", "error")


@dataclass(frozen=True)
class System:
    """One system that keeps jobs and runs them.

    Args:
        name: in `--system` and the report.
        peer: whose environment it runs in.
        web: the command of what answers HTTP.
        workers: commands of what runs jobs; none where the processes of `web` do.
        prepare: a command that is run first.
        environ: variables of all of them.
        needs: names of the servers that it needs, among "postgres", "redis" and "rabbitmq".
        runners: part of the command lines of the processes of `web` that run jobs.
    """

    name: str
    peer: Peer
    web: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...] = ()
    prepare: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    runners: str = ""


def _peer(name: str, distribution: str = "", *, installed: bool = False) -> Peer:
    return Peer(name, name, name, distribution or name, (), installed=installed)


_OURS = _peer("ours", "model-serving", installed=True)
_APP = "bench.queues.ours:app()"
_OUR_WEB = (*_WEB, *_QUIET, "-c", str(ROOT / "gunicorn.conf.py"), _APP)
_OUR_WORKER = (_PYTHON, "-m", "aylien_model_serving", "worker", _APP, "--health-port", "{port2}")


SYSTEMS = (
    System(
        "this library, SQLite",
        _OURS,
        _OUR_WEB,
        environ={"MODEL_SERVING_JOBS_URL": "sqlite:///{folder}/jobs.sqlite3"},
        runners=".replicas.replica",
    ),
    System(
        "this library, PostgreSQL",
        _OURS,
        _OUR_WEB,
        (_OUR_WORKER,),
        environ={"MODEL_SERVING_JOBS_URL": "{postgres}", "MODEL_SERVING_SERVICE_NAME": "bench"},
        needs=("postgres",),
    ),
    System(
        "Celery, RabbitMQ",
        _peer("celery"),
        (*_WEB, *_QUIET, "service:app"),
        (
            (
                *(_PYTHON, "-m", "celery", "-A", "service:queue", "worker"),
                *("--pool", "prefork", "--concurrency", str(WORKERS), "-O", "fair", "--loglevel", "error"),
            ),
        ),
        needs=("rabbitmq", "redis"),
    ),
    System(
        "dramatiq, RabbitMQ",
        _peer("dramatiq"),
        (*_WEB, *_QUIET, "service:app"),
        ((_PYTHON, "-m", "dramatiq", "service", "--processes", str(WORKERS), "--threads", "1"),),
        environ={"dramatiq_queue_prefetch": "1"},
        needs=("rabbitmq", "redis"),
    ),
    System(
        "procrastinate, PostgreSQL",
        _peer("procrastinate"),
        (*_WEB, *_QUIET, "service:web()"),
        ((_PYTHON, "-m", "procrastinate", "-a", "service.queue", "worker"),) * WORKERS,
        prepare=(_PYTHON, "-m", "procrastinate", "-a", "service.queue", "schema", "--apply"),
        needs=("postgres",),
    ),
)
