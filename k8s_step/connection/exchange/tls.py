"""The TLS context of one connection; no environment variable can replace the cluster's CA."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from k8s_step.connection.identity.credentials import Certificate
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError


def tls_context(
    connection: Connection, certificate: Certificate | None, *, with_system: bool = False
) -> ssl.SSLContext:
    """The TLS context: it trusts the cluster's CA alone, or the system's trust store where no CA is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Go trusts any certificate given as CA, even an intermediate one; OpenSSL needs this flag for that.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if connection.ca:
        _trust(context, connection)
    if not connection.ca or with_system:
        _trust_system(context)
    if certificate:
        _identify(context, certificate, connection)
    return context


def _trust(context: ssl.SSLContext, connection: Connection) -> None:
    try:
        # Text around the blocks means nothing, as to Go, but Python takes a str of ASCII alone.
        context.load_verify_locations(cadata=(connection.ca or b"").decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        message = f"{connection.ca_origin or 'the certificate authority'} holds no PEM certificate that can be read"
        raise InputError(message, where=connection.origin) from None


def _trust_system(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        context.load_default_certs()
    else:
        import certifi  # imported late: few systems lack trusted certificates

        context.load_verify_locations(certifi.where())


def _identify(context: ssl.SSLContext, certificate: Certificate, connection: Connection) -> None:
    """Load the client certificate by way of a private file: OpenSSL takes only a path."""

    def refuse_password() -> str:
        raise InputError("the client key is encrypted", where=connection.origin, hint="give it without a passphrase")

    with _private_file(certificate.chain.rstrip() + b"\n" + certificate.key) as path:
        try:
            context.load_cert_chain(path, password=refuse_password)
        except (ssl.SSLError, OSError):
            message = "the client certificate and its key are no PEM, or do not belong together"
            raise InputError(message, where=connection.origin) from None


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """The path of a file with ``content``: in memory on Linux, else of mode 0600 and removed after use."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        path, remove = f"/proc/self/fd/{descriptor}", False
    else:
        import tempfile

        descriptor, path = tempfile.mkstemp()
        remove = True
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        if remove:
            Path(path).unlink()
