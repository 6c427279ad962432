"""A patch whose target Gunicorn lacks is left out with one warning, and the service starts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.asgi.parser import PythonProtocol
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.http import wsgi
from gunicorn.workers.base import Worker

from aylien_model_serving import gunicorn_hooks
from aylien_model_serving.servers.gunicorn import boot_patches, checks, patches
from aylien_model_serving.servers.gunicorn.per_request_caches import CachedDate
from tests.with_packages import need

#: A master that starts anew.
ARBITER = SimpleNamespace(master_pid=0, WORKERS={}, stop=print, reap_workers=print)

#: What is replaced, and where it is.
REPLACED = [
    (util, "write_error"),
    (util, "close_graceful"),
    (util, "http_date"),
    (wsgi, "WSGIErrorsWrapper"),
    (ASGIProtocol, "_send_error_response"),
    (PythonProtocol, "_finalize_headers"),
]


@pytest.fixture(autouse=True)
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after a test what it patches, and let it warn as a new process does."""
    monkeypatch.setattr(checks, "_warned", set())
    for owner, name in [*REPLACED, (ASGIProtocol, "_h1c_protocol_class"), (ASGIProtocol, "_h1c_available")]:
        monkeypatch.setattr(owner, name, getattr(owner, name))


def test_this_gunicorn_has_all_that_is_patched(warnings: list[str]) -> None:
    before = [getattr(owner, name) for owner, name in REPLACED]

    gunicorn_hooks.on_starting(ARBITER)

    after = [getattr(owner, name) for owner, name in REPLACED]
    assert all(one is not other for one, other in zip(before, after, strict=True))
    assert warnings == []


def test_a_second_master_in_one_process_patches_without_a_warning(warnings: list[str]) -> None:
    gunicorn_hooks.on_starting(ARBITER)
    gunicorn_hooks.on_starting(ARBITER)

    assert warnings == []


@pytest.mark.parametrize(("owner", "name"), REPLACED, ids=[name for _, name in REPLACED])
def test_without_what_a_patch_replaces_the_service_starts_and_warns_once(
    owner: Any, name: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)

    gunicorn_hooks.on_starting(ARBITER)
    gunicorn_hooks.on_starting(ARBITER)

    [warning] = warnings
    assert name in warning
    assert not hasattr(owner, name)


