"""Handlers of all kinds, and the OpenAPI document of a route with one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel

from aylien_model_serving import Body, schemas
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media import AudioFile, ImageFile, MediaFile
from aylien_model_serving.openapi import document as openapi
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing import routes


@dataclass
class Box:
    width: float
    inner: "list[Box] | None" = None


class Order(BaseModel):
    amount: int
    note: str = ""


class Receipt(BaseModel):
    orders: list[Order]


def measure(text: str, boxes: list[Box], limit: int = 5, hint=None) -> dict[str, Box]:  # type: ignore[no-untyped-def]  # an open field
    """Measure boxes.

    All of them.

    Args:
        text: what is written on them.
        limit: how many
            at most.

    Returns:
        The boxes by name.

    Raises:
        NotFound: there is no such box.
        ValueError: never mind.
    """
    return {}


def enclose(number: int, box: Box) -> None:
    """Put boxes within.

    Args:
        box: what is within.
    """


def enclose_or_not(box: Box | None = None) -> None: ...


def add(numbers: Annotated[list[int], Body()]) -> int:
    """Add numbers.

    Args:
        numbers: all of them.
    """
    return sum(numbers)


def shout(text: str) -> str:
    return text


def look(file: Annotated[MediaFile, Body()]) -> str:
    return ""


def many(text: list[str]) -> list[int]:
    return []


def spell_unhinted(text: str):  # type: ignore[no-untyped-def]  # a stream of anything
    yield from text


def spell_iterable(text: str) -> Iterable[str]:
    yield from text


def picture(image: ImageFile, others: list[ImageFile] | None = None, level: int = 1) -> ImageFile:
    return image


def sound(audio: AudioFile, anything: MediaFile | None = None) -> AudioFile:
    return audio


def anything_kept(text: str) -> MediaFile | None: ...


def spell(text: str, count: int = 1) -> Iterator[Box]:
    yield from ()


def order(amount: int, note: str) -> Any: ...


def anything(**fields: Any) -> Any: ...


def view() -> str:
    return ""


def described(**route: Any) -> DescribedRoute:
    [read] = routes.read([{"endpoint": "/", **route}])
    if read.view:
        return DescribedRoute(read, None)
    handler = callables.build_placeholder(read.callable, ())
    signature = Signature.of(handler)
    schema = schemas.choose(read.schema, handler, signature, read.path_names, batched=read.batch is not None)
    return DescribedRoute(read, schema)


def document(*found: DescribedRoute, with_keys: bool = False) -> dict[str, Any]:
    return openapi.document(found, "boxes", "", with_keys=with_keys)


def operation(method: str = "post", **route: Any) -> dict[str, Any]:
    """Return what the document says of a route."""
    [path] = document(described(**route))["paths"].values()
    found: dict[str, Any] = path[method]
    return found


def body(shown: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    found: dict[str, Any] = shown["requestBody"]["content"][media_type]["schema"]
    return found


def answer(shown: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    found: dict[str, Any] = shown["responses"]["200"]["content"][media_type]["schema"]
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else ())
        for part in node.values():
            yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)
