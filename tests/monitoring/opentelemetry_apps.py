"""The service with OpenTelemetry's instrumentation of Flask, whose exporter leaves spans in a file."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence

from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from tests.monitoring import routes


class FileExporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._collect(span)
        return SpanExportResult.SUCCESS

    def _collect(self, span: ReadableSpan) -> None:
        attributes, context = span.attributes or {}, span.get_span_context()
        target = attributes.get("http.target") or attributes.get("http.url")
        errors = [event.attributes or {} for event in span.events]
        routes.collect(
            kind="transaction",
            name=span.name,
            path=urllib.parse.urlsplit(str(target)).path,
            method=attributes.get("http.method"),
            route=attributes.get("http.route"),
            status=attributes.get("http.status_code"),
            is_error=span.status.status_code is trace.StatusCode.ERROR,
            trace=trace.format_trace_id(context.trace_id) if context else None,
            parent=trace.format_span_id(span.parent.span_id) if span.parent else None,
            errors=[(error["exception.type"], error["exception.message"]) for error in errors],
        )


def provide() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter()))
    trace.set_tracer_provider(provider)


def before() -> Flask:
    """Instrument what `flask.Flask` is from then on, as Flask's own apps are instrumented at once."""
    provide()
    FlaskInstrumentor().instrument()
    return routes.create()


def after() -> Flask:
    provide()
    app = routes.create()
    FlaskInstrumentor().instrument_app(app)
    return app
