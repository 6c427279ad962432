"""What notebooks and consoles show of a client, of an image and of an error, by IPython's protocols.

Pure. IPython calls methods by their names, and is not imported.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Mapping
from dataclasses import dataclass

#: What browsers draw without running anything in it, as SVG may.
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})


@dataclass(frozen=True)
class ShownError:
    """Returns the line of an error without a traceback, which would be the client's own code.

    Args:
        kind: the name of its class.
        message: what it says.
        request_id: under which the service's log has it.
    """

    kind: str
    message: str
    request_id: str | None = None

    def __call__(self) -> list[str]:
        return [f"{self.kind}: {self.message}{f' (request {self.request_id})' if self.request_id else ''}"]


def file_bundle(text: str, media_type: str, content: bytes) -> dict[str, str]:
    """Return the forms in which a file can be shown: as a picture too, if it is one.

    Args:
        text: which says what it is.
        media_type: of the file.
        content: its bytes.
    """
    picture = {media_type: base64.b64encode(content).decode()} if media_type in _PICTURES else {}
    return {"text/plain": text, **picture}


def client_text(text: str, routes: Mapping[str, inspect.Signature]) -> str:
    """Return a client with its routes, one on each line.

    Args:
        text: which says whose client it is.
        routes: their names, and what they take and return.
    """
    return "\n".join([f"{text}, with the routes", *(f"  {name}{each}" for name, each in routes.items())])
