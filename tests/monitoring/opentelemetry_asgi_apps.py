"""The service within OpenTelemetry's middleware of ASGI, without its instrumentation of Flask."""

from __future__ import annotations

from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from tests.monitoring import opentelemetry_apps, routes


def within() -> Any:
    opentelemetry_apps.provide()
    return OpenTelemetryMiddleware(routes.create(), exclude_spans=["receive", "send"])
