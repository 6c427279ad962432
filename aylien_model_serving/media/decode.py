"""Files given to this process's decoders, within the operator's limits and the request's deadline."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Literal

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.decoding import pool
from aylien_model_serving.decoding.messages import DecodeLimits, DecodeRequest, DecodeResponse, Family, Want
from aylien_model_serving.decoding.pool import DecodeTimeout
from aylien_model_serving.decoding.processes import DecoderProcess
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.media.errors import TooLarge

#: The settings that matter here.
_SETTINGS = ("decoders", "decode_timeout", "max_image_pixels", "max_decoded_mb", "max_media_seconds")


class Decode:
    """The decoding of one file.

    Args:
        family: which decoder.
        media_type: of the content.
        content: the file.
        deadline: `time.monotonic()` seconds at which nobody waits for the file's request any more; without
            one, the operator's limit of time holds.
    """

    def __init__(self, family: Family, media_type: str, content: bytes, deadline: float | None) -> None:
        self._family = family
        self._media_type = media_type
        self._content = content
        self._deadline = deadline
        self._settings = settings = Settings.load_public(*_SETTINGS)
        self._pool = pool.of_process(settings.decoders)
        self._limits = DecodeLimits(
            settings.max_image_pixels, settings.max_decoded_bytes, settings.max_media_seconds
        )

    def whole(
        self, want: Literal["all", "check", "header"], mode: str | None = None
    ) -> tuple[list[DecodeResponse], bytearray]:
        """Decode the file, and return the responses and their bodies as one.

        Args:
            want: as in a request.
            mode: likewise.

        Raises:
            BadFile: it can't be decoded.
            TooLarge: it exceeds a limit, or takes too long.
            DeadlineExceeded: its request's deadline passed.
            Unavailable: too many others were decoded meanwhile.
        """
        until = self._until()
        request = self._request(want, until, mode)
        found: list[DecodeResponse] = []
        data = bytearray()
        with (
            self._in_time(),
            self._pool.slot(until),
            self._pool.decoder(until) as decoder,
            closing(pool.responses(self._pool, decoder, request, self._content, until)) as parts,
        ):
            for response, body in parts:
                found.append(response)
                if data:
                    data += body  # grows in place
                else:
                    data = body
        return found, data

    def batches(self) -> Generator[tuple[DecodeResponse, bytearray], None, None]:
        """Yield the frames of a video; its decoder waits where the caller does, and is ended with it.

        Raises:
            BadFile, TooLarge, DeadlineExceeded, Unavailable: as in `whole`.
        """
        with self._in_time(), self._pool.film(self._until()) as decoder:
            is_end = False
            content = self._content
            try:
                while not is_end:
                    batch = self._batch(decoder, content)
                    is_end, content = batch[-1][0].is_end, b""
                    yield from ((response, body) for response, body in batch if response.shape)
            finally:
                if not is_end:
                    self._pool.end(decoder)

    def _batch(self, decoder: DecoderProcess, content: bytes) -> list[tuple[DecodeResponse, bytearray]]:
        """Return the first frames of the content, or the next ones without it."""
        until = self._until()
        request = self._request("batch" if content else "more", until)
        with (
            self._pool.slot(until),
            closing(pool.responses(self._pool, decoder, request, content, until)) as parts,
        ):
            return list(parts)

    def _request(self, want: Want, until: float, mode: str | None = None) -> DecodeRequest:
        seconds = max(0.0, until - time.monotonic())
        return DecodeRequest(self._family, self._media_type, want, self._limits, seconds, mode)

    def _until(self) -> float:
        return time.monotonic() + self._settings.decode_timeout if self._deadline is None else self._deadline

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            yield
        except DecodeTimeout as error:
            if self._deadline is not None:
                raise DeadlineExceeded from error
            raise TooLarge(
                f"the {self._media_type} takes longer than {self._settings.decode_timeout:g} s to decode"
            ) from error
