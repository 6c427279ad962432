"""A service of which each route is an RPC: by its own .proto, by one that is generated, hosted and not."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from flask import request

from aylien_model_serving import current_call, current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.core.messages import current_request_id
from tests.services import speech_pb2
from tests.services.speech_pb2 import Letter, Text, Told

#: Seconds after which a handler that nobody tells ends all the same.
LONG = 30.0

SPEECH = speech_pb2.DESCRIPTOR.services_by_name["Speech"]


def note(line: str) -> None:
    with open(os.environ["DIARY"], "a") as diary:
        diary.write(line + "\n")


class Repeat:
    """A model in a runner, which tells in which process it is."""

    def __init__(self) -> None:
        note(f"loaded in {os.getpid()}")

    def __call__(self, text: str) -> dict[str, Any]:
        if text == "long":
            time.sleep(LONG)
        return {"text": text, "caller": current_caller(), "pid": os.getpid()}


def say(text: str) -> dict[str, Any]:
    header = request.headers.get("X-Language", "")
    return {
        "text": f"{text}{header}",
        "caller": current_caller(),
        "request_id": current_request_id.get(),
        "pid": os.getpid(),
    }


def spell(text: str) -> Iterator[dict[str, str]]:
    for letter in text:
        if letter == "!":
            raise InvalidRequest("An exclamation mark can't be spelt")
        yield {"letter": letter}
        if letter == ".":
            note("waits")
            note("was cancelled" if current_call().cancelled.wait(LONG) else "nobody left")


def join(letters: Iterator[Letter]) -> Told:
    """Take messages one by one, on a thread."""
    note("joins")
    found = []
    for letter in letters:
        found.append(letter.letter)
        if letter.letter == "!":
            raise InvalidRequest("That is enough")
        if letter.letter == ".":
            break
    note(f"joined {len(found)}")
    return Told(text="".join(found))


async def echo(texts: AsyncIterator[dict[str, str]]) -> AsyncIterator[dict[str, str]]:
    """Answer each message before the next one comes, on the event loop."""
    async for text in texts:
        yield {"text": text["text"].upper()}


def wait(text: str) -> dict[str, str]:
    note(f"{text} began")
    if not current_call().cancelled.wait(LONG):
        return {"text": "nobody left"}
    note(f"{text} was cancelled")
    return {"text": "for nobody"}


ROUTES = [
    {"endpoint": "/say", "callable": say, "schema": SPEECH.methods_by_name["Say"]},
    {
        "endpoint": "/repeat",
        "callable": Repeat,
        "schema": SPEECH.methods_by_name["Repeat"],
        "runner": True,
        "timeout": 20,
    },
    {"endpoint": "/join", "callable": join},
    {"endpoint": "/echo", "callable": echo, "schema": SPEECH.methods_by_name["Echo"]},
    {"endpoint": "/spell", "callable": spell, "schema": (Text, Letter)},
    {"endpoint": "/wait", "callable": wait, "schema": (Text, Text), "threads": 4},
    {"endpoint": "/plain", "callable": lambda name: name, "name": "plain"},
]

app = FlaskAppWrapper.create_app(ROUTES)

if "HOOKED" in os.environ:

    @app.before_request
    def see() -> None:
        note(f"a hook has seen {request.path}")


def create_app() -> Any:
    return FlaskAppWrapper.create_app(ROUTES)
