"""What an operator sets for single routes and models: by variables, and in a file.

Knows no route and no key: `routing.deployment` puts each value where it belongs, or refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from aylien_model_serving.core.settings import PREFIX, Settings, variables
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError

Kind = Literal["route", "model"]

#: Beginning of the variables of each kind, as in MODEL_SERVING_ROUTE_RATE__RUNNER__REPLICAS.
PREFIXES: Mapping[Kind, str] = {"route": f"{PREFIX}ROUTE_", "model": f"{PREFIX}MODEL_"}

#: Between a route, its key and an option of this key, in the name of a variable.
_SEPARATOR = "__"

#: The tables of a file whose tables are the routes, and the models.
_TABLES: Mapping[Kind, str] = {"route": "routes", "model": "models"}

#: Longest file in bytes: a hundred routes with every option take a tenth of it.
_LONGEST_FILE = 1024 * 1024


@dataclass(frozen=True)
class OperatorOption:
    """The value of one option of one route or model.

    Args:
        name: the route's or the model's name, or its name as variables have it.
        path: a key of the route dict, or a key and one of its options, as in `("runner", "replicas")`.
        value: as a route dict would have it.
        origin: the variable, or the file with the table.
    """

    name: str
    path: tuple[str, ...]
    value: Any
    origin: str


def read(settings: Settings, kind: Kind) -> list[OperatorOption]:
    """Return what the operator sets for routes, or models; of two for the same, the variable's comes last.

    Raises:
        ConfigurationError: the file can't be read, or is not of tables for routes and models.
    """
    from_file = [] if settings.config is None else list(_file(Path(settings.config), _TABLES[kind]))
    return [*from_file, *_variables(kind)]


def _variables(kind: Kind) -> Iterator[OperatorOption]:
    prefix, plural = PREFIXES[kind], f"{PREFIX}{_TABLES[kind].upper()}_"
    for variable in variables(plural):
        if _SEPARATOR in variable:  # a Kubernetes service of such a name sets others
            meant = prefix + variable.removeprefix(plural)
            raise ConfigurationError(f"{variable}: there is no such variable; did you mean {meant!r}?")
    for variable, text in sorted(variables(prefix).items()):
        name, *option = variable.removeprefix(prefix).split(_SEPARATOR)
        if not name or not option or not all(option):
            raise ConfigurationError(
                f"{variable}: expected a {kind}, a key and perhaps an option, separated by two underscores, "
                f"as in {prefix}CLASSIFY__RUNNER__REPLICAS"
            )
        yield OperatorOption(name, tuple(word.lower() for word in option), _value(text), variable)


def _value(text: str) -> Any:
    """Return what a variable's text stands for: JSON, or else the text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def _file(path: Path, table: str) -> Iterator[OperatorOption]:
    tables = _parsed(path)
    for name in tables:
        if name not in _TABLES.values():
            raise ConfigurationError(f"{path}: unknown table [{name}]{suggestion(name, _TABLES.values())}")
    for name, keys in _table(path, table, tables.get(table, {})).items():
        place = f"{table}.{name}"
        for key, value in _table(path, place, keys).items():
            if not isinstance(value, dict):
                yield OperatorOption(name, (key,), value, f"[{place}] of {path}")
                continue
            for option, item in value.items():
                yield OperatorOption(name, (key, option), item, f"[{place}.{key}] of {path}")


def _table(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{path}: {name} has to be a table, as [{name.partition('.')[0]}.classify]; it is {value!r}"
        )
    return value


def _parsed(path: Path) -> dict[str, Any]:
    variable = f"{PREFIX}CONFIG={str(path)!r}"
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{variable}: {error.strerror}") from None
    if len(text) > _LONGEST_FILE:
        raise ConfigurationError(f"{variable}: it has more than {_LONGEST_FILE} bytes")
    try:
        return msgspec.toml.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{variable}: not TOML: {error}") from None
