"""What strangers' files cost a running service: bounded memory, bounded time, and nothing that stays."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.decoding import bombs
from tests.media import samples
from tests.selection import matrix
from tests.services.hosts import gone_in_the_end, processes, wait_until
from tests.services.raw_http import Answer, connect
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve
from tests.with_media import need_media

pytestmark = pytest.mark.processes

MIB = 1 << 20

#: Memory that a decoder may have taken at its peak: itself, the limit, and what it works with.
PEAK = 400 * MIB

#: Memory of all processes after everything, beside what it was after the first file of each kind.
KEPT = 48 * MIB

APP = "tests.services.media_apps"

FIELDS = {"see": "image", "hear": "sound", "watch": "film", "count": "film"}

BOMBS = {
    **{name: ("see", make) for name, make in bombs.IMAGES.items()},
    **{name: ("hear", make) for name, make in bombs.SOUNDS.items()},
    **{name: ("watch", make) for name, make in bombs.FILMS.items()},
}

#: One of each kind; the others are made by the same code, and are tried without a service.
QUICK = ("tiff_with_a_large_tile", "webp_of_a_large_canvas", "avif_larger_than_it_says", "flac_of_silence")


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def send(service: Service, handler: str, content: bytes) -> Answer:
    """Send a file to a handler, as a part of a form."""
    name = FIELDS[handler]
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode()
    body = head + content + b"\r\n--cut--\r\n"
    lines = [
        f"POST /{handler} HTTP/1.1",
        "Host: localhost",
        "Content-Type: multipart/form-data; boundary=cut",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    with connect(service.port) as connection:
        answer = connection.ask("\r\n".join([*lines, "", ""]).encode() + body)
    assert answer is not None
    return answer


def sample_of(handler: str) -> bytes:
    return {"see": samples.image(), "hear": samples.audio()}.get(handler) or samples.video()


def memory(service: Service, field: str) -> dict[int, int]:
    """Return a field of proc(5) status, in bytes, of each process of a service."""
    found = {}
    for pid in processes(service):
        with contextlib.suppress(OSError, ValueError):
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            found[pid] = int(lines[field].split()[0]) * 1024
    return found


def decoders(service: Service) -> list[int]:
    return [pid for pid, line in processes(service).items() if "decoding.worker" in line]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with gone_in_the_end(serve(f"{APP}:service()", workers=1, args=("--threads", "8"))) as started:
        for handler in ("see", "hear", "watch"):
            assert send(started, handler, sample_of(handler)).status == 200
        yield started


@pytest.mark.parametrize("name", matrix(BOMBS, *QUICK))
def test_a_bomb_takes_little_and_leaves_nothing(name: str, service: Service) -> None:
    handler, make = BOMBS[name]
    content = make()
    before = sum(memory(service, "VmRSS").values())

    answer = send(service, handler, content)

    assert answer.status in (400, 413) or name == "avif_larger_than_it_says"
    if answer.status != 200:
        error = answer.json()["error"]
        assert error.startswith(f"{FIELDS[handler]}: ")
        assert "\n" not in error
        assert len(error) < 200
    assert max(memory(service, "VmHWM").values()) < PEAK
    assert send(service, handler, sample_of(handler)).status == 200
    wait_until(lambda: sum(memory(service, "VmRSS").values()) < before + KEPT)


SLOW_START = ("--threads", "8")

SERVERS: dict[str, Callable[[str, dict[str, str]], contextlib.AbstractContextManager[Service]]] = {
    "gthread": lambda app, env: serve(f"{APP}:{app}()", workers=1, env=env, args=SLOW_START),
    "gevent": lambda app, env: serve(f"{APP}:{app}()", worker_class="gevent", workers=1, env=env),
    "asgi": lambda app, env: serve(f"{APP}:{app}()", worker_class="asgi", workers=1, env=env),
    "granian wsgi": lambda app, env: granian("wsgi", app, env),
    "granian asgi": lambda app, env: granian("asgi", app, env),
}


def granian(interface: str, app: str, env: dict[str, str]) -> contextlib.AbstractContextManager[Service]:
    words = ["--interface", interface, "--port", "{port}", "--workers", "1", "--factory", f"{APP}:{app}"]
    return launch([sys.executable, "-m", "granian", *words], env=env, stop_seconds=BRIEF_SECONDS)


def slow_picture() -> bytes:
    """Return a picture that takes seconds, and no more memory than it may."""
    return bombs.slow_bmp()


@pytest.mark.parametrize("server", matrix(SERVERS, "gthread", "gevent", "asgi"))
def test_a_decode_ends_in_time_and_others_are_answered_meanwhile(server: str) -> None:
    env = {"MODEL_SERVING_DECODE_TIMEOUT": "1"}
    content = slow_picture()
    with gone_in_the_end(SERVERS[server]("service", env)) as service:
        assert send(service, "see", sample_of("see")).status == 200
        with ends_of(service, content, 2) as answers:
            waits = [seconds_of(lambda: service.status("/livez")) for _ in range(10)]
        after = send(service, "see", sample_of("see"))

    assert [answer.status for answer in answers] == [413, 413], [answer.body for answer in answers]
    assert "takes longer than 1 s to decode" in answers[0].json()["error"]
    assert min(waits) < 0.5
    assert after.status == 200


@contextlib.contextmanager
def ends_of(service: Service, content: bytes, number: int) -> Iterator[list[Answer]]:
    """Send a picture several times at once, and wait for the answers at the end of the block."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(send(service, "see", content))) for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        for thread in threads:
            thread.join()


