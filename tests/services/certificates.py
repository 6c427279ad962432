"""Certificates that tests make for themselves, by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.with_packages import lack

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificate(NamedTuple):
    """A certificate and its key, as files in PEM."""

    certfile: Path
    keyfile: Path


def openssl(*words: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        lack("openssl is not installed")
    subprocess.run([program, *words], check=True, capture_output=True, timeout=60)


def self_signed(folder: Path, name: str) -> Certificate:
    """Return a certificate of 127.0.0.1 that is its own authority."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem")
    names = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl("req", "-x509", *_KEY, "-keyout", made.keyfile, "-out", made.certfile, "-days", "2", *names)
    return made
