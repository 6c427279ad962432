"""Puts what an operator sets for routes into their dicts, before which the author's values stand back.

Pure. The readers of the keys check the values, as they check the author's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aylien_model_serving.core.operator_options import OperatorOption
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.routing.routes import Route, ServiceRouteDict, read

#: Keys that have options of their own, and the option that a value other than a dict stands for.
_NESTED = {"runner": None, "batch": None, "job": None, "limit": "rate"}

#: Keys that an operator may set: none of them changes what a route takes or answers.
SETTABLE = ("cache", "limit", "max_body_mb", "max_queue", "threads", "timeout", *list(_NESTED)[:3])

#: Those of models.
_OF_MODELS = ("batch", "max_queue", "runner", "threads", "timeout")

#: Keys whose options alone may be set: only the author knows whether a handler takes batches, or makes jobs.
_AUTHORS = ("batch", "job")


def apply(dicts: Iterable[Mapping[str, Any]], given: Iterable[OperatorOption]) -> list[Route]:
    """Return the routes of a list of dicts, with what the operator sets for them.

    Raises:
        ConfigurationError: a route is wrong, there is none of a name, or a value is not one that it can have;
            the message says where this was set.
    """
    items = tuple(dicts) if isinstance(dicts, Iterator) else dicts
    routes = read(items)
    by_route: dict[str, list[OperatorOption]] = {}
    for one in given:
        by_route.setdefault(_named(one, routes).name, []).append(one)
    if not by_route:
        return routes
    merged = [
        _merged(item, route, by_route.get(route.name, ())) for item, route in zip(items, routes, strict=True)
    ]
    return [replace(route, set_by_operator=tuple(by_route.get(route.name, ()))) for route in read(merged)]


def of_model(keys: Mapping[str, Any], name: str, given: Iterable[OperatorOption]) -> dict[str, Any]:
    """Return the keys of a model with what the operator sets for it.

    Raises:
        ConfigurationError: the model has no such key; the message says where this was set.
    """
    merged = dict(keys)
    for one in given:
        key = one.path[0]
        place = f"{one.origin}: model {name!r}"
        if key not in _OF_MODELS:
            raise ConfigurationError(
                f"{place}: {key!r} can't be set at deployment{suggestion(key, _OF_MODELS)}"
            )
        if key == "batch" and not keys.get("batch"):
            raise ConfigurationError(f"{place} has no 'batch', and only its author can give it one")
        _set(merged, one)
    return merged


def is_for(one: OperatorOption, name: str) -> bool:
    """Return whether something is set for the route or model of a name."""
    return one.name in (name, variable_name(name))


def unknown(kind: str, one: OperatorOption, names: Iterable[str]) -> ConfigurationError:
    """Return the error of what is set for none of the routes or models that there are."""
    known = [variable_name(name) if one.name.isupper() else name for name in names]
    return ConfigurationError(f"{one.origin}: there is no {kind} {one.name!r}{suggestion(one.name, known)}")


def variable_name(route: str) -> str:
    """Return a route's name as variables have it: in upper case, with "_" for what is no letter or digit."""
    return re.sub("[^A-Z0-9]+", "_", route.upper()).strip("_")


def _named(one: OperatorOption, routes: Iterable[Route]) -> Route:
    """Return the route that something is set for.

    Raises:
        ConfigurationError: there is none, or several.
    """
    exact = [route for route in routes if route.name == one.name]
    found = exact or [route for route in routes if variable_name(route.name) == one.name]
    if not found:
        raise unknown("route", one, [route.name for route in routes])
    if len(found) > 1:
        raise ConfigurationError(
            f"{one.origin}: {' and '.join(repr(route.name) for route in found)} are the same in the name of "
            f"a variable: give one of them another key 'name', or use a file"
        )
    return found[0]


def _merged(item: Mapping[str, Any], route: Route, given: Sequence[OperatorOption]) -> Mapping[str, Any]:
    if not given:
        return item
    merged = dict(item)
    for one in given:
        _check(route, one)
        _set(merged, one)
    whole = ServiceRouteDict(merged, route.binding)
    try:
        read([whole])
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{', '.join(dict.fromkeys(one.origin for one in given))}: {error}"
        ) from error
    return whole


def _check(route: Route, one: OperatorOption) -> None:
    key = one.path[0]
    place = f"{one.origin}: route {route.endpoint!r}"
    if key not in SETTABLE:
        raise ConfigurationError(f"{place}: {key!r} can't be set at deployment{suggestion(key, SETTABLE)}")
    if route.view and key != "limit":
        raise ConfigurationError(f"{place} is a Flask view, of which 'limit' alone can be set")
    if key in _AUTHORS and getattr(route, key) is None:
        raise ConfigurationError(
            f"{place} has no key {key!r}, and only its author can give it one: its handler is written for it"
        )
    if key in _AUTHORS and len(one.path) == 1 and not isinstance(one.value, Mapping):
        raise ConfigurationError(f"{place}: set an option of {key!r}; {one.value!r} is none")
    if key == "batch" and "split" in (one.path[1:] or one.value):
        raise ConfigurationError(f"{place}: 'split' changes what the route takes, which its author alone may")
    if len(one.path) > (2 if key in _NESTED else 1):
        raise ConfigurationError(f"{place}: {'.'.join(one.path)} is no option of a route")


def _set(merged: dict[str, Any], one: OperatorOption) -> None:
    key, *option = one.path
    if key not in _NESTED or (not option and not isinstance(one.value, Mapping)):
        merged[key] = one.value
        return
    options = dict(_options(key, merged.get(key)))
    options.update({option[0]: one.value} if option else one.value)
    merged[key] = options


def _options(key: str, value: Any) -> Mapping[str, Any]:
    """Return the options that a key has, whether its value is a switch, a word for one option, or a dict."""
    if isinstance(value, Mapping):
        return value
    word = _NESTED[key]
    return {word: value} if word is not None and isinstance(value, str) else {}
