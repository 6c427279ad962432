"""Services that take files, for tests of what strangers' files cost."""

from __future__ import annotations

from typing import Any

from aylien_model_serving import AudioFile, FlaskAppWrapper, ImageFile, VideoFile
from aylien_model_serving.web.app import ServingFlask


def see(image: ImageFile) -> list[int]:
    return list(image.to_np_array().shape)


def hear(sound: AudioFile) -> list[int]:
    return list(sound.to_np_array().shape)


def watch(film: VideoFile) -> list[int]:
    return list(film.to_np_array().shape)


def count(film: VideoFile) -> int:
    return sum(1 for _ in film.frames())


def service() -> ServingFlask:
    """Return a service that decodes what it gets."""
    return FlaskAppWrapper.create_app([_route(handler) for handler in (see, hear, watch, count)])


def in_time() -> ServingFlask:
    """Return one whose route has a deadline."""
    return FlaskAppWrapper.create_app([{**_route(see), "timeout": 0.4}])


def hosted() -> ServingFlask:
    """Return one whose handler is hosted by a replica."""
    return FlaskAppWrapper.create_app([{**_route(see), "runner": {"replicas": 1}}])


def _route(handler: Any) -> dict[str, Any]:
    return {"endpoint": f"/{handler.__name__}", "callable": handler, "methods": ["POST"]}
