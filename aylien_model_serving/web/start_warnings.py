"""What a service logs at its start because an operator would otherwise meet it later, or never."""

from __future__ import annotations

import logging
from importlib import metadata

from aylien_model_serving.core.settings import Settings, slips, without_effect
from aylien_model_serving.web.adapters import lazy_contexts

logger = logging.getLogger(__name__)


def log(settings: Settings) -> None:
    """Log variables that change nothing, and fast paths that are closed."""
    for variable, meant in slips().items():
        logger.warning("%s is no setting and changes nothing; did you mean %s?", variable, meant)
    for variable, value in without_effect().items():
        logger.warning(
            "%s=%s changes nothing: a service answers HTTP itself, in a container as on this machine, and "
            "takes no calls from the queue of a provider",
            variable,
            value[:_LONGEST],
        )
    _warn_of_closed_fast_path(settings)


#: Characters of a value that are shown.
_LONGEST = 80


def _warn_of_closed_fast_path(settings: Settings) -> None:
    missing = lazy_contexts.missing_variables()
    if settings.express and missing:
        logger.warning(
            "The fast path is closed: Flask %s has no %s in flask.globals, so every request takes Flask's "
            "full dispatch, which is several times slower. Install 'Flask>=3.1,<3.2', or accept it by "
            "setting MODEL_SERVING_EXPRESS=0",
            metadata.version("flask"),
            " and ".join(missing),
        )
