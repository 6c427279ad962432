"""The handler of a replica: imported by its name, built on its device, and described by an endpoint.

Knows the spec and how a handler is built; nothing of sockets, the engine and the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from aylien_model_serving import schemas
from aylien_model_serving.core.messages import Call
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.context import ContextBinding
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs import progress
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.routing.options import parse_rule
from aylien_model_serving.rpc import spec as specs
from aylien_model_serving.rpc.spec import Spec


def build(spec: Spec, device: str) -> Callable[..., Any]:
    """Return the handler that a spec names, built if it is a class.

    Args:
        spec: names the handler and what it is built with.
        device: what an argument `device` of the class gets.
    """
    target = specs.find(spec.target)
    if spec.context is None:
        return callables.build_with(target, spec.init, device)
    binding = ContextBinding(specs.find(spec.context), spec.takes_body)
    return callables.build_with(target, spec.init, device, binding)


def signature_of(handler: Callable[..., Any], spec: Spec) -> Signature:
    """Return the parameters of a handler that a call gives."""
    signature = Signature.of(handler)
    return signature.without(progress.parameter_of(handler)) if spec.jobs is not None else signature


def endpoint_of(spec: Spec, handler: Callable[..., Any], settings: Settings) -> Endpoint:
    """Return the endpoint whose steps a replica runs itself: it has an engine in place of an executor.

    Raises:
        ConfigurationError: the schema's names are not found.
    """
    signature = signature_of(handler, spec)
    instruments = Instruments(spec.service)
    return Endpoint(
        name=spec.name,
        identity=spec.key,
        schema=schemas.choose(
            _schema(spec.schema),
            handler,
            signature,
            frozenset(parse_rule(spec.endpoint).arguments),
            batched=spec.batching is not None,
            max_items=settings.max_json_items,
        ),
        executor=_NoExecutor(),
        instruments=instruments,
        error_responses=ErrorResponses(settings.expose_errors, instruments.count_exception),
    )


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
