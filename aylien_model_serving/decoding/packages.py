"""The optional packages of the extra `media`, imported when they are first needed.

Only this module imports them; an error about a missing package names the command that installs it.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from aylien_model_serving.errors import ConfigurationError

#: What pip calls the packages.
_DISTRIBUTIONS = {"PIL": "Pillow", "soundfile": "soundfile", "av": "PyAV", "numpy": "numpy"}


def ensure(package: str, user: str) -> None:
    """Refuse to start without a package.

    Args:
        package: the name by which it is imported.
        user: what needs it.

    Raises:
        ConfigurationError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigurationError(f"{user} needs {_missing(package)}")


def _missing(package: str) -> str:
    return f"{_DISTRIBUTIONS[package]}, which is not installed: pip install 'model-serving[media]'"


def pillow() -> Any:
    """Return Pillow, with its modules `Image` and `ImageOps`."""
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(f"Images need {_missing('PIL')}") from error
    return PIL


def soundfile() -> Any:
    """Return soundfile."""
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(f"Audio needs {_missing('soundfile')}") from error
    return soundfile


def av() -> Any:
    """Return PyAV."""
    try:
        import av
    except ImportError as error:
        raise ImportError(f"Video needs {_missing('av')}") from error
    return av


def numpy() -> Any:
    """Return numpy."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError(f"Arrays need {_missing('numpy')}") from error
    return numpy
