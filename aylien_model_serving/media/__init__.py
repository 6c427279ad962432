"""Files as values: what a handler gets for a picture, a recording or a film, and what it answers with.

Pillow, soundfile and PyAV are imported when a file is first decoded; sockets are opened for files
that come as URLs, if the operator lets them.
"""

from __future__ import annotations

from aylien_model_serving.media.audio import AudioFile
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.media.images import ImageFile
from aylien_model_serving.media.video import VideoFile

__all__ = ["AudioFile", "ImageFile", "MediaFile", "VideoFile"]
