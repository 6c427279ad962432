"""The installed library as a wheel, for machines and images that don't see the folder that it came from.

It is zipped from the installed files, in the format of PEP 427, which needs neither a build nor an index.
"""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

#: Files of an installation that say how it was made here.
_OF_THE_INSTALLATION = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}


def write(distribution: metadata.Distribution, package: Path, folder: Path) -> Path:
    """Write the wheel of a pure Python distribution, and return its path.

    Args:
        distribution: as it is installed, editable or not.
        package: the folder of its one package.
        folder: where the wheel belongs.
    """
    stem = f"{distribution.metadata['Name'].replace('-', '_')}-{distribution.version}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*_package_files(package), *_metadata_files(distribution, f"{stem}.dist-info")):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            digest = urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record.append(f"{name},sha256={digest},{len(content)}\n")
        record.append(f"{stem}.dist-info/RECORD,,\n")
        archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/RECORD"), "".join(record))
    return wheel


def _package_files(package: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(package.parent)), path.read_bytes()


def _metadata_files(distribution: metadata.Distribution, folder: str) -> Iterator[tuple[str, bytes]]:
    for file in distribution.files or ():
        home, _, name = str(file).partition("/")
        if home.endswith(".dist-info") and name not in _OF_THE_INSTALLATION:
            yield f"{folder}/{name}", file.read_binary()
