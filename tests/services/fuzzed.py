"""Every example below a prefix of one server, made quick: what takes time there is not tested here."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from examples import classify_handler, example_serving_handler, example_serving_handler_cached, iris
from examples.digits import app as digits
from examples.fries import app as fries
from examples.img2img import app as img2img
from examples.transcript import app as transcript

EXAMPLES: dict[str, Callable[[], Any]] = {
    "/handler": example_serving_handler.run_app,
    "/cached": example_serving_handler_cached.run_app,
    "/classify": classify_handler.run_app,
    "/iris": iris.run_app,
    "/fries": fries.run_app,
    "/img2img": img2img.run_app,
    "/transcript": transcript.run_app,
    "/digits": digits.run_app,
}


class NoTime:
    """Stands where an example imports `time`."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Return at once."""


def all_examples() -> Any:
    """Return the examples whose packages are there."""
    fries.time = transcript.time = NoTime  # type: ignore[assignment]  # of which they use no more
    made = {path: make() for path, make in EXAMPLES.items() if path != "/digits" or find_spec("torch")}
    return DispatcherMiddleware(NotFound(), made)
