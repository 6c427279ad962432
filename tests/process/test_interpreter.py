"""How a fresh interpreter finds the package, and its environment is restored."""

import os
import sysconfig
from pathlib import Path

import pytest

import aylien_model_serving
from aylien_model_serving.process import interpreter

ROOT = str(Path(aylien_model_serving.__file__).parents[1])


@pytest.mark.parametrize(
    "environ", [{}, {"PYTHONPATH": ""}, {"PYTHONPATH": "a"}, {"PYTHONPATH": "a:b", "x": "y"}]
)
def test_the_packages_folder_leads_the_path_and_is_removed(environ: dict[str, str]) -> None:
    made = interpreter.environment(environ)
    first = made["PYTHONPATH"].split(os.pathsep)[0]

    interpreter.restore(made)

    assert first == ROOT
    assert made == {name: value for name, value in environ.items() if value}


def test_the_environment_of_an_installed_package_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: ROOT)

    assert interpreter.environment({"a": "b"}) == {"a": "b"}


def test_a_path_without_the_packages_folder_stays() -> None:
    environ = {"PYTHONPATH": "elsewhere"}

    interpreter.restore(environ)

    assert environ == {"PYTHONPATH": "elsewhere"}
