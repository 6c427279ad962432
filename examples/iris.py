r"""Iris species from four measurements: the same typed fields from a query string (GET) or from JSON (POST).

make COMMAND_UNCACHED='examples.iris:run_app()' example-service
curl 'localhost:8000/predictions?sepal_length=5.1&sepal_width=3.5&petal_length=1.4&petal_width=0.2'
curl localhost:8000/predictions \
    -d '{"sepal_length": 6.7, "sepal_width": 3.1, "petal_length": 5.6, "petal_width": 2.4}'
"""

from typing import Any

from flask import Flask
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from aylien_model_serving.app_factory import FlaskAppWrapper


class IrisPredictor:
    """A classifier, trained in milliseconds at the start of a process on scikit-learn's data set."""

    def __init__(self) -> None:
        iris = load_iris()
        self.species = iris.target_names.tolist()
        self.model = GaussianNB().fit(iris.data, iris.target)

    def __call__(
        self, sepal_length: float, sepal_width: float, petal_length: float, petal_width: float
    ) -> dict[str, Any]:
        """Return the most likely species and the probability of each; measurements are in centimetres."""
        [probabilities] = self.model.predict_proba([[sepal_length, sepal_width, petal_length, petal_width]])
        return {
            "species": self.species[probabilities.argmax()],
            "probabilities": dict(zip(self.species, probabilities.round(4), strict=True)),
        }


def run_app() -> Flask:
    """Return the app that the server serves; each process builds one predictor."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/predictions", "callable": IrisPredictor, "methods": ["GET", "POST"]}]
    )
