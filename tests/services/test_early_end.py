"""A worker that is told to go while it loads the app goes at once; one that serves ends what it has begun."""

import signal
import time
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.hosts import processes, wait_until
from tests.services.raw_http import connect, head
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

SERVICE = """
import time
from pathlib import Path

from aylien_model_serving import FlaskAppWrapper

for name in ("{entered}", "{loading}"):
    Path(name).touch()
    while name == "{loading}" and Path(name).exists():
        time.sleep(0.01)

def slow(seconds: float) -> str:
    Path("{entered}").touch()
    time.sleep(seconds)
    return "done"

app = FlaskAppWrapper.create_app([{{"endpoint": "/slow", "callable": slow, "methods": ["GET"]}}])
"""

UNWINDS = """
import time
from pathlib import Path

Path("loading").touch()
try:
    time.sleep(60)
finally:
    Path("unwinding").touch()
    while not Path("over").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = {name: tmp_path / name for name in ("entered", "loading")}
    (tmp_path / "loads.py").write_text(SERVICE.format(**names))
    return tmp_path


def seconds_until_gone(service: Service, number: signal.Signals) -> float:
    start = time.monotonic()
    service.process.send_signal(number)
    service.process.wait(10)
    wait_until(lambda: not processes(service))
    return time.monotonic() - start


@pytest.mark.parametrize("number", matrix([signal.SIGTERM, signal.SIGINT], signal.SIGTERM))
@pytest.mark.parametrize("worker_class", matrix(["asgi", "gevent", "gthread"], "gevent"))
def test_a_worker_that_loads_the_app_goes_at_once(
    worker_class: str, number: signal.Signals, folder: Path
) -> None:
    with serve("loads:app", worker_class=worker_class, workers=1, cwd=folder, ready=None) as service:
        wait_until((folder / "loading").exists)
        seconds = seconds_until_gone(service, number)
        log = service.log()

    assert seconds < 3
    assert "Traceback" not in log
    assert "SIGKILL" not in log


def test_a_worker_that_ends_while_it_loads_has_no_client_wait_for_it(tmp_path: Path) -> None:
    (tmp_path / "unwinds.py").write_text(UNWINDS)
    with serve("unwinds:app", worker_class="gthread", workers=1, cwd=tmp_path, ready=None) as service:
        wait_until((tmp_path / "loading").exists)
        service.process.terminate()
        wait_until((tmp_path / "unwinding").exists)
        try:
            with pytest.raises(ConnectionRefusedError), connect(service.port):
                pass
        finally:
            (tmp_path / "over").touch()


@pytest.mark.parametrize("worker_class", matrix(["asgi", "gevent", "gthread"], "gevent"))
def test_a_worker_that_serves_answers_what_is_in_flight_before_it_goes(
    worker_class: str, folder: Path
) -> None:
    with serve("loads:app", worker_class=worker_class, workers=1, cwd=folder, ready=None) as service:
        wait_until((folder / "loading").exists)
        (folder / "loading").unlink()
        service.wait_until(lambda: service.status("/__ping") == 200)
        (folder / "entered").unlink()
        with connect(service.port) as connection:
            connection.send(head("Connection: close", method="GET", path="/slow?seconds=1"))
            wait_until((folder / "entered").exists)
            seconds = seconds_until_gone(service, signal.SIGTERM)
            answer = connection.answer()

    assert answer is not None
    assert (answer.status, answer.json()) == (200, "done")
    assert seconds < 6


def test_a_quick_end_of_an_asgi_worker_waits_for_nobody(folder: Path) -> None:
    with serve("loads:app", worker_class="asgi", workers=1, cwd=folder, ready=None) as service:
        wait_until((folder / "loading").exists)
        (folder / "loading").unlink()
        service.wait_until(lambda: service.status("/__ping") == 200)
        (folder / "entered").unlink()
        with connect(service.port) as connection:
            connection.send(head(method="GET", path="/slow?seconds=2"))
            wait_until((folder / "entered").exists)
            seconds = seconds_until_gone(service, signal.SIGINT)

    assert seconds < 5
