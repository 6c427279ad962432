"""Puts any Python callable, a model above all, behind HTTP.

The house, floor by floor; imports point down, or to a neighbour, and never in a circle.

    4  app_factory cached_app_factory        what users import: FlaskAppWrapper, CachedFlaskAppWrapper
    4  gunicorn_hooks                        what Gunicorn is told
    4  web/                                  the rooms that know Flask: doors, operators' endpoints, assembly
    3  pipeline routes                       the way of a request; route dicts and their mistakes
    2  runners/                              where a handler runs
    1  codecs/ schemas/                      pure: bytes ↔ fields, fields → valid fields
    1  caching metrics metric_files          kept answers; instruments, and the files that hold their counts
    1  streaming                             items of a generator → chunks of a body
    1  failures logs handlers signatures     how errors are told, log lines, what a callable takes
    0  errors messages settings owner        standard library only
    0  lifecycle                             whether the process is on its way out
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aylien_model_serving.app_factory import FlaskAppWrapper
    from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
    from aylien_model_serving.errors import InvalidRequest, ServingError

__all__ = ["CachedFlaskAppWrapper", "FlaskAppWrapper", "InvalidRequest", "ServingError"]

_HOMES = {
    "FlaskAppWrapper": "app_factory",
    "CachedFlaskAppWrapper": "cached_app_factory",
    "InvalidRequest": "errors",
    "ServingError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package alone loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
