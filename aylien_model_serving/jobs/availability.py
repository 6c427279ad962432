"""Whether a store works: the log has a line when it begins to fail, and one when it works again."""

from __future__ import annotations

import logging
import time

from aylien_model_serving.jobs.errors import StoreUnavailable

logger = logging.getLogger(__name__)

#: Seconds within which a store that fails for the same reason again is not told of again.
_QUIET = 60.0

#: Seconds for which a success or a failure stands, where somebody only wants to know.
_FRESH = 0.5


class Availability:
    """What is known of one store in this process.

    Args:
        place: the store, for the log.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._error: StoreUnavailable | None = None
        self._was_writing = False
        self._is_told = False
        self._told: tuple[str, float] = "", 0.0
        self._known_at = -_FRESH

    @property
    def is_well(self) -> bool:
        """Whether it works, as far as is known."""
        return self._error is None

    @property
    def is_fresh(self) -> bool:
        """Whether what is known is of this moment."""
        return time.monotonic() < self._known_at + _FRESH

    def is_for(self, reason: str) -> bool:
        """Return whether it does not work for this reason."""
        return str(self._error) == reason

    def raise_error(self) -> None:
        """Raise why it does not work, where it does not."""
        if self._error is not None:
            raise StoreUnavailable(str(self._error))

    def failed(self, error: StoreUnavailable, *, writing: bool) -> None:
        """Note that it does not work."""
        known, self._error = self._error, error
        self._was_writing = writing or (known is not None and self._was_writing)
        self._known_at = time.monotonic()
        if known is None or str(known) != str(error):
            self._tell(error)

    def worked(self, *, writing: bool) -> None:
        """Note that it works; reading alone proves nothing where writing failed."""
        if writing:
            self._known_at = time.monotonic()
        if self._error is None or (self._was_writing and not writing):
            return
        self._error, self._was_writing = None, False
        if self._is_told:
            self._is_told = False
            logger.warning("The job store %s works again", self._place)

    def _tell(self, error: StoreUnavailable) -> None:
        reason, at = self._told
        now = time.monotonic()
        if reason == str(error) and now < at + _QUIET:
            return
        self._told, self._is_told = (str(error), now), True
        logger.error(
            "The job store %s does not work, and is tried again at each use: %s (%s)",
            self._place,
            error,
            error.__cause__ or "no more is known",
        )

    def replaced(self, error: StoreUnavailable, aside: str) -> None:
        """Note that it was damaged, and another one has taken its place."""
        logger.error(
            "The job store %s is damaged (%s): it is set aside as %s, and an empty one takes its place",
            self._place,
            error.__cause__ or "nothing is left of it",
            aside,
        )
