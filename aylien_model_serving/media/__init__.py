"""Files as values: images, audio and video that handlers take and return.

Pillow, soundfile and PyAV are imported when a file is first decoded; connections are opened for files
that arrive as URLs, if the operator allows URLs.
"""

from __future__ import annotations

from aylien_model_serving.media.audio import AudioFile
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.media.images import ImageFile
from aylien_model_serving.media.video import VideoFile

__all__ = ["AudioFile", "ImageFile", "MediaFile", "VideoFile"]
