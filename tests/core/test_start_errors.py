"""What keeps a service from starting is told by its sentence, its place, and the service's own frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aylien_model_serving import FlaskAppWrapper, Service
from aylien_model_serving.core import start_errors
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError


def length(text: str) -> int:
    return len(text)


class Unloadable:
    def __call__(self, text: str) -> str:
        raise OSError("weights.bin is gone")


def test_a_mistake_has_the_line_of_the_service_that_made_it() -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app([{"endpoint": "/length", "callable": length, "cach": True}])

    line = raised.tb.tb_lineno
    place = f"{os.path.relpath(__file__)}, line {line}"
    assert start_errors.told(raised.value) == (
        f"The service can't start: {place}: route '/length': unknown key 'cach'; did you mean 'cache'?"
    )


def test_a_decorators_mistake_has_the_line_of_the_decorator() -> None:
    app = Service()

    with pytest.raises(ConfigurationError) as raised:

        @app.endpoint("/length", runner={"replicass": 2})
        def replicated(text: str) -> int:
            return len(text)

    assert f"test_start_errors.py, line {raised.tb.tb_lineno}: route " in start_errors.told(raised.value)


def test_an_error_of_the_services_own_code_keeps_its_frames_alone() -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app([{"endpoint": "/", "callable": Unloadable, "warmup": {"text": "hi"}}])

    head, _, traceback = start_errors.told(raised.value).partition("\n")
    assert head.endswith("route '/': key 'warmup': the call failed: weights.bin is gone")
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.count("  File ") == 1
    assert 'raise OSError("weights.bin is gone")' in traceback
    assert traceback.endswith("OSError: weights.bin is gone")


def test_an_error_of_another_kind_is_told_by_its_own_frames() -> None:
    class Model:
        def __init__(self) -> None:
            raise KeyError("weights")

        def __call__(self, text: str) -> str:
            return text

    with pytest.raises(KeyError) as raised:
        FlaskAppWrapper.create_app([{"endpoint": "/", "callable": Model}])

    head, *lines = start_errors.told(raised.value).splitlines()
    assert head == "The service can't start"
    assert lines[1].startswith(f'  File "{__file__}"')
    assert lines[-1] == "KeyError: 'weights'"


def test_a_cause_in_the_library_itself_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app([{"endpoint": "/<nosuch:id>", "callable": length}])

    assert raised.value.__cause__ is not None
    assert "\n" not in start_errors.told(raised.value)


def test_a_setting_is_its_own_place() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.load({"MODEL_SERVING_PORT": "abc"})

    assert start_errors.told(raised.value) == (
        "The service can't start: MODEL_SERVING_PORT='abc': expected a port from 1 to 65535"
    )


def test_passwords_of_urls_are_not_told() -> None:
    told = start_errors.told(ConfigurationError("redis://:hunter2@cache can't be reached"))

    assert told == "The service can't start: redis://***@cache can't be reached"


def test_a_file_elsewhere_keeps_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert start_errors.near(__file__) == __file__
    assert start_errors.near(str(tmp_path / "service.py")) == "service.py"