def seconds_of(action: Callable[[], int]) -> float:
    since = time.monotonic()
    assert action() == 200
    return time.monotonic() - since


def test_a_decode_ends_at_the_routes_deadline() -> None:
    with gone_in_the_end(serve(f"{APP}:in_time()", workers=1)) as service:
        answer = send(service, "see", slow_picture())
        wait_until(lambda: send(service, "see", sample_of("see")).status == 200)

    assert answer.status == 504
    assert answer.json()["code"] == "deadline_exceeded"


def test_no_more_than_two_files_are_decoded_at_once(service: Service) -> None:
    with ends_of(service, samples.image(), 8) as answers:
        pass

    assert [answer.status for answer in answers] == [200] * 8
    assert 1 <= len(decoders(service)) <= 2


def test_a_decoder_that_dies_takes_its_file_along_and_no_other(service: Service) -> None:
    with ends_of(service, slow_picture(), 1) as answers:
        wait_until(lambda: any(runs(pid) for pid in decoders(service)))
        for pid in decoders(service):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSEGV)
    after = send(service, "see", sample_of("see"))

    assert answers[0].status == 400
    assert answers[0].json()["error"] == "image: the image/bmp is broken, or takes more to decode than it may"
    assert after.status == 200


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    return False


def test_a_decoder_has_none_of_the_services_secrets_and_sockets() -> None:
    env = {"MODEL_SERVING_API_KEYS": "the-secret-key", "AWS_SECRET_ACCESS_KEY": "another"}
    with gone_in_the_end(serve(f"{APP}:service()", workers=1, env=env)) as service:
        body = json.dumps({"image": base64.b64encode(samples.image()).decode()}).encode()
        with connect(service.port) as connection:
            answer = connection.ask(
                b"POST /see HTTP/1.1\r\nHost: localhost\r\nX-API-Key: the-secret-key\r\n",
                b"Content-Type: application/json\r\n",
                b"Content-Length: %d\r\n\r\n" % len(body),
                body,
            )
        [pid] = decoders(service)
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        descriptors = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}

    assert answer is not None
    assert answer.status == 200
    assert b"secret" not in environ
    assert b"another" not in environ
    assert descriptors == {0, 1, 2}


def test_a_replica_has_decoders_of_its_own_that_end_with_it() -> None:
    with gone_in_the_end(serve(f"{APP}:hosted()", workers=1)) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)

        assert send(service, "see", sample_of("see")).json() == [24, 32, 3]
        assert send(service, "see", bombs.tiff_with_a_large_tile()).status == 413
        assert len(decoders(service)) == 1
