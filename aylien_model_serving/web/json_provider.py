"""JSON of Flask's own making, written as the results of handlers are."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.json.provider import DefaultJSONProvider

from aylien_model_serving import codecs


class ServingJSON(DefaultJSONProvider):
    """JSON for Flask's `jsonify` and the dicts of views, encoded as the results of handlers are."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return codecs.JSON.encode(obj).decode()

    def response(self, *args: Any, **kwargs: Any) -> Response:
        body = codecs.JSON.encode(self._prepare_response_obj(args, kwargs))
        return Response(body, content_type=codecs.JSON.media_type)
