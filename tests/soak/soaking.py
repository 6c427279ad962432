"""One soak: a service is warmed up at full load, looked at, half used for minutes, and looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.services.hosts import UNHEARD
from tests.services.serving import Service, serve
from tests.soak.exchanges import EXCHANGES
from tests.soak.load import Load
from tests.soak.looks import Look

#: Seconds at full load after which pools and allocators have grown to their size.
WARM_UP_SECONDS = 60.0

#: Seconds within which abandoned calls end: Gunicorn gives them three.
_ENDING_SECONDS = 5.0

#: Seconds within which the last of them are gone from a busy machine.
_PATIENCE_SECONDS = 30.0

_POLL_SECONDS = 0.5

#: They keep one worker busy.
_CLIENTS = 10


def _gunicorn(worker_class: str, *args: str) -> Callable[[], AbstractContextManager[Service]]:
    return lambda: serve("tests.soak.service:service()", worker_class=worker_class, workers=1, args=args)


SERVERS = {
    "asgi": _gunicorn("asgi"),
    "gevent": _gunicorn("gevent"),
    "gthread": _gunicorn("gthread", "--threads", "32"),
    "sync": _gunicorn("sync"),
}


@dataclass(frozen=True)
class Soaked:
    """What a soak has found.

    Args:
        before: what the warm service held.
        after: what it held at the end.
        exchanges: how many there were in between.
        faults: what was left behind, and exchanges that went wrong.
    """

    before: Look
    after: Look
    exchanges: int
    faults: list[str]

    def __str__(self) -> str:
        found = [f"FAULT: {fault}" for fault in self.faults] or ["nothing was left behind"]
        return "\n".join(
            ["warm:", str(self.before), f"after {self.exchanges:,} exchanges:", str(self.after), *found]
        )


def soak(server: str, *, warm_up: float = WARM_UP_SECONDS, seconds: float) -> Soaked:
    """Serve, and see what minutes of mixed load leave behind.

    Args:
        server: one of SERVERS.
        warm_up: seconds at full load; where they are fewer than it takes, resident memory is not compared.
        seconds: at half load.
    """
    with SERVERS[server]() as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        load = Load(service.port, EXCHANGES, clients=_CLIENTS)
        load.run(warm_up)
        before, performed = _lowest(service), load.counts.total()
        load.run(seconds, workers=1)
        after, left = _settled(service, before, is_warm=warm_up >= WARM_UP_SECONDS)
        unheard = [words for words in (*UNHEARD, "Traceback") if words in service.log()]
    wrong = [f"{kind}: {fault}" for kind, faults in load.faults.items() for fault in faults]
    logged = [f"the log has {words!r}" for words in unheard]
    return Soaked(before, after, load.counts.total() - performed, [*left, *wrong, *logged])


def _lowest(service: Service) -> Look:
    """Return what a service holds when its abandoned calls have ended: the least of several looks."""
    end, least = time.monotonic() + _ENDING_SECONDS, Look.at(service)
    while time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        least = min(least, Look.at(service), key=Look.weight)
    return least


def _settled(service: Service, before: Look, *, is_warm: bool) -> tuple[Look, list[str]]:
    """Return what a service holds, and what of it was left behind, once that is nothing or time is up."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        now = Look.at(service)
        left = now.faults_since(before, is_warm=is_warm)
        if not left or time.monotonic() > end:
            return now, left
        time.sleep(_POLL_SECONDS)