@pytest.mark.parametrize(("owner", "name"), REPLACED, ids=[name for _, name in REPLACED])
def test_a_function_with_other_parameters_is_left_as_it_is(
    owner: Any, name: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        def __init__(self, stream: object, *more: object) -> None: ...

        write = None

    monkeypatch.setattr(owner, name, Other)

    gunicorn_hooks.on_starting(ARBITER)

    [warning] = warnings
    assert name in warning
    assert getattr(owner, name) is Other


def test_without_the_asgi_workers_protocol_the_service_starts_and_warns(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("gunicorn.asgi.protocol.ASGIProtocol")

    gunicorn_hooks.on_starting(ARBITER)

    [warning] = warnings
    assert "gunicorn.asgi.protocol.ASGIProtocol" in warning


@pytest.mark.parametrize("name", ["_check_h1c_protocol_available", "_h1c_protocol_class"])
def test_without_the_parser_in_c_of_the_protocol_the_service_starts_and_warns(
    name: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("gunicorn_h1c")
    ASGIProtocol._check_h1c_protocol_available()
    monkeypatch.delattr(ASGIProtocol, name)

    gunicorn_hooks.on_starting(ARBITER)

    [warning] = warnings
    assert name in warning


OLD_PARSERS: dict[str, Callable[..., object]] = {
    "that the collector does not see into": lambda limit_remaining: 0,
    "without a limit of what follows": list,
}


@pytest.mark.parametrize("kind", OLD_PARSERS)
def test_an_old_parser_in_c_is_left_for_the_one_in_python(
    kind: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("gunicorn_h1c")
    monkeypatch.setattr(ASGIProtocol, "_h1c_available", True)
    monkeypatch.setattr(ASGIProtocol, "_h1c_protocol_class", OLD_PARSERS[kind])

    gunicorn_hooks.on_starting(ARBITER)

    [warning] = warnings
    assert "gunicorn_h1c 0.6.10" in warning
    assert ASGIProtocol._h1c_protocol_class is PythonProtocol


def test_the_warning_says_the_version_and_what_follows(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(util, "write_error")

    gunicorn_hooks.on_starting(ARBITER)

    assert warnings[0].startswith("Gunicorn 2")
    assert warnings[0].endswith(
        "lacks gunicorn.util.write_error(sock, status_int, reason, mesg): "
        "refusals of Gunicorn's own are HTML, not JSON"
    )


@pytest.mark.parametrize("member", ["stop", "reap_workers"])
def test_a_master_without_what_a_stop_is_made_of_is_left_as_it_is(member: str, warnings: list[str]) -> None:
    members = vars(ARBITER) | {member: None}
    del members[member]

    for _ in range(2):
        gunicorn_hooks.on_starting(SimpleNamespace(**members))

    [warning] = warnings
    assert member in warning


@pytest.mark.parametrize("member", ["init_process", "booted", "log"])
def test_a_worker_without_what_starts_it_is_left_as_it_is(member: str, warnings: list[str]) -> None:
    members = {"init_process": print, "booted": False, "log": None}
    del members[member]

    boot_patches.patch_boot(SimpleNamespace(**members))

    [warning] = warnings
    assert member in warning


def test_gunicorns_masters_and_workers_have_what_a_start_that_fails_needs(arbiter: Any) -> None:
    assert callable(arbiter.Arbiter.stop)
    assert callable(arbiter.Arbiter.reap_workers)
    assert callable(Worker.init_process)
    assert {"booted", "log"} <= set(Worker.__init__.__code__.co_names)


@pytest.mark.parametrize("member", ["init_signals", "booted", "alive"])
def test_a_worker_without_what_handles_signals_keeps_its_own_handlers(
    member: str, warnings: list[str]
) -> None:
    members = {"init_signals": print, "booted": False, "alive": True}
    del members[member]
    before = signal.getsignal(signal.SIGTERM)

    for _ in range(2):
        patches.patch_signals(SimpleNamespace(**members))

    [warning] = warnings
    assert member in warning
    assert signal.getsignal(signal.SIGTERM) is before


def test_gunicorns_workers_have_what_handles_signals() -> None:
    assert callable(Worker.init_signals)
    assert {"booted", "alive"} <= set(Worker.__init__.__code__.co_names)


def test_the_loop_of_an_asgi_worker_listens_with_the_backlog_of_the_settings(warnings: list[str]) -> None:
    listened: list[int] = []
    loop = SimpleNamespace(create_server=lambda *, backlog=100: listened.append(backlog))
    worker = SimpleNamespace(asgi=None, loop=loop, cfg=SimpleNamespace(backlog=2048))

    patches.patch_backlog(worker)
    worker.loop.create_server()

    assert listened == [2048]
    assert warnings == []


@pytest.mark.parametrize("lacking", ["loop", "backlog"])
def test_an_asgi_worker_without_a_loop_or_a_backlog_is_left_as_it_is(
    lacking: str, warnings: list[str]
) -> None:
    loop = asyncio.new_event_loop()
    settings = SimpleNamespace() if lacking == "backlog" else SimpleNamespace(backlog=2048)
    members = {} if lacking == "loop" else {"loop": loop}

    for _ in range(2):
        patches.patch_backlog(SimpleNamespace(asgi=None, cfg=settings, **members))

    loop.close()
    [warning] = warnings
    assert lacking in warning


def test_a_wsgi_worker_has_no_loop_and_no_warning(warnings: list[str]) -> None:
    patches.patch_backlog(SimpleNamespace(wsgi=None, cfg=None))

    assert warnings == []


def test_the_date_is_cached_once_however_often_it_is_patched() -> None:
    gunicorn_hooks.on_starting(ARBITER)

    assert isinstance(util.http_date, CachedDate)


@pytest.mark.parametrize(("master_pid", "is_kept"), [(0, False), (4711, True)])
def test_a_master_that_takes_over_after_sigusr2_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_pid: int, is_kept: bool
) -> None:
    monkeypatch.setenv("MODEL_SERVING_METRICS_DIR", str(tmp_path))
    counted = tmp_path / "counter_slot0.db"
    counted.write_bytes(b"")

    gunicorn_hooks.on_starting(SimpleNamespace(master_pid=master_pid))

    assert counted.exists() == is_kept
