"""Language detection with a response cache for repeated requests: see the response's X-Cache header.

make example-service-cached
curl -i localhost:8000/ -d '{"title": "Guten Morgen", "body": "Heute scheint die Sonne über der Stadt."}'
"""

from typing import Any

from flask import Flask

import examples.example_schema_pb2 as schema
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from examples.example_serving_handler import predict


def process_request() -> Any:
    """Handle one request: a Flask view."""
    return CachedFlaskAppWrapper.process_json(predict, schema=schema)


def run_app() -> Flask:
    """Return the app that the server serves, with a cache of 100,000 responses in each worker."""
    return CachedFlaskAppWrapper.create_app(
        [{"endpoint": "/", "callable": process_request, "methods": ["POST"]}]
    )
