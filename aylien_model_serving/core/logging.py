"""Log lines: one line each, as text or JSON, each with the ids of the request and the job that it belongs to.

No Flask.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from typing import Any

import msgspec

from aylien_model_serving.core import callers, start_log
from aylien_model_serving.core.escapes import escape, escape_in_json
from aylien_model_serving.core.messages import current_job_id, current_request_id
from aylien_model_serving.core.secrets import without_user_info
from aylien_model_serving.core.settings import Settings


class _Formatter(logging.Formatter):
    """Writes a line that others can't forge: control characters are escaped, and its length is limited.

    Args:
        max_bytes: of a line; a longer one, such as that of a deep traceback, is cut in its middle.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    def format(self, record: logging.LogRecord) -> str:
        text = _text(self, record)
        kept = min(len(text), self._max_bytes)  # a character takes a byte or more
        while True:
            line = self.render(record, _cut(text, kept))
            size = len(line.encode())
            if size <= self._max_bytes or not kept:
                return line
            kept = kept * self._max_bytes // size

    @abstractmethod
    def render(self, record: logging.LogRecord, text: str) -> str:
        """Return the line of a record whose message and traceback are this text."""


class TextFormatter(_Formatter):
    """`2026-01-31T12:00:00.123Z INFO model [request id, caller, job] message`, line breaks as \\n."""

    def render(self, record: logging.LogRecord, text: str) -> str:
        return escape(f"{_timestamp(record)} {record.levelname} {record.name} [{_origin()}] {text}")


class JsonFormatter(_Formatter):
    """One JSON object: time, level, logger, request_id, caller and job_id if there are any, message."""

    def render(self, record: logging.LogRecord, text: str) -> str:
        fields: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": current_request_id.get(),
            **({"caller": caller} if (caller := callers.current.get().name) else {}),
            **({"job_id": job_id} if (job_id := current_job_id.get()) else {}),
            "message": text.encode("utf-8", "backslashreplace").decode(),
        }
        return escape_in_json(msgspec.json.encode(fields).decode())


def _origin() -> str:
    """Return the request's id, who makes it if the service has keys, and the job that it has become."""
    caller, job_id = callers.current.get().name, current_job_id.get()
    origin = f"{current_request_id.get()} {caller}" if caller else current_request_id.get()
    return f"{origin} job {job_id}" if job_id else origin


_FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def formatter(settings: Settings) -> logging.Formatter:
    """Return the formatter that the settings ask for."""
    return _FORMATTERS[settings.log_format](settings.log_line_bytes)


def configure(settings: Settings) -> None:
    """Write the process's log to standard error, unless the application has set logging up already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings))
    root.addHandler(handler)
    logger = logging.getLogger("aylien_model_serving")
    logger.setLevel(settings.log_level)
    start_log.set_level(logger.level)


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return message and traceback, without passwords of URLs, which errors of other libraries may show."""
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    if record.stack_info:
        text += "\n" + formatter.formatStack(record.stack_info)
    return without_user_info(text)


def _cut(text: str, kept: int) -> str:
    """Return the start and the end of a text, and how much was between them."""
    if len(text) <= kept:
        return text
    start, end = (kept + 1) // 2, kept // 2
    return f"{text[:start]} …{len(text) - kept} characters left out… {text[len(text) - end :]}"
