"""What `--reload` looks at, when it ends a worker, and what stands in for code that can't be loaded."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aylien_model_serving.rpc.code_files import Stamp, stamp_of
from aylien_model_serving.servers.gunicorn import checks, reloading
from aylien_model_serving.servers.gunicorn.reloading import CodeWatch
from aylien_model_serving.servers.gunicorn.stand_in import StandIn, StandInResponse
from tests.web.asgi_client import NEEDS_A_LOOP
from tests.with_packages import need

LOG = logging.getLogger("gunicorn.error")


class Watched:
    """A file that is looked at, and the files for which its worker was ended."""

    def __init__(self, path: Path) -> None:
        path.write_text("A = 1")
        self.path = path
        self.expected: dict[str, Stamp] = {str(path): stamp_of(str(path))}
        self.ended: list[str] = []
        self.watch = CodeWatch(lambda: self.expected, self.ended.append, LOG)

    def write(self, text: str) -> None:
        self.path.write_text(text)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "helper.py")


def test_a_file_that_stays_ends_nothing(watched: Watched) -> None:
    watched.watch._look()

    assert watched.ended == []


def test_a_change_ends_the_worker_once(watched: Watched) -> None:
    watched.write("A = 22")
    watched.watch._look()
    watched.write("A = 333")
    watched.watch._look()

    assert watched.ended == [str(watched.path)]


def test_one_that_can_not_be_compiled_is_told_of_once_and_waits_for_the_next(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("A = (")
    watched.watch._look()
    watched.watch._look()
    assert watched.ended == []
    [record] = caplog.records
    assert f"{watched.path}, line 1: " in record.getMessage()

    watched.write("A = (1)")
    watched.watch._look()
    assert watched.ended == [str(watched.path)]


@pytest.mark.parametrize("content", [b"\0", b"\xff\xfe", b"# coding: none\n"])
def test_what_is_no_text_can_not_be_compiled_either(watched: Watched, content: bytes) -> None:
    watched.path.write_bytes(content)

    watched.watch._look()

    assert watched.ended == []


def test_a_file_that_an_editor_replaces_is_waited_for(watched: Watched) -> None:
    watched.path.unlink()
    watched.watch._look()
    assert watched.ended == []

    watched.write("A = 22")
    watched.watch._look()
    assert watched.ended == [str(watched.path)]


def test_files_of_a_failed_import_are_looked_at_from_then_on(watched: Watched, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError")
    watched.watch.add([str(broken)])
    watched.watch._look()
    assert watched.ended == []

    broken.write_text("")
    watched.watch._look()
    assert watched.ended == [str(broken)]


def test_a_module_that_was_modified_while_it_was_loaded_ends_the_worker(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = [str(watched.path)]
    monkeypatch.setattr(reloading.code_files, "imported", lambda: imported)

    watched.watch._look_at_imported()
    os.utime(watched.path, ns=(0, watched.watch._began_ns + 1))
    watched.watch._look_at_imported()

    assert watched.ended == imported


def test_one_from_before_or_from_the_future_was_not(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading.code_files, "imported", lambda: [str(watched.path)])

    for modified_ns in (watched.watch._began_ns - 1, watched.watch._began_ns + 10**12):
        os.utime(watched.path, ns=(0, modified_ns))
        watched.watch._look_at_imported()

    assert watched.ended == []


def test_inotify_names_a_file_without_its_folder(watched: Watched) -> None:
    watched.write("A = (")
    reloading._on_modified(watched.watch, lambda: ["/other.py", str(watched.path)], "helper.py")
    assert watched.ended == []

    watched.write("A = 22")
    reloading._on_modified(watched.watch, lambda: ["/other.py", str(watched.path)], "helper.py")
    assert watched.ended == [str(watched.path)]


def patched(worker: Any) -> list[str]:
    """Patch a worker, and return the warnings."""
    checks._warned.clear()
    reloading.patch_reload(worker, dict, print, print)
    return sorted(checks._warned)


def test_without_what_it_relies_on_gunicorns_reloader_stays_as_it_is() -> None:
    app = SimpleNamespace(callable=None)
    members: dict[str, Any] = {"load_wsgi": print, "app": app, "reloader": None}
    config = SimpleNamespace(reload=True)

    assert patched(SimpleNamespace(cfg=config, **members)) == []
    for name in members:
        worker = SimpleNamespace(cfg=config, **{key: members[key] for key in members if key != name})
        assert len(patched(worker)) == 1
    assert len(patched(SimpleNamespace(cfg=config, **{**members, "app": None}))) == 1


def test_without_reload_nothing_is_patched() -> None:
    assert patched(SimpleNamespace(cfg=SimpleNamespace(reload=False))) == []


@pytest.fixture
def stand_in() -> StandIn:
    headers = [("Content-Type", "text/plain"), ("Retry-After", "1")]
    return StandIn(lambda: StandInResponse("503 Service Unavailable", headers, b"later"))


def test_servers_that_inspect_a_stand_in_take_it_for_an_asgi_application(stand_in: StandIn) -> None:
    need("uvicorn")
    from uvicorn import Config

    config = Config(stand_in)
    config.load()

    assert config.interface == "asgi3"


def test_a_stand_in_answers_by_wsgi(stand_in: StandIn) -> None:
    begun: list[Any] = []

    body = stand_in({}, lambda *given: begun.append(given))

    assert list(body) == [b"later"]  # type: ignore[arg-type]
    assert begun == [("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "1")])]


@NEEDS_A_LOOP
@pytest.mark.parametrize(
    ("kind", "events", "sent"),
    [
        ("http", [], ["http.response.start", "http.response.body"]),
        ("websocket", [], ["websocket.close"]),
        (
            "lifespan",
            ["lifespan.startup", "lifespan.shutdown"],
            ["lifespan.startup.complete", "lifespan.shutdown.complete"],
        ),
    ],
)
def test_a_stand_in_answers_by_asgi(stand_in: StandIn, kind: str, events: list[str], sent: list[str]) -> None:
    answered: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": events.pop(0)}

    async def send(message: Any) -> None:
        answered.append(message)

    call: Any = stand_in({"type": kind}, receive, send)
    asyncio.run(call)

    assert [message["type"] for message in answered] == sent
    if kind == "http":
        assert answered[0]["status"] == 503
        assert answered[0]["headers"][1] == (b"retry-after", b"1")
