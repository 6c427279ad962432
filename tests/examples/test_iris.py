"""The iris predictor, started with Gunicorn, with GET and POST requests."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.selection import full
from tests.services.serving import serve

pytestmark = full

SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
VERSICOLOR = {"sepal_length": 5.9, "sepal_width": 2.8, "petal_length": 4.3, "petal_width": 1.3}
VIRGINICA = {"sepal_length": 6.7, "sepal_width": 3.1, "petal_length": 5.6, "petal_width": 2.4}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        serve("examples.iris:run_app()", worker_class="sync") as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("flower", "species"), [(SETOSA, "setosa"), (VERSICOLOR, "versicolor"), (VIRGINICA, "virginica")]
)
def test_get_and_post_predict_the_same_species(
    client: httpx.Client, flower: dict[str, float], species: str
) -> None:
    got = client.get("/predictions", params=flower)
    posted = client.post("/predictions", json=flower)

    assert got.status_code == posted.status_code == 200
    assert got.json() == posted.json()
    assert got.json()["species"] == species


def test_the_probabilities_of_all_species_add_up_to_one(client: httpx.Client) -> None:
    probabilities = client.post("/predictions", json=VERSICOLOR).json()["probabilities"]

    assert probabilities.keys() == {"setosa", "versicolor", "virginica"}
    assert sum(probabilities.values()) == pytest.approx(1, abs=0.001)


def test_a_whole_number_is_a_length_too(client: httpx.Client) -> None:
    answer = client.post("/predictions", json=SETOSA | {"sepal_length": 5})

    assert answer.json()["species"] == "setosa"


def test_a_missing_measurement_is_named(client: httpx.Client) -> None:
    answer = client.get("/predictions", params={"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4})

    assert answer.status_code == 400
    assert "petal_width" in answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_measurement_that_is_no_number_is_named(client: httpx.Client, method: str) -> None:
    flower = SETOSA | {"petal_width": "wide"}

    arguments: dict[str, Any] = {"params": flower} if method == "GET" else {"json": flower}
    answer = client.request(method, "/predictions", **arguments)

    assert answer.status_code == 400
    assert "petal_width" in answer.json()["error"]


def test_other_methods_are_refused(client: httpx.Client) -> None:
    answer = client.put("/predictions", json=SETOSA)

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
