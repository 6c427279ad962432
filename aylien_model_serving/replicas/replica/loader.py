"""The handler of a replica: imported by its name, built on its device, and described by an endpoint.

Knows the spec and how a handler is built; nothing of sockets, the engine and the supervisor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from aylien_model_serving import schemas
from aylien_model_serving.core.messages import Call
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.handlers import callables, stages, steps
from aylien_model_serving.handlers.context import ContextBinding
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs import progress
from aylien_model_serving.metrics.failures import FailureLog
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.open_inference.answering import InferenceProtocol
from aylien_model_serving.open_inference.models import name_of, version_of
from aylien_model_serving.routing.options import parse_rule
from aylien_model_serving.rpc import batch_functions
from aylien_model_serving.rpc import spec as specs
from aylien_model_serving.rpc.spec import Spec


def build(spec: Spec, device: str) -> Callable[..., Any]:
    """Return the handler that a spec names, built if it is a class.

    Args:
        spec: names the handler and what it is built with.
        device: what an argument `device` of the class gets.
    """
    target = steps.adapted(stages.adapted(specs.find(spec.target), batched=spec.batching is not None))
    if not spec.endpoint:
        return callables.build_with(target, spec.init, device)
    if spec.context is None:
        return schemas.opened_for(callables.build_with(target, spec.init, device), device)
    binding = ContextBinding(specs.find(spec.context), spec.takes_body)
    return schemas.opened_for(callables.build_with(target, spec.init, device, binding), device)


def batching_of(spec: Spec) -> BatchOptions | None:
    """Return the limits of a handler's batches, and the functions that they name."""
    return batch_functions.found(spec.batching)


def signature_of(handler: Callable[..., Any], spec: Spec) -> Signature:
    """Return the parameters of a handler that a call gives."""
    signature = Signature.of(handler)
    return signature.without(progress.parameter_of(handler)) if spec.jobs is not None else signature


def endpoint_of(spec: Spec, handler: Callable[..., Any], settings: Settings, home: Path) -> Endpoint:
    """Return the endpoint whose steps a replica runs itself: it has an engine in place of an executor.

    Args:
        spec: what is hosted.
        handler: what it names, built.
        settings: of the service.
        home: the folder of the service's owner.

    Raises:
        ConfigurationError: the schema's names are not found.
    """
    signature = signature_of(handler, spec)
    instruments = Instruments(spec.service)
    path_names = frozenset(parse_rule(spec.endpoint).arguments) if spec.endpoint else frozenset()
    schema = schemas.choose(
        _schema(spec.schema),
        handler if spec.endpoint else _anything,
        signature if spec.endpoint else Signature.of(_anything),
        path_names,
        batched=spec.batching is not None and bool(spec.endpoint),
        split=None if spec.batching is None else spec.batching.split,
        max_items=settings.max_json_items,
    )
    return Endpoint(
        name=spec.name,
        identity=spec.key,
        schema=schema,
        protocol=_inference(spec, schema, path_names, settings) if spec.oip else None,
        executor=_NoExecutor(),
        instruments=instruments,
        error_responses=ErrorResponses(
            settings.expose_errors,
            instruments.count_exception,
            record=FailureLog(spec.service, home).add,
            route=spec.name,
        ),
    )


def _inference(
    spec: Spec, schema: schemas.Schema, path_names: frozenset[str], settings: Settings
) -> InferenceProtocol:
    return InferenceProtocol(
        name_of(spec.name),
        version_of(settings.version),
        schema,
        path_names,
        batched=spec.batching is not None and spec.batching.split is None,
        max_items=settings.max_json_items,
        is_only=False,
    )


def _anything(**fields: Any) -> Any:
    """What a model without a path takes, as far as a schema would say."""


def hints_of_methods(handler: Callable[..., Any], spec: Spec) -> Callable[[str], HintedValues]:
    """Return what says, by the name of a handler's method, what is made of the values that it gets."""
    whole = HintedValues(handler, batched=spec.batching is not None)

    @cache
    def of_method(name: str) -> HintedValues:
        return HintedValues(getattr(inspect.unwrap(handler), name))

    return lambda name: of_method(name) if name else whole


class _NoExecutor:
    """The executor of an endpoint in a replica, which runs the pipeline's steps itself: never called."""

    def run(self, arguments: dict[str, Any], call: Call) -> NoReturn:
        raise NotImplementedError

    async def run_async(
        self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False
    ) -> NoReturn:
        raise NotImplementedError

    def is_immediate(self) -> bool:
        return False

    def ready(self) -> bool:
        return True


def _schema(names: str | tuple[str | None, str | None] | None) -> Any:
    if names is None or isinstance(names, str):
        return None if names is None else specs.find(names)
    return tuple(None if name is None else specs.find(name) for name in names)
