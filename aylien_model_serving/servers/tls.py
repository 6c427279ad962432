"""The certificate of a service that speaks TLS itself, looked at before a server is started."""

from __future__ import annotations

import ssl
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError


def check(certfile: str | None, keyfile: str | None, *, needs_pkcs8: bool = False) -> None:
    """Refuse a certificate that no server could use; none at all is fine.

    Args:
        certfile: path of the certificate and its chain, as PEM.
        keyfile: path of its private key, as PEM.
        needs_pkcs8: whether the server reads keys of this form alone.

    Raises:
        ConfigurationError: says which file is wrong, and how.
    """
    if certfile is None and keyfile is None:
        return
    if certfile is None or keyfile is None:
        raise ConfigurationError("TLS needs both a certfile and a keyfile")
    for path in (certfile, keyfile):
        _check_readable(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password=_refuse_password)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{certfile} and {keyfile} are no certificate with its key: {error.reason or error}"
        ) from None
    if needs_pkcs8 and "-----BEGIN PRIVATE KEY-----" not in Path(keyfile).read_text():
        raise ConfigurationError(
            f"granian reads keys in PKCS#8 only, and {keyfile} is none: "
            f"openssl pkcs8 -topk8 -nocrypt -in {keyfile} -out key.pem makes one of it"
        )


def _check_readable(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None


def _refuse_password() -> str:
    raise ConfigurationError("the key is encrypted, and nobody is there to be asked for its password")
