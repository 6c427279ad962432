"""The service with New Relic's agent, which connects to nothing (its developer mode), and a file instead.

The agent patches Flask when `newrelic-admin` starts the server, or at its start in `before`.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import newrelic.agent
from flask import Flask
from newrelic.core.application import Application

from tests.monitoring import routes

_record_transaction = Application.record_transaction


def _record(application: Application, transaction: Any, *rest: Any) -> None:
    attributes = {each.name: each.value for each in transaction.agent_attributes}
    routes.collect(
        kind="transaction",
        name=transaction.path,
        path=attributes["request.uri"],
        method=attributes["request.method"],
        status=int(attributes["response.status"]),
        trace=transaction.trace_id,
        parent=transaction.parent_span,
        errors=[(error.type.removeprefix("builtins:"), error.message) for error in transaction.errors],
    )
    _record_transaction(application, transaction, *rest)


def before() -> Flask:
    newrelic.agent.initialize()
    return administered()


def administered() -> Flask:
    mock.patch.object(Application, "record_transaction", _record).start()
    newrelic.agent.register_application(timeout=10)
    return routes.create()
