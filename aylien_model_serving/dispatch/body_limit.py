"""The largest body that a route accepts: what the operator says, or the route, or Flask's configuration.

Where none of them says anything, routes that take data as such, files or arrays, accept more than others.
"""

from __future__ import annotations

from dataclasses import dataclass

from aylien_model_serving.core.settings import LARGE_BODY_BYTES, MEBIBYTE, SMALL_BODY_BYTES, Settings


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The limit of one route.

    Args:
        fixed: bytes, by the operator or the route's key; None where neither names them.
        usual: bytes that apply where nobody has set Flask's MAX_CONTENT_LENGTH either.
    """

    fixed: int | None = None
    usual: int = LARGE_BODY_BYTES

    def of(self, configured: int | None) -> int | None:
        """Return the limit in bytes.

        Args:
            configured: Flask's MAX_CONTENT_LENGTH.
        """
        if self.fixed is not None:
            return self.fixed
        return self.usual if configured == LARGE_BODY_BYTES else configured


#: Of the handlers of views: Flask's configuration alone.
BY_CONFIGURATION = BodyLimit()


def choose(settings: Settings, route_mb: float | None, *, takes_data: bool) -> BodyLimit:
    """Return the limit of a route.

    Args:
        settings: the operator's.
        route_mb: MiB that the route's key names, if it does.
        takes_data: whether its schema has files, arrays or bytes.
    """
    if settings.max_body_mb is not None:
        return BodyLimit(settings.max_body_bytes)
    if route_mb is not None:
        return BodyLimit(int(route_mb * MEBIBYTE))
    return BodyLimit(usual=LARGE_BODY_BYTES if takes_data else SMALL_BODY_BYTES)
