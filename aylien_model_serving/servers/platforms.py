"""Where a service listens on each serverless platform, as the platform's variables say.

A container of these is reached by its platform alone, from outside of itself: so it listens on all addresses
where the operator has named the platform, and nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

from aylien_model_serving.core.settings import Settings, variables
from aylien_model_serving.core.variable_names import AZUREML, CLOUD_RUN, SAGEMAKER, VERTEX
from aylien_model_serving.errors import ConfigurationError

#: All addresses of a container.
_EVERYWHERE = "0.0.0.0"

#: Platform → the variable that has its port, and the port where it has none.
_PORTS = {
    SAGEMAKER: ("SAGEMAKER_BIND_TO_PORT", 8080),
    VERTEX: ("AIP_HTTP_PORT", 8080),
    CLOUD_RUN: ("PORT", 8080),
    AZUREML: ("AZUREML_PORT", 5001),
}


class PlatformAddress(NamedTuple):
    """Where a platform calls a service."""

    host: str
    port: int


def address(settings: Settings) -> PlatformAddress | None:
    """Return where a service listens on its platform; None where it has none, or none that calls it.

    Raises:
        ConfigurationError: the platform's variable has no port.
    """
    if settings.platform not in _PORTS:
        return None
    variable, usual = _PORTS[settings.platform]
    text = variables(variable).get(variable, "").strip() or str(usual)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{variable}={text[:80]!r}: expected a port from 1 to 65535")
    return PlatformAddress(_EVERYWHERE, int(text))
