r"""The words of a speech, sent as they are spoken: as a stream, or as a job that can be followed by its id.

make COMMAND_UNCACHED='examples.transcript.app:run_app()' example-service
curl -N localhost:8000/transcribe -d '{"speed": 2}'                             # a line for each word
curl -N 'localhost:8000/transcribe?speed=2' -H 'Accept: text/event-stream'      # an event for each word
curl localhost:8000/transcripts -d '{}'                                         # a job with the same words
curl -N localhost:8000/stream/<job_id>                                          # as it makes them
"""

import time
from collections.abc import Iterator
from typing import TypedDict

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

SPEECH = (
    "Four score and seven years ago our fathers brought forth on this continent a new nation, "
    "conceived in liberty, and dedicated to the proposition that all men are created equal."
)

LETTER = 0.06  # seconds that a calm speaker takes for one
GAP = 0.1  # seconds between two words


class Word(TypedDict):
    """A word, and the seconds from the beginning of the speech at which it begins and ends."""

    word: str
    start: float
    end: float


def transcribe(text: str = SPEECH, speed: float = 1.0) -> Iterator[Word]:
    """Send each word once it has been spoken; a clock stands where a model would listen.

    Args:
        text: the speech.
        speed: how many times as fast as a calm speaker it is spoken, from 0.1 to 1000.
    """
    if not 0.1 <= speed <= 1000:
        raise InvalidRequest("speed has to be from 0.1 to 1000")
    now = 0.0
    for word in text.split():
        spoken = GAP + LETTER * len(word)
        time.sleep(spoken / speed)
        yield {"word": word, "start": round(now + GAP, 2), "end": round(now + spoken, 2)}
        now += spoken


def run_app() -> Flask:
    """Return the app that the server is told to serve: each stream takes one of the first route's threads."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/transcribe",
                "callable": transcribe,
                "methods": ["GET", "POST"],
                "name": "transcribe",
                "threads": 16,
            },
            {
                "endpoint": "/transcripts",
                "callable": transcribe,
                "methods": ["POST"],
                "name": "transcripts",
                "job": True,
            },
        ]
    )
