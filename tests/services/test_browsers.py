"""Hosts, origins and names of headers on real servers, which each tell an application something else."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.selection import matrix
from tests.services.serving import Service, launch

pytestmark = pytest.mark.processes

TARGET = "tests.services.apps:answering"

SERVERS = {
    **{
        name: (
            "gunicorn",
            "--no-control-socket",
            "--worker-class",
            name,
            "--bind",
            "{host}:{port}",
            f"{TARGET}()",
        )
        for name in ("sync", "gthread", "gevent", "asgi")
    },
    **{
        f"granian {interface}": (
            "granian",
            "--interface",
            interface,
            "--host",
            "{host}",
            "--port",
            "{port}",
            "--factory",
            TARGET,
        )
        for interface in ("wsgi", "asgi")
    },
    "uvicorn": ("uvicorn", "--host", "{host}", "--port", "{port}", "--factory", TARGET),
    "uvicorn, two workers": (
        "uvicorn",
        "--host",
        "{host}",
        "--port",
        "{port}",
        "--workers",
        "2",
        "--factory",
        TARGET,
    ),
}

NAMES = matrix(SERVERS, "gthread", "asgi")


def command(server: str, host: str) -> list[str]:
    return [sys.executable, "-m", *(word.replace("{host}", host) for word in SERVERS[server])]


@pytest.fixture(params=NAMES, scope="module")
def local(request: pytest.FixtureRequest) -> Iterator[tuple[str, Service]]:
    """A service that only this machine reaches."""
    env = {"MODEL_SERVING_API_KEYS": "secret"}
    with launch(command(request.param, "127.0.0.1"), env=env) as service:
        yield request.param, service


@pytest.fixture(params=NAMES, scope="module")
def opened(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service that everybody reaches, for one origin."""
    env = {"MODEL_SERVING_CORS_ORIGINS": "https://app.example.com"}
    with launch(command(request.param, "0.0.0.0"), env=env) as service:
        yield service


def post(service: Service, path: str = "/", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{service.url}{path}", json={"text": "a"}, headers=named, timeout=30)


def code(response: httpx.Response) -> Any:
    return response.status_code, response.json().get("code")


def test_a_local_service_refuses_names_that_lead_to_it(local: tuple[str, Service]) -> None:
    _, service = local

    for path in ("/", "/metrics", "/nowhere"):
        refused = post(service, path, host=f"rebound.example:{service.port}", x_api_key="secret")
        assert code(refused) == (400, "host_not_allowed")
        assert "MODEL_SERVING_ALLOWED_HOSTS" in refused.json()["error"]
    for host in (f"localhost:{service.port}", "127.0.0.1", "[::1]:80", "models.localhost"):
        assert post(service, host=host, x_api_key="secret").status_code == 200


def test_probes_are_answered_for_every_host(local: tuple[str, Service]) -> None:
    _, service = local

    assert httpx.get(f"{service.url}/livez", headers={"host": "10.1.2.3"}).status_code == 200


def test_a_key_counts_under_its_own_name_alone(local: tuple[str, Service]) -> None:
    server, service = local
    is_blurred = server == "granian wsgi"  # which hands both names over as one, as the guide says

    answer = httpx.post(service.url, json={"text": "a"}, headers={"X_API_KEY": "secret"})

    assert answer.status_code == (200 if is_blurred else 401)


def test_an_open_service_answers_every_name_also_through_the_loopback(opened: Service) -> None:
    for host in ("models.example.com", f"localhost:{opened.port}", "10.1.2.3:8000"):
        assert post(opened, host=host).status_code == 200


def test_origins_are_told_apart(opened: Service) -> None:
    named = post(opened, origin="https://app.example.com", sec_fetch_site="cross-site")
    foreign = post(opened, origin="https://evil.example", sec_fetch_site="cross-site")
    program = post(opened)

    assert named.status_code == 200
    assert named.headers["access-control-allow-origin"] == "https://app.example.com"
    assert code(foreign) == (403, "cross_origin_refused")
    assert "access-control-allow-origin" not in foreign.headers
    assert {answer.headers["vary"] for answer in (named, foreign, program)} == {"Origin"}
    assert {answer.headers["x-content-type-options"] for answer in (named, foreign, program)} == {"nosniff"}


def test_a_preflight_is_answered(opened: Service) -> None:
    asked = {"origin": "https://app.example.com", "access-control-request-method": "POST"}

    answer = httpx.options(opened.url, headers=asked)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert httpx.get(f"{opened.url}/livez").status_code == 200  # the connection was not left in the middle


@pytest.mark.parametrize("worker_class", matrix(["gthread", "asgi"], "asgi"))
def test_a_service_on_a_unix_socket_answers_every_name(worker_class: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    words = ("--worker-class", worker_class, "--bind", f"unix:{path}", f"{TARGET}()")
    started = launch([sys.executable, "-m", "gunicorn", "--no-control-socket", *words], ready=None)

    with started as service, httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        service.wait_until(lambda: is_listened_at(path))
        answer = client.post("http://models.example.com/", json={"text": "a"}, timeout=30)

    assert answer.status_code == 200


def is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
