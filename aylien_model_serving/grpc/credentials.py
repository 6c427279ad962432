"""How clients reach the server: as plain text, by TLS, or by TLS with a certificate of their own."""

from __future__ import annotations

from pathlib import Path

import grpc

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers import tls


def credentials_of(settings: Settings) -> grpc.ServerCredentials | None:
    """Return the credentials of the server; None for plain text.

    Raises:
        ConfigurationError: a file can't be used.
    """
    certificate, key, authorities = settings.grpc_certfile, settings.grpc_keyfile, settings.grpc_client_ca
    try:
        tls.check(certificate, key)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"MODEL_SERVING_GRPC_CERTFILE, MODEL_SERVING_GRPC_KEYFILE: {error}"
        ) from None
    if certificate is None or key is None:
        if authorities is not None:
            raise ConfigurationError(
                "MODEL_SERVING_GRPC_CLIENT_CA: clients show a certificate by TLS alone: set "
                "MODEL_SERVING_GRPC_CERTFILE and MODEL_SERVING_GRPC_KEYFILE too"
            )
        return None
    return grpc.ssl_server_credentials(
        [(Path(key).read_bytes(), Path(certificate).read_bytes())],
        root_certificates=None if authorities is None else _authorities(authorities),
        require_client_auth=authorities is not None,
    )


def _authorities(path: str) -> bytes:
    try:
        found = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"MODEL_SERVING_GRPC_CLIENT_CA: {path}: {error.strerror}") from None
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise ConfigurationError(f"MODEL_SERVING_GRPC_CLIENT_CA: {path} has no certificate in PEM")
    return found
