"""The service with Sentry, whose transport leaves in a file what it would send."""

from __future__ import annotations

import os
import urllib.parse
from typing import Any

import sentry_sdk
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from tests.monitoring import routes

#: Nobody listens there, and nothing is sent: the transport is our own.
_NOWHERE = "http://key@127.0.0.1:9/1"


class FileTransport(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.type in ("event", "transaction"):
                self._collect(item.type, item.payload.json or {})

    def _collect(self, kind: str, event: dict[str, Any]) -> None:
        request, contexts = event.get("request", {}), event["contexts"]
        errors = event.get("exception", {}).get("values", [])
        routes.collect(
            kind=kind,
            pid=os.getpid(),
            name=event.get("transaction"),
            path=urllib.parse.urlsplit(request.get("url", "")).path,
            method=request.get("method"),
            data=request.get("data"),
            status=contexts.get("response", {}).get("status_code"),
            trace=contexts["trace"]["trace_id"],
            parent=contexts["trace"].get("parent_span_id"),
            errors=[(error["type"], error["value"]) for error in errors],
            mechanisms=[error["mechanism"]["type"] for error in errors],
        )


def init() -> None:
    sentry_sdk.init(dsn=_NOWHERE, transport=FileTransport, traces_sample_rate=1.0)


def before() -> Flask:
    init()
    return routes.create()


def after() -> Flask:
    app = routes.create()
    init()
    return app
