"""The table of mounts; a mount that would hide a route or another mount is refused.

The longest path wins, as a fixed route wins over one with variable parts.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.adapters.asgi_to_wsgi import Application
from aylien_model_serving.web.adapters.route_table import is_too_long
from aylien_model_serving.web.mounts.asgi import ASGIMount
from aylien_model_serving.web.mounts.wsgi import Mount, MountServices, WSGIMount

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")


class Mounts:
    """The mounts of one app, longest paths first.

    Args:
        rules: Flask's map of the same app.
    """

    def __init__(self, rules: Map) -> None:
        self._rules = rules
        self._mounts: list[Mount] = []

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def __len__(self) -> int:
        return len(self._mounts)

    def find(self, path: str) -> Mount | None:
        """Return what is mounted at a decoded path or above it; what is at "/" comes after all rules."""
        for mount in self._mounts:
            if mount.takes(path):
                return mount if mount.path or not self._has_rule(path) else None
        return None

    def _has_rule(self, path: str) -> bool:
        """Return whether a rule answers a path by some method; Flask's own of static files counts as none."""
        if is_too_long(path):
            return True
        try:
            endpoint, _ = self._rules.bind("").match(path, method="GET")
        except NotFound:
            return False
        except HTTPException:  # another method, or a redirect to the rule
            return True
        return str(endpoint) != "static"

    def add(self, mount: Mount) -> None:
        """Add a mount.

        Raises:
            ConfigurationError: it would hide a route, or its path is taken.
        """
        if any(mount.path == other.path for other in self._mounts):
            raise ConfigurationError(f"mount {mount.label!r}: something is mounted there already")
        for rule in self._rules.iter_rules():
            _refuse_hiding(mount, rule)
        self._mounts = sorted([*self._mounts, mount], key=lambda each: -len(each.path))

    def refuse_hidden(self, rules: Iterable[Rule]) -> None:
        """Raise ConfigurationError where a mount hides one of these rules."""
        for rule in rules:
            for mount in self._mounts:
                _refuse_hiding(mount, rule)

    async def start(self) -> None:
        """Start the ASGI applications, on the server's loop.

        Raises:
            Unavailable: one could not be started; those before it have been shut down.
        """
        try:
            for mount in self._of_asgi():
                await mount.lifespan.start()
        except Exception:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut the ASGI applications down, the last one first."""
        for mount in reversed(self._of_asgi()):
            await mount.lifespan.stop()

    def _of_asgi(self) -> list[ASGIMount]:
        return [mount for mount in self._mounts if isinstance(mount, ASGIMount)]


def path_of(path: Any) -> str:
    """Return a mount's path without a slash at its end, so that the one of "/" is empty.

    Raises:
        ConfigurationError: nothing can be mounted there.
    """
    if path == "/":
        return ""
    shown = path.rstrip("/") if isinstance(path, str) else ""
    if not _PATH.fullmatch(shown) or {".", ".."} & set(shown.split("/")):
        raise ConfigurationError(
            f"mount {path!r}: a path like '/admin' is expected, without variable parts, or '/' for all that "
            "no route answers"
        )
    return shown


def mount_wsgi(path: Any, app: Any, services: MountServices) -> Mount:
    """Return the mount of a WSGI application.

    Raises:
        ConfigurationError: nothing can be mounted there, or it is none.
    """
    shown, path = path, path_of(path)
    if not _takes(app, 2):
        hint = ": it is an ASGI application, for mount_asgi" if _takes(app, 3) else ""
        raise ConfigurationError(f"mount {shown!r}: {app!r} can't be called as a WSGI application{hint}")
    return WSGIMount(path, app, services)


def mount_asgi(path: Any, app: Any, services: MountServices, middleware: Iterable[Any]) -> ASGIMount:
    """Return the mount of an ASGI application.

    Args:
        path: where.
        app: the application.
        services: authentication, metrics and error responses.
        middleware: around it, the outermost first: classes, or pairs of a class and its options.

    Raises:
        ConfigurationError: nothing can be mounted there, or it is none.
    """
    shown, path = path, path_of(path)
    if not _takes(app, 3):
        hint = ": it is a WSGI application, for mount_wsgi" if _takes(app, 2) else ""
        raise ConfigurationError(f"mount {shown!r}: {app!r} can't be called as an ASGI application{hint}")
    return ASGIMount(path, _wrapped(shown, app, list(middleware)), services)


def _wrapped(path: str, app: Application, middleware: list[Any]) -> Application:
    for layer in reversed(middleware):
        kind, options = layer if isinstance(layer, tuple) and len(layer) == 2 else (layer, {})
        app = build(f"mount {path!r}: middleware", kind, app, options)
    return app


def build(label: str, kind: Any, app: Any, options: Any) -> Any:
    """Return middleware around an application.

    Raises:
        ConfigurationError: it takes no such options; the message begins with `label`.
    """
    name = getattr(kind, "__name__", repr(kind))
    try:
        return kind(app, **options)
    except TypeError as error:
        raise ConfigurationError(f"{label} {name}: {error}") from error


def refuse_asgi(kind: Any, layer: Any) -> None:
    """Raise ConfigurationError where a middleware object is no WSGI application."""
    if not _takes(layer, 2):
        hint = ": it is ASGI middleware, for add_asgi_middleware" if _takes(layer, 3) else ""
        name = getattr(kind, "__name__", repr(kind))
        raise ConfigurationError(f"middleware {name}: its result can't be called as a WSGI application{hint}")


def refuse_wsgi(kind: Any, layer: Any) -> None:
    """Raise ConfigurationError where a middleware object is no ASGI application."""
    if not _takes(layer, 3):
        hint = ": it is WSGI middleware, for add_middleware" if _takes(layer, 2) else ""
        name = getattr(kind, "__name__", repr(kind))
        raise ConfigurationError(
            f"middleware {name}: its result can't be called as an ASGI application{hint}"
        )


def _takes(app: Any, count: int) -> bool:
    """Return whether something can be called with so many arguments: WSGI has two, ASGI three."""
    if not callable(app):
        return False
    try:
        inspect.signature(app).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True


def _refuse_hiding(mount: Mount, rule: Rule) -> None:
    if not mount.path:
        if _takes_every_path(rule):
            raise ConfigurationError(f"mount '/': the route {rule.rule!r} leaves it no path")
    elif _may_meet(rule, mount.path):
        own = "the operators' own" if str(rule.endpoint).startswith("model_serving:") else "a route"
        raise ConfigurationError(f"mount {mount.path!r}: it would hide {rule.rule!r}, which is {own}")


def _may_meet(rule: Rule, path: str) -> bool:
    """Return whether a rule matches a path of the mount; a converter of any depth matches what is left."""
    parts = [part for part in _PART.findall(rule.rule) if part]
    wanted = path.strip("/").split("/")
    if len(parts) < len(wanted):
        return False
    converters = rule._converters
    for part, segment in zip(parts, wanted, strict=False):
        names = _VARIABLE.findall(part)
        if any(not converters[name].part_isolating for name in names):
            return False
        pattern = "".join(
            converters[piece].regex if index % 2 else re.escape(piece)
            for index, piece in enumerate(_VARIABLE.split(part))
        )
        if not re.fullmatch(pattern, segment):
            return False
    return True


def _takes_every_path(rule: Rule) -> bool:
    found = re.fullmatch(_VARIABLE, rule.rule.removeprefix("/"))
    return found is not None and not rule._converters[found[1]].part_isolating


#: The segments of a rule; what is in angle brackets may hold a slash.
_PART = re.compile(r"(?:<[^>]*>|[^/<])+")

#: The name of a variable part, behind its converter.
_VARIABLE = re.compile(r"<(?:[^>]*:)?(\w+)>")
