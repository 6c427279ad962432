"""`model-serving deploy`: files from an app's routes and the operator's settings, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Invoke, one_line

SERVICE = """
from aylien_model_serving.service import Service

app = Service("reviews")


@app.endpoint("/rate", runner={"replicas": 2, "devices": ["cuda:0"]})
def rate(text: str) -> int:
    return len(text)


@app.task_endpoint("/bake")
def bake(name: str) -> str:
    return name
"""


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a service, and the settings of an operator."""
    (folder / "my_reviews.py").write_text(SERVICE)
    monkeypatch.setenv("MODEL_SERVING_LOG_LEVEL", "INFO")
    monkeypatch.setenv("MODEL_SERVING_ROUTE_RATE__RUNNER__REPLICAS", "3")
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "alice:correct-horse-battery-staple")
    monkeypatch.setenv("MODEL_SERVING_API_KEY", "battery-staple")
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", f"sqlite:///{folder}/jobs.sqlite3")
    return folder


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((folder / name).read_text()))


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with a value of the web tier in `deploy/`."""
    [container] = read(folder, "deploy/kubernetes/web.yaml")[0]["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_kubernetes_files_follow_from_routes_and_settings(service: Path, invoke: Invoke) -> None:
    result = invoke("deploy", "kubernetes", "my_reviews.py", "--image", "example.com/r:1", "--replicas", "4")

    assert result.exit_code == 0, result.output
    assert "wrote deploy/kubernetes/web.yaml" in result.stdout
    [deployment, *_] = read(service, "deploy/kubernetes/web.yaml")
    assert deployment["metadata"]["name"] == "my-reviews-web"
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example.com/r:1"
    assert container["args"][:2] == ["run", "my_reviews:app"]
    assert container["resources"]["limits"] == {"memory": f"{512 + 3 * 1024}Mi", "nvidia.com/gpu": "1"}
    [scaled] = read(service, "deploy/kubernetes/autoscaler.yaml")
    assert scaled["spec"]["minReplicas"] == 4
    assert (service / "deploy/kubernetes/keda.yaml").exists()
    assert json.loads((service / "deploy/grafana.json").read_text())["panels"]


def test_settings_are_carried_and_what_is_secret_or_of_this_machine_is_not(
    service: Path, invoke: Invoke
) -> None:
    invoke("deploy", "kubernetes", "my_reviews.py")
    invoke("deploy", "compose", "my_reviews.py")

    found = environment(service)
    assert found["MODEL_SERVING_LOG_LEVEL"] == "INFO"
    assert found["MODEL_SERVING_ROUTE_RATE__RUNNER__REPLICAS"] == "3"
    assert not {"MODEL_SERVING_API_KEY", "MODEL_SERVING_API_KEYS", "MODEL_SERVING_JOBS_URL"} & set(found)
    texts = "".join(file.read_text() for file in (service / "deploy").rglob("*") if file.is_file())
    assert "staple" not in texts
    assert str(service) not in texts


def test_a_second_run_changes_nothing_and_another_image_needs_force(service: Path, invoke: Invoke) -> None:
    invoke("deploy", "compose", "my_reviews.py")

    again = invoke("deploy", "compose", "my_reviews.py")
    other = invoke("deploy", "compose", "my_reviews.py", "--image", "other")
    forced = invoke("deploy", "compose", "my_reviews.py", "--image", "other", "--force")

    assert again.stdout == "deploy has all 6 files as they are to be\n"
    assert "compose.yaml would lose what is in it: --force replaces it" in one_line(other)
    assert forced.stdout == "wrote deploy/compose/compose.yaml\n"


@pytest.mark.parametrize(
    ("words", "variables", "error"),
    [
        (["--name", "My_Service"], {}, "--name: 'My_Service' is no name"),
        (["--namespace", "a.b"], {}, "--namespace: 'a.b' is no name"),
        ([], {"MODEL_SERVING_CONFIG": "/etc/serving.toml"}, "put it into the image"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    service: Path, invoke: Invoke, words: list[str], variables: dict[str, str], error: str
) -> None:
    if variables:
        (service / "serving.toml").write_text("")
        variables = {"MODEL_SERVING_CONFIG": str(service / "serving.toml")}

    result = invoke("deploy", "kubernetes", "my_reviews.py", *words, env=variables)

    assert error in one_line(result)
    assert result.exit_code == 2
    assert not (service / "deploy").exists()


def test_a_target_that_is_none_is_refused_in_one_line(folder: Path, invoke: Invoke) -> None:
    assert "There is no file" in one_line(invoke("deploy", "compose", "servce.py"))
