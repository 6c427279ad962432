"""`model-serving ray`: what it says before it reaches a cluster; `tests/services/test_ray.py` has one."""

import json
from pathlib import Path

import pytest

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from tests.cli.conftest import Invoke, one_line

pytestmark = pytest.mark.processes

SERVICE = """
from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper

RAY = {{"engine": "ray", "replicas": [0, 8]}}

def length(text: str) -> int:
    return len(text)

def other(text: str) -> int:
    return inner(text=text)

inner = Model(length, name="inner")

app = FlaskAppWrapper.create_app([{{"endpoint": "/length", "callable": {callable}, {runner}}}])
"""


def write(folder: Path, callable_: str = "length", runner: str = '"runner": RAY') -> None:
    (folder / "service.py").write_text(SERVICE.format(callable=callable_, runner=runner))


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "tests")
    monkeypatch.setenv("MODEL_SERVING_VERSION", "1")


def test_a_service_without_models_on_ray_has_nothing_to_deploy(invoke: Invoke, folder: Path) -> None:
    write(folder, runner='"runner": True')

    assert "has no route and no model with runner=" in one_line(invoke("ray", "deploy", "service.py"))


def test_a_service_without_a_version_says_how_to_give_it_one(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    monkeypatch.delenv("MODEL_SERVING_VERSION")

    assert "set MODEL_SERVING_VERSION to another text" in one_line(invoke("ray", "status", "service.py"))


def test_a_handler_on_ray_that_calls_a_model_is_refused(invoke: Invoke, folder: Path) -> None:
    write(folder, "other")

    line = one_line(invoke("ray", "deploy", "service.py"))

    assert "route '/length' is hosted on Ray and calls the model 'inner'" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is no runtime environment"),
        ("{env_vars: 3}", "is no runtime environment"),
        ("{", "is neither YAML nor JSON"),
    ],
)
def test_a_file_that_is_no_runtime_environment_is_refused(
    invoke: Invoke, folder: Path, text: str, message: str
) -> None:
    write(folder)
    (folder / "env.yaml").write_text(text)

    assert message in one_line(invoke("ray", "deploy", "service.py", "--runtime-env", "env.yaml"))


def test_the_list_of_routes_says_which_are_on_ray(invoke: Invoke, folder: Path) -> None:
    write(folder)

    [route] = json.loads(invoke("routes", "service.py", "--json").stdout)["routes"]

    assert route["runs"] == "0 to 8 replicas on Ray"


@pytest.mark.parametrize("address", ["ray://host:1", "host", ""])
def test_an_address_that_is_no_head_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="expected 'auto', or the host and port"):
        Settings.load({"MODEL_SERVING_RAY_ADDRESS": address})
