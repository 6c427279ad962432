"""A service that pages of other origins call, and that answers with pages itself."""

from __future__ import annotations

from flask import Flask, Response

from aylien_model_serving.app_factory import FlaskAppWrapper

calls: list[str] = []


def count(text: str) -> int:
    calls.append(text)
    return len(calls)


def counted() -> str:
    return str(len(calls))


def draw(title: str) -> Response:
    return Response(f"<p>A page</p><script>document.title = '{title}'</script>", content_type="text/html")


def run_app() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/count", "callable": count, "name": "count"},
            {"endpoint": "/counted", "callable": counted, "name": "counted", "methods": ["GET"]},
            {"endpoint": "/draw", "callable": draw, "methods": ["GET"], "name": "draw"},
            {
                "endpoint": "/open",
                "callable": draw,
                "methods": ["GET"],
                "name": "open",
                "content_security_policy": None,
            },
        ]
    )
