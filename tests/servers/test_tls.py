"""A service that speaks TLS itself, with a certificate made here, and certificates that are none."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import urllib.request
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers import tls
from tests.selection import matrix
from tests.services.certificates import Certificate, openssl, self_signed
from tests.services.raw_http import get
from tests.services.serving import PROJECT, Service, launch, serve

SERVICE = """
from aylien_model_serving.service import Service

app = Service("encrypted")

@app.endpoint("/echo")
def echo(text: str) -> str:
    return text
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "cert")


def ask(service: Service, certificate: Certificate) -> object:
    trusted = ssl.create_default_context(cafile=str(certificate.certfile))
    url = f"https://127.0.0.1:{service.port}/echo"
    with urllib.request.urlopen(url, b'{"text": "hello"}', timeout=10, context=trusted) as response:
        return json.loads(response.read())


def answers(service: Service, certificate: Certificate) -> bool:
    try:
        return ask(service, certificate) == "hello"
    except OSError:
        return False


@pytest.mark.processes
@pytest.mark.parametrize(
    "kind",
    matrix(["gunicorn gevent", "gunicorn gthread", "gunicorn asgi", "granian asgi"], "gunicorn gevent"),
)
def test_a_service_is_served_with_tls(certificate: Certificate, tmp_path: Path, kind: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    server, worker_class = kind.split()
    command = [sys.executable, "-m", "aylien_model_serving", "run", "service.py", "--port", "{port}"]
    command += ["--workers", "1", "--server", server, "--worker-class", worker_class]
    command += ["--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile)]

    with launch(command, env={"PYTHONPATH": str(PROJECT)}, cwd=tmp_path, ready=None) as service:
        service.wait_until(lambda: answers(service, certificate))
        log = service.log()

    assert f"https://127.0.0.1:{service.port}/openapi.json" in log
    assert f"listens on https://127.0.0.1:{service.port}" in log


@pytest.mark.processes
def test_a_client_of_gevent_whose_handshake_is_under_way_at_a_stop_is_answered(
    certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "encrypted.py").write_text(SERVICE)
    args = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    serving = serve("encrypted:app", worker_class="gevent", workers=1, args=args, cwd=tmp_path, ready=None)
    trusted = ssl.create_default_context(cafile=str(certificate.certfile))
    with serving as service:
        service.wait_until(lambda: answers(service, certificate))
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            service.process.terminate()
            service.wait_until(lambda: is_refused(service))
            with trusted.wrap_socket(connection, server_hostname="127.0.0.1") as client:
                client.sendall(get("/__ping"))
                answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 200")


def is_refused(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port)).close()
    except ConnectionRefusedError:
        return True
    return False


def refusal(certfile: Path | None, keyfile: Path | None, *, needs_pkcs8: bool = False) -> str:
    names = [None if path is None else str(path) for path in (certfile, keyfile)]
    with pytest.raises(ConfigurationError) as refused:
        tls.check(*names, needs_pkcs8=needs_pkcs8)
    return str(refused.value)


def test_what_is_no_certificate_with_its_key_is_refused_before_a_server_starts(
    certificate: Certificate, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    openssl("genrsa", "-out", other, "2048")
    missing = tmp_path / "missing.pem"

    assert "both a certfile and a keyfile" in refusal(certificate.certfile, None)
    assert "both a certfile and a keyfile" in refusal(None, certificate.keyfile)
    assert refusal(missing, certificate.keyfile) == f"{missing} can't be read: No such file or directory"
    assert "are no certificate with its key" in refusal(certificate.keyfile, certificate.keyfile)
    assert "are no certificate with its key" in refusal(certificate.certfile, other)


def test_a_key_that_asks_for_a_password_is_refused(certificate: Certificate, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    openssl("pkcs8", "-topk8", "-in", certificate.keyfile, "-out", locked, "-passout", "pass:secret")

    assert "the key is encrypted" in refusal(certificate.certfile, locked)


def test_granian_is_given_keys_in_pkcs8_only(certificate: Certificate, tmp_path: Path) -> None:
    old = tmp_path / "old.pem"
    openssl("ec", "-in", certificate.keyfile, "-out", old)

    assert "openssl pkcs8 -topk8" in refusal(certificate.certfile, old, needs_pkcs8=True)
    tls.check(str(certificate.certfile), str(old))
