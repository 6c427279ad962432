r"""The words of a speech, sent as they are spoken: as a stream, or as a job that can be followed by its id.

make COMMAND_UNCACHED='examples.transcript.app:run_app()' example-service
curl -N localhost:8000/transcribe -d '{"speed": 2}'                             # a line for each word
curl -N 'localhost:8000/transcribe?speed=2' -H 'Accept: text/event-stream'      # an event for each word
curl localhost:8000/transcripts -d '{}'                                         # a job with the same result
curl -N localhost:8000/stream/<job_id>                                          # as it produces them
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

SECONDS_PER_LETTER = 0.06  # of a slow speaker
SECONDS_BETWEEN_WORDS = 0.1


class Word(TypedDict):
    """A word, and the seconds from the beginning of the speech at which it begins and ends."""

    word: str
    start: float
    end: float


def transcribe(text: str = SPEECH, speed: float = 1.0) -> Iterator[Word]:
    """Yield each word once it has been spoken; a sleep stands in for a model.

    Args:
        text: the speech.
        speed: factor of the slow speaker's speed, from 0.1 to 1000.
    """
    if not 0.1 <= speed <= 1000:
        raise InvalidRequest("speed has to be from 0.1 to 1000")
    elapsed = 0.0
    for word in text.split():
        duration = SECONDS_BETWEEN_WORDS + SECONDS_PER_LETTER * len(word)
        time.sleep(duration / speed)
        yield {
            "word": word,
            "start": round(elapsed + SECONDS_BETWEEN_WORDS, 2),
            "end": round(elapsed + duration, 2),
        }
        elapsed += duration


def run_app() -> Flask:
    """Return the app that the server serves: each stream uses one of the first route's threads."""
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
