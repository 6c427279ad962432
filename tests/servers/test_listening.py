"""Where Gunicorn listens by gunicorn.conf.py, and what its log says of it."""

import logging
import runpy
from types import SimpleNamespace
from typing import Any

import pytest

from aylien_model_serving import gunicorn_hooks
from tests.services.serving import SETTINGS


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL_SERVING_HOST", raising=False)
    monkeypatch.delenv("MODEL_SERVING_PORT", raising=False)


def server(*addresses: Any) -> Any:
    settings = SimpleNamespace(preload_app=False, address=list(addresses))
    return SimpleNamespace(cfg=settings, log=logging.getLogger("tests.server"))


def test_gunicorn_listens_for_this_machine_alone() -> None:
    assert runpy.run_path(str(SETTINGS))["bind"] == "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "port", "bind"), [("0.0.0.0", "", "0.0.0.0:8000"), ("::", "9000", "[::]:9000")]
)
def test_the_operators_address_goes_before(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, bind: str
) -> None:
    monkeypatch.setenv("MODEL_SERVING_HOST", host)
    if port:
        monkeypatch.setenv("MODEL_SERVING_PORT", port)

    assert runpy.run_path(str(SETTINGS))["bind"] == bind


@pytest.mark.parametrize(
    ("addresses", "is_told"),
    [
        ([("127.0.0.1", 8000)], True),
        ([("localhost", 8000), ("::1", 8000)], True),
        ([("127.0.0.1", 8000), ("10.0.0.1", 8000)], False),
        ([("0.0.0.0", 8000)], False),
        (["/run/service.sock"], False),
    ],
)
def test_the_log_tells_what_opens_a_service_that_only_this_machine_reaches(
    caplog: pytest.LogCaptureFixture, addresses: list[Any], is_told: bool
) -> None:
    with caplog.at_level("INFO"):
        gunicorn_hooks.when_ready_to_tell(server(*addresses))

    assert ("MODEL_SERVING_HOST=0.0.0.0" in caplog.text) == is_told


def test_a_refusal_of_gunicorns_own_has_its_type_taken_as_it_is() -> None:
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in gunicorn_hooks._refusal(400, "Broken")
