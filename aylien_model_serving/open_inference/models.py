"""What a service tells of its models: metadata, readiness, and the index of its repository. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ConfigurationError, NotFound
from aylien_model_serving.open_inference.answering import InferenceProtocol
from aylien_model_serving.open_inference.tensor_specs import TensorSpec

#: What runs the models, as metadata tell it, and the extensions that are understood.
PLATFORM = "model-serving"
EXTENSIONS = ("binary_tensor_data",)

#: The version of a model where the service has none.
_VERSION = "1"

_NO_NAME = re.compile(r"[^\w.-]+", re.ASCII)


def name_of(route: str) -> str:
    """Return the name of the model that a route is: in the characters that a path may have."""
    return _NO_NAME.sub("_", route).strip("_") or "model"


def version_of(setting: str | None) -> str:
    """Return the version of all models of a service."""
    return name_of(setting) if setting else _VERSION


class ServedModel(NamedTuple):
    """A route as a model."""

    protocol: InferenceProtocol
    endpoint: Endpoint


class ServedModels:
    """The models of a service, by name."""

    def __init__(self) -> None:
        self._models: dict[str, ServedModel] = {}

    def __bool__(self) -> bool:
        return bool(self._models)

    def add(self, model: ServedModel) -> None:
        """Add a model.

        Raises:
            ConfigurationError: another one has its name.
        """
        name = model.protocol.name
        if name in self._models:
            raise ConfigurationError(
                f"key 'oip': another route is the model {name!r} already: give one of the two another name "
                "by its key 'name'"
            )
        self._models[name] = model

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """Return a model.

        Raises:
            NotFound: there is none of this name, or none of this version.
        """
        model = self._models.get(name)
        if model is None:
            raise NotFound(f"There is no model {name[:80]!r}: there are {', '.join(self._models)}")
        if version and version != model.protocol.version:
            own = model.protocol.version
            raise NotFound(f"There is no version {version[:80]!r} of the model {name!r}: there is {own!r}")
        return model

    def index(self, *, ready: bool = False) -> list[dict[str, str]]:
        """Return the state of each model.

        Args:
            ready: whether those that are not ready are left out.
        """
        shown = [_state(model) for model in self._models.values()]
        return [each for each in shown if not ready or each["state"] == _READY]


_READY = "READY"


def _state(model: ServedModel) -> dict[str, str]:
    is_ready = model.endpoint.executor.ready()
    return {
        "name": model.protocol.name,
        "version": model.protocol.version,
        "state": _READY if is_ready else "UNAVAILABLE",
        "reason": "" if is_ready else "it is being loaded",
    }


def metadata(model: ServedModel) -> dict[str, Any]:
    """Return what a client reads of a model before it calls it."""
    protocol = model.protocol
    signature = protocol.signature
    return {
        "name": protocol.name,
        "versions": [protocol.version],
        "platform": PLATFORM,
        "inputs": _shown(signature.inputs.values(), batched=protocol.batched),
        "outputs": _shown(signature.outputs.values(), batched=protocol.batched),
    }


def _shown(specs: Iterable[TensorSpec], *, batched: bool) -> list[dict[str, Any]]:
    return [
        {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape_of(batched=batched)}
        for spec in specs
    ]
