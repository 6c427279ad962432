"""Names of variables: other systems' names of a setting, their words for it, and slips of the pen. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

#: The serverless platforms that a service can run on.
RUNPOD, SAGEMAKER, VERTEX, AZUREML, CLOUD_RUN = "runpod", "sagemaker", "vertex", "azureml", "cloudrun"

#: The variables of another system that say what runs a service, and where.
BACKEND, DEPLOYMENT = "FTAPI_BACKEND", "FTAPI_DEPLOYMENT"

#: Values of these: jobs are Celery's, and a worker is tried out on this machine.
CELERY, LOCALHOST = "celery", "localhost"

#: Names that other tools, and version 2 of this library, use for the same setting.
OTHER_NAMES = {
    "host": "FTAPI_HOST",
    "log_level": "LOG_LEVEL",
    "metrics_dir": "PROMETHEUS_MULTIPROC_DIR",
    "platform": BACKEND,
    "port": "FTAPI_PORT",
}

#: The values by which one of these means the setting, where others mean something else.
_MEANT = {BACKEND: (RUNPOD,)}

#: Variables that ask for what is not there, unless they have one of these values.
_WITHOUT_EFFECT = {BACKEND: ("fastapi", CELERY, RUNPOD), DEPLOYMENT: (LOCALHOST,)}

#: How much alike the names of two variables are when one is taken for a slip of the other. Kubernetes makes
#: variables for a service called model-serving (MODEL_SERVING_SERVICE_HOST …), which are less alike.
_SLIP = 0.8


def is_meant(variable: str, text: str) -> bool:
    """Return whether a variable's value says something about the setting that it is another name of."""
    return variable not in _MEANT or text.strip().lower() in _MEANT[variable]


def says(environ: Mapping[str, str], variable: str, word: str) -> bool:
    """Return whether a variable has a word for its value, in any case."""
    return environ.get(variable, "").strip().lower() == word


def slips(environ: Iterable[str], prefix: str, known: list[str]) -> dict[str, str]:
    """Return the variables that nobody reads, and for each the one that is not set and was probably meant.

    Args:
        environ: the variables that are set.
        prefix: with which all settings begin.
        known: the names of the settings without it.
    """
    given = set(environ)
    found: dict[str, str] = {}
    for variable in environ:
        name = variable.removeprefix(prefix)
        near = difflib.get_close_matches(name, known, n=1, cutoff=_SLIP) if name != variable else []
        if near and name not in known and prefix + near[0] not in given:
            found[variable] = prefix + near[0]
    return found


def without_effect(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of another system, with their values, that ask for what is not there."""
    found = {
        variable: environ[variable]
        for variable, usual in _WITHOUT_EFFECT.items()
        if environ.get(variable, "").strip().lower() not in ("", *usual)
    }
    if says(environ, BACKEND, RUNPOD):  # which is served by a platform, or tried out here
        found.pop(DEPLOYMENT, None)
    return found
