"""Content sniffing: the media type of a file by the signature in its first bytes.

Pure. The signatures are those of the formats' own specifications; what a client declares about a file is
ignored. Text has no signature: it is of no known type.

Written here for the formats that are decoded or refused by name: `python-magic` needs the C library libmagic
and is not safe for sharing across threads (https://github.com/ahupp/python-magic#usage); `puremagic` needs
Python 3.12 and ranks guesses by confidence (https://github.com/cdgriffith/puremagic).
"""

from __future__ import annotations

#: Bytes at the start of a file that contain every signature.
_HEAD_BYTES = 512

#: Signatures at the very start.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b".snd", "audio/basic"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"FLV\x01", "video/x-flv"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
)

#: Containers that name their content in the ninth to twelfth byte.
_CONTAINERS = {
    (b"RIFF", b"WEBP"): "image/webp",
    (b"RIFF", b"WAVE"): "audio/wav",
    (b"RIFF", b"AVI "): "video/x-msvideo",
    (b"FORM", b"AIFF"): "audio/aiff",
    (b"FORM", b"AIFC"): "audio/aiff",
}

#: Brands of ISO base media files (ISO/IEC 14496-12) that are not MPEG-4 video.
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}

#: Second bytes of an MPEG audio frame: version 1, 2 or 2.5, layer III, with or without a checksum.
_LAYER_3 = frozenset({0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2})


def media_type_of(content: bytes) -> str | None:
    """Return the media type of a file by its first bytes, or None if they have no known signature."""
    head = content[:_HEAD_BYTES]
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    contained = _CONTAINERS.get((head[:4], head[8:12]))
    if contained is not None:
        return contained
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    return _by_structure(head)


def _by_structure(head: bytes) -> str | None:
    """Recognize formats whose signature is too short to be sufficient."""
    if head.startswith(b"\x1aE\xdf\xa3"):  # EBML
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head else "audio/ogg"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp"
    if head[:1] == b"\xff" and head[1:2] and head[1] in _LAYER_3:
        return "audio/mpeg"
    if head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G":
        return "video/mp2t"
    return None


def family_of(media_type: str | None) -> str:
    """Return what stands before the slash, e.g. "image"; nothing for None."""
    return (media_type or "").partition("/")[0]
