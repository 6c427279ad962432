"""Log lines: one line each, as text or JSON, each with the id of the request that it belongs to.

No Flask.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.core.settings import Settings

#: Characters of one line; a longer one, such as a deep traceback, is cut in its middle.
MAX_LINE = 16_384


class _Formatter(logging.Formatter):
    def line(self, record: logging.LogRecord) -> str:
        """Return message and traceback as one string without its line breaks."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            text += "\n" + self.formatStack(record.stack_info)
        return _cut(text)


class TextFormatter(_Formatter):
    """`2026-01-31T12:00:00.123Z INFO model [request id] message`, line breaks written as \\n."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record).replace("\r", "\\r").replace("\n", "\\n")
        return f"{_timestamp(record)} {record.levelname} {record.name} [{current_request_id.get()}] {line}"


class JsonFormatter(_Formatter):
    """One JSON object: time, level, logger, request_id, message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": current_request_id.get(),
            "message": self.line(record),
        }
        return msgspec.json.encode(fields).decode()


_FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def formatter(settings: Settings) -> logging.Formatter:
    """Return the formatter that the settings ask for."""
    return _FORMATTERS[settings.log_format]()


def configure(settings: Settings) -> None:
    """Write the process's log to standard error, unless the application has set logging up already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings))
    root.addHandler(handler)
    logging.getLogger("aylien_model_serving").setLevel(settings.log_level)


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_LINE:
        return text
    half = MAX_LINE // 2
    return f"{text[:half]} …{len(text) - MAX_LINE} characters left out… {text[-half:]}"
