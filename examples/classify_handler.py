"""A handler object that holds its model, without view or schema: type hints validate its requests.

make COMMAND_UNCACHED='examples.classify_handler:run_app()' example-service
curl localhost:8000/classify -d '{"text": "Heute scheint die Sonne über der Stadt."}'
curl localhost:8000/classify/3 -d '{"text": "Heute scheint die Sonne über der Stadt."}'
"""

from typing import Any

from flask import Flask
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from aylien_model_serving.app_factory import FlaskAppWrapper


class ClassifyHandler:
    """Detects the language of a text."""

    def __init__(self) -> None:
        self.classifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def __call__(self, text: str) -> dict[str, Any]:
        """Return the most likely language's ISO 639 code and its probability, from 0 to 1."""
        return self.rank(text, count=1)[0]

    def rank(self, text: str, count: int) -> list[dict[str, Any]]:
        """Return the `count` most likely languages, the most likely first."""
        return [
            {"language": language, "probability": round(probability, 4)}
            for language, probability in self.classifier.rank(text)[:count]
        ]


def run_app() -> Flask:
    """Return the app that the server serves: two endpoints that share one model."""
    handler = ClassifyHandler()
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/classify", "callable": handler, "methods": ["POST"]},
            {
                "endpoint": "/classify/<int(min=1):count>",
                "callable": handler.rank,
                "methods": ["GET", "POST"],
            },
        ]
    )
