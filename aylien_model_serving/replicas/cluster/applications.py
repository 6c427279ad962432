"""The applications of Ray Serve, one for each version of each route: their names, and what they host."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import msgspec

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.rpc.portable_spec import for_other_machines
from aylien_model_serving.rpc.spec import Spec

#: The name of the one deployment of each application.
DEPLOYMENT = "model"

#: What a part of a name may have, and what separates the parts.
_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SEPARATOR = ":"

#: Hexadecimal digits by which names are told apart that are alike but for other characters.
_DIGITS = 8


class Application(NamedTuple):
    """An application's name, taken apart.

    Args:
        service: the service's name.
        route: the route's or the model's name.
        version: of the service's code.
    """

    service: str
    route: str
    version: str

    def __str__(self) -> str:
        return _SEPARATOR.join(map(_safe, self))


def parsed(name: str) -> Application | None:
    """Return an application's name taken apart; None for one that is not of this library."""
    parts = name.split(_SEPARATOR)
    return Application(*parts) if len(parts) == len(Application._fields) else None


def _safe(text: str) -> str:
    """Return a text as a part of a name: as it is, if it can be."""
    if _SAFE.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{re.sub('[^A-Za-z0-9_.-]+', '-', text)[:40]}-{digest}"


def name_of(service: str | None, route: str, version: str) -> str:
    """Return the name of an application.

    Raises:
        ConfigurationError: the service has no name.
    """
    if service is None:
        raise ConfigurationError(
            f"{route}: services share a Ray cluster and are told apart by their names: set "
            'MODEL_SERVING_SERVICE_NAME, or write Service("…")'
        )
    return str(Application(service, route, version))


def portable(spec: Spec, version: str) -> bytes:
    """Return a spec for other machines, encoded: without what is of this machine or of its service alone.

    Raises:
        ConfigurationError: it names something in the program that was started.
    """
    own = {"service": "0", "jobs": None, "jobs_service": "", "webhook_secret": None}
    return msgspec.msgpack.encode(msgspec.structs.replace(for_other_machines(spec, version), **own))


def restored(encoded: bytes) -> Spec:
    """Return a spec that `portable` encoded."""
    return msgspec.msgpack.decode(encoded, type=Spec)
