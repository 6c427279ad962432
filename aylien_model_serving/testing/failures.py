"""How the helper's failures are told: each says what to do."""

from __future__ import annotations

#: What brings the packages of the helper that a service itself does not need.
INSTALL = "pip install 'model-serving[testing]'"


class ServiceFailed(AssertionError):
    """A service did not start, or left something behind: a test that needs it fails."""
