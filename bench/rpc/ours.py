"""The service of `bench.rpc`: a handler that returns its text."""

from typing import Any

from google.protobuf.source_context_pb2 import SourceContext

from aylien_model_serving.app_factory import FlaskAppWrapper


def echo(file_name: str) -> dict[str, str]:
    return {"file_name": file_name}


ROUTE = {"endpoint": "/echo", "callable": echo, "schema": (SourceContext, SourceContext)}
app: Any = FlaskAppWrapper.create_app([ROUTE])
