"""A monitored service that runs, and what its tool has collected of each request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.services.serving import BRIEF_SECONDS, SETTINGS, Service, launch, serve

KEY = "the-key"

#: Without its agent, these variables are nothing to a service.
NEW_RELIC = {
    "NEW_RELIC_DEVELOPER_MODE": "true",  # it connects to nothing
    "NEW_RELIC_HOST": "127.0.0.1",
    "NEW_RELIC_LICENSE_KEY": "0" * 40,
    "NEW_RELIC_STARTUP_TIMEOUT": "10",
}

#: Seconds for a tool to collect a request that has been answered.
COLLECTED_SECONDS = 30.0

Start = Callable[[str, dict[str, str]], AbstractContextManager[Service]]


def gunicorn(worker_class: str) -> Start:
    def start(app: str, env: dict[str, str]) -> AbstractContextManager[Service]:
        return serve(f"{app}()", worker_class=worker_class, workers=1, env=env)

    return start


def program(*words: str, is_factory: bool = True) -> Start:
    def start(app: str, env: dict[str, str]) -> AbstractContextManager[Service]:
        place = (
            ["--factory", app, "--port", "{port}"]
            if is_factory
            else ["--bind", "127.0.0.1:{port}", f"{app}()"]
        )
        return launch([*words, *place], env=env, stop_seconds=BRIEF_SECONDS)

    return start


def _program(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


_PYTHON = (sys.executable, "-m")
_ADMIN = (_program("newrelic-admin"), "run-program")

SERVERS: dict[str, Start] = {
    "asgi": gunicorn("asgi"),
    "gevent": gunicorn("gevent"),
    "gthread": gunicorn("gthread"),
    "sync": gunicorn("sync"),
    "uvicorn": program(*_PYTHON, "uvicorn"),
    "granian asgi": program(*_PYTHON, "granian", "--interface", "asgi"),
    "newrelic-admin uvicorn": program(*_ADMIN, _program("uvicorn")),
    "newrelic-admin gthread": program(
        *(*_ADMIN, _program("gunicorn"), "--no-control-socket"),
        *("--config", str(SETTINGS), "--worker-class", "gthread", "--workers", "1"),
        is_factory=False,
    ),
}


@dataclass(frozen=True)
class Monitored:
    """A service and the file of its tool.

    Args:
        service: it runs.
        file: each line is what the tool would have sent.
    """

    service: Service
    file: Path

    def ask(
        self, path: str, fields: Any = None, *, method: str = "POST", key: str = KEY, **headers: str
    ) -> httpx.Response:
        """Send a request; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        authorization = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.request(
            method, self.service.url + path, json=fields, headers=authorization | named, timeout=60
        )

    def seen(
        self, path: str, fields: Any = None, *, status: int = 200, **options: Any
    ) -> list[dict[str, Any]]:
        """Send a request, and return what the tool has collected of it, its transaction at the end."""
        start = len(self.collected())
        assert self.ask(path, fields, **options).status_code == status
        self._wait_for_transaction(start, path)
        after = len(self.collected())
        self.ask("/__ping", method="GET")  # what is collected twice is collected by then
        self._wait_for_transaction(after, "/__ping")
        return [found for found in self.collected()[start:] if found["path"] == path]

    def seen_once(self, path: str, fields: Any = None, **options: Any) -> dict[str, Any]:
        """Do the same for a request of which one thing alone is to be collected."""
        [found] = self.seen(path, fields, **options)
        assert found["kind"] == "transaction"
        return found

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """Return what the tool has collected with these values, once it has."""

        def matching() -> list[dict[str, Any]]:
            return [found for found in self.collected() if wanted.items() <= found.items()]

        self.service.wait_until(matching, COLLECTED_SECONDS)
        return matching()[0]

    def _wait_for_transaction(self, start: int, path: str) -> None:
        def is_there() -> bool:
            found = self.collected()[start:]
            return any(each["kind"] == "transaction" and each["path"] == path for each in found)

        self.service.wait_until(is_there, COLLECTED_SECONDS)

    def collected(self) -> list[dict[str, Any]]:
        whole = self.file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def monitored(server: str, app: str, folder: Path, env: dict[str, str]) -> Iterator[Monitored]:
    """Run an app of this folder on a server until the block ends."""
    file = folder / "collected"
    file.touch()
    variables = {"COLLECTED": str(file), "MODEL_SERVING_API_KEYS": KEY, **env}
    with SERVERS[server](f"tests.monitoring.{app}", variables) as service:
        yield Monitored(service, file)
