"""Errors of the testing helpers: each says what to do."""

from __future__ import annotations

#: Installs the packages of the helpers that a service itself does not need.
INSTALL = "pip install 'model-serving[testing]'"


class ServiceFailed(AssertionError):
    """A service did not start, or left something behind: a test that needs it fails."""
