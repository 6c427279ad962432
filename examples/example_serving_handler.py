"""Language detection at one endpoint, with requests and responses validated against a protobuf schema.

make example-service
curl localhost:8000/ -d '{"title": "Guten Morgen", "body": "Heute scheint die Sonne über der Stadt."}'
"""

from typing import Any

from flask import Flask
from py3langid.langid import MODEL_FILE, LanguageIdentifier

import examples.example_schema_pb2 as schema
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

VERSION = "0.0.1"

# Loaded with the module, in each worker process before it accepts requests, so that no request waits for it.
IDENTIFIER = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def predict_lang(text: str) -> tuple[str, float]:
    """Return the ISO 639 code of the text's language, and its probability, from 0 to 1."""
    language, confidence = IDENTIFIER.classify(text)
    return language, round(confidence, 4)


def extracted_body(enrichments: dict[str, Any] | None) -> str:
    """Return `enrichments.extracted.value.body`, or an empty text if the client sent none."""
    value = ((enrichments or {}).get("extracted") or {}).get("value") or {}
    body: str = value.get("body") or ""
    return body


def predict(
    id: str | None = None,
    title: str | None = None,
    body: str | None = None,
    enrichments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Detect the language of an article: its title, and its body or the one extracted from it."""
    text = " ".join(filter(None, (title, body or extracted_body(enrichments))))
    if not text.strip():
        raise InvalidRequest("Missing text")
    language, confidence = predict_lang(text)
    return {"version": VERSION, "language": language, "confidence": confidence}


def process_request() -> Any:
    """Handle one request: a Flask view."""
    return FlaskAppWrapper.process_json(predict, schema=schema)


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": process_request, "methods": ["POST"]}])
