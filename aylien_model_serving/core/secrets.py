"""Which settings are secret, and how they are kept out of what is shown and of other processes' environments.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Settings whose values nobody is shown, and which no child process inherits.
SECRET_SETTINGS = frozenset({"api_keys", "webhook_secret"})

#: What stands in a secret's place.
HIDDEN = "***"

#: Settings that may be read from the file that a variable with `FILE_SUFFIX` names.
FILE_SETTINGS = SECRET_SETTINGS | {"jobs_url", "jobs_broker"}
FILE_SUFFIX = "_FILE"

_PREFIX = "MODEL_SERVING_"
_SECRET_VARIABLES = frozenset(
    (
        *(f"{_PREFIX}{name.upper()}" for name in SECRET_SETTINGS),
        *(f"{_PREFIX}{name.upper()}{FILE_SUFFIX}" for name in FILE_SETTINGS),
    )
)

#: User and password of a URL. A password that was not encoded may hold any character: the last @ ends it.
_USER_INFO = re.compile(r"(?<=://)[^\s\"'<>]{0,1000}@")

#: The same as RFC 3986, 3.2.1, has it, in a text that may hold anything: a path may have an @ too.
_PLAIN_USER_INFO = re.compile(r"(?<=://)[^\s\"'<>/?#\\]{0,1000}@")


#: A password among the parameters of a URL, as libpq and Redis take one there.
_PARAMETER = re.compile(r"(?<=[?&])((?:ssl)?password=)[^&\s\"'<>]{1,1000}", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """Return a text with the user and the password of each URL in it hidden."""
    return _PARAMETER.sub(rf"\1{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def without_user_info(text: str) -> str:
    """Return a line of the log with the user and the password of each URL in it hidden."""
    if "://" not in text:
        return text
    return _PARAMETER.sub(rf"\1{HIDDEN}", _PLAIN_USER_INFO.sub(f"{HIDDEN}@", text))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child process that needs no secret setting of the service."""
    return {
        variable: value
        for variable, value in environ.items()
        if variable not in _SECRET_VARIABLES
        and not (variable.startswith(_PREFIX) and (_USER_INFO.search(value) or _PARAMETER.search(value)))
    }


def shown(setting: str, value: object) -> str:
    """Return a setting's value for people: one that is secret only says whether it is set."""
    if setting in SECRET_SETTINGS:
        return HIDDEN if value else repr(value)
    return without_passwords(repr(value))
