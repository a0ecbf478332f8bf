"""Credentials that change during a run: rotated token and certificate files, exec plugins with expiring answers.

Source of the plugin protocol: client.authentication.k8s.io/v1 and client-go's ``plugin/pkg/client/auth/exec``.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from k8s_step.connection.settings import Connection, ExecPlugin, User
from k8s_step.errors import InputError, MissingFileError, StepError
from k8s_step.redaction import Redactor
from k8s_step.redaction.secretfile import is_there, misplaced, refusal

PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
PLUGIN_PATIENCE = 30.0  # seconds for a plugin; kubectl waits for ever
_EARLY = 60.0  # seconds before its expiry at which a long-lived credential is renewed
_REST = 2.0  # seconds after a failure in which nothing is obtained, however many requests ask for it
_STDERR_SHOWN = 1000  # characters
_SECRET_NAME = r"token|secret|passw|credential|(?<!public)[-_]?key\b"


@dataclass(frozen=True)
class Certificate:
    """A client certificate and its key, PEM."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Credential:
    """The identity of one request: an ``Authorization`` header, a TLS certificate, both or nothing."""

    authorization: str | None = field(default=None, repr=False)
    certificate: Certificate | None = field(default=None, repr=False)


class Credentials(Protocol):
    """A source of credentials for requests; thread-safe."""

    def current(self) -> Credential:
        """The credential to use now."""

    def refresh(self, refused: Credential) -> bool:
        """Get a new credential after a 401; false where there is none but the ``refused``."""

    def close(self) -> None:
        """Stop a plugin or request that is fetching a credential. Any thread may call this."""


def credentials_of(connection: Connection, redactor: Redactor, environ: Mapping[str, str] | None = None) -> Credentials:
    """The credentials of this connection; every secret among them is registered with ``redactor``.

    ``environ`` is that of an exec plugin; ``None`` for the one of this process.
    As in client-go, a token, a password or a certificate in the kubeconfig keeps its exec plugin from running.
    """
    user = connection.user
    redactor.add(user.token, user.password, user.client_key)
    static = Credential(_authorization(user), certificate_of(user))
    if user.token_file:
        return TokenFile(Path(user.token_file), static, redactor, user.token_file_origin)
    if user.certificate_files:
        return CertificateFiles(user.certificate_files, static, redactor)
    if user.exec_plugin and static == Credential():
        return Plugin(user.exec_plugin, connection, redactor, environ=environ)
    return Static(static, redactor)


def bearer(token: str, where: str) -> str:
    """The ``Authorization`` value for ``token``. Raises :class:`InputError` where no header can hold it."""
    token = token.strip()
    if not token:
        raise InputError("the token is empty", where=where)
    if not token.isascii() or not token.isprintable() or " " in token:
        from k8s_step.connection.identity.tokens import looks_like

        message = "the token holds blanks, line breaks or other characters no token has"
        raise InputError(message, where=where, hint=looks_like(token))
    return f"Bearer {token}"


def _authorization(user: User) -> str | None:
    if user.token:
        return bearer(user.token, user.token_origin)
    if user.username or user.password:
        pair = f"{user.username or ''}:{user.password or ''}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def certificate_of(user: User) -> Certificate | None:
    """The client certificate that the settings hold themselves."""
    if user.client_certificate and user.client_key:
        return Certificate(user.client_certificate, user.client_key)
    return None


class Static:
    """A credential that does not change."""

    def __init__(self, credential: Credential, redactor: Redactor) -> None:
        self._credential = credential
        if credential.authorization:
            redactor.add(credential.authorization.partition(" ")[2])

    def current(self) -> Credential:
        return self._credential

    def refresh(self, refused: Credential) -> bool:
        return False

    def close(self) -> None:
        """Nothing runs."""


class TokenFile:
    """A token in a file, read again when the file changes, as the kubelet changes projected tokens hourly.

    A file that is gone or empty for a moment leaves the last token in use, as in client-go. ``origin`` names the
    setting where ``path`` may be the token itself, which no error repeats; it is empty for a path.
    """

    def __init__(self, path: Path, static: Credential, redactor: Redactor, origin: str = "") -> None:
        self._path = path
        self._origin = origin
        if origin:
            redactor.add(misplaced(str(path)))
        self._certificate = static.certificate
        self._fallback = static.authorization
        self._redactor = redactor
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._credential: Credential | None = None

    def current(self) -> Credential:
        with self._lock:
            self._read_if_changed()
            return self._credential or self._without_file()

    def refresh(self, refused: Credential) -> bool:
        with self._lock:
            self._seen = None
            self._read_if_changed()
            return self._credential is not None and self._credential != refused

    def close(self) -> None:
        """Nothing runs."""

    def _read_if_changed(self) -> None:
        try:
            seen = _stamp(self._path)
            if seen == self._seen:
                return
            token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):  # no such file, or no text in it, or a text that no file can be called
            return
        if token:
            self._redactor.add(token)
            self._credential = Credential(bearer(token, self._origin or str(self._path)), self._certificate)
            self._seen = seen

    def _without_file(self) -> Credential:
        if self._fallback:
            return Credential(self._fallback, self._certificate)
        where = str(self._path)
        if self._origin:
            raise refusal(self._origin)
        if not is_there(self._path):
            raise MissingFileError("the token file is not there", path=where, where=where)
        problem = "is empty" if self._path.is_file() else "cannot be read"
        raise InputError(f"the token file {problem}", where=where)


class CertificateFiles:
    """A client certificate and its key in files, read again when they change, as client-go does.

    While the two don't belong together, because one of them is yet to be replaced, the last good pair stays in use.
    """

    def __init__(self, files: tuple[str, str], static: Credential, redactor: Redactor) -> None:
        self._files = (Path(files[0]), Path(files[1]))
        self._credential = static
        self._redactor = redactor
        self._lock = threading.Lock()
        self._seen: list[tuple[int, ...]] = []

    def current(self) -> Credential:
        with self._lock:
            self._read_if_changed()
            return self._credential

    def refresh(self, refused: Credential) -> bool:
        return self.current() != refused

    def close(self) -> None:
        """Nothing runs."""

    def _read_if_changed(self) -> None:
        try:
            seen = [_stamp(path) for path in self._files]
            if seen == self._seen:
                return
            chain, key = (path.read_bytes() for path in self._files)
            # Python has no other way to see whether a key is a certificate's; an encrypted one must not ask for input.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self._files[0], self._files[1], "")
        except (OSError, ValueError):  # SSLError is an OSError
            return
        self._redactor.add(key)
        self._credential = Credential(self._credential.authorization, Certificate(chain, key))
        self._seen = seen


def _stamp(path: Path) -> tuple[int, ...]:
    """Inode, time and size of a file: the kubelet may replace a file by another of the same size and time."""
    stat = path.stat()
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


class Renewed(ABC):
    """A credential that expires: obtained when first needed, again shortly before its expiry, and after a 401.

    ``clock`` gives seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # held while a credential is obtained, so that sixteen threads obtain one
        self._credential: Credential | None = None
        self._renew_at = math.inf
        self._ends = math.inf
        self._failure: StepError | None = None
        self._failed_at = 0.0

    @abstractmethod
    def obtain(self) -> tuple[Credential, float]:
        """A new credential, and its expiry in seconds since the epoch. Raises :class:`StepError`."""

    def next_move(self, code: int) -> str | None:
        """A hint after the server answered ``code`` (401, 403) to the last credential; ``None`` without one."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Stop a plugin or request that is fetching a credential. Any thread may call this."""

    def current(self) -> Credential:
        with self._lock:
            if self._credential is None or self._clock() >= self._renew_at:
                return self._renewed()
            return self._credential

    def refresh(self, refused: Credential) -> bool:
        with self._lock:
            if self._credential is refused:
                self._renew()
            return self._credential is not None and self._credential != refused

    def _renewed(self) -> Credential:
        """A fresh credential, or the old one if renewal fails while the old one is still valid."""
        try:
            return self._renew()
        except StepError:
            left = self._ends - self._clock()
            if self._credential is None or left <= 0:
                raise
            self._renew_at = self._ends - left / 2
            return self._credential

    def _renew(self) -> Credential:
        if self._failure is not None and 0.0 <= self._clock() - self._failed_at < _REST:
            raise self._failure
        try:
            self._credential, self._ends = self.obtain()
        except StepError as error:
            self._failure, self._failed_at = error, self._clock()
            raise
        self._failure = None
        now = self._clock()
        lasts = self._ends - now
        # Expired by our clock, which may be wrong: the credential is used, but not renewed at each request.
        self._renew_at = now + _EARLY if lasts <= 0 else self._ends - min(_EARLY, lasts / 5)
        return self._credential


class Plugin(Renewed):
    """An exec plugin, run again before the ``expirationTimestamp`` that it gave."""

    def __init__(
        self,
        plugin: ExecPlugin,
        connection: Connection,
        redactor: Redactor,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PLUGIN_PATIENCE,
    ) -> None:
        from k8s_step.childprocess import ChildProcess  # imported here: few runs have a plugin

        super().__init__(clock)
        self._plugin = plugin
        self._info = _as_json(_exec_info(plugin, connection), plugin)
        self._redactor = redactor
        self._environ = environ if environ is not None else os.environ
        self._patience = patience
        self._child = ChildProcess()
        redactor.add(*_secret_arguments(plugin))
        _check(plugin)

    def close(self) -> None:
        self._child.kill()

    def obtain(self) -> tuple[Credential, float]:
        status = _status(self._plugin, self._output())
        token, chain, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
        self._redactor.add(token, key)
        timestamp = status.get("expirationTimestamp")
        ends = _seconds(timestamp, self._plugin) if timestamp else math.inf
        certificate = Certificate(*(text.encode(errors="replace") for text in (chain, key))) if chain and key else None
        return Credential(bearer(token, self._plugin.where) if token else None, certificate), ends

    def _output(self) -> bytes:
        import shutil

        environ = {**self._environ, **dict(self._plugin.env), "KUBERNETES_EXEC_INFO": self._info}
        path = shutil.which(self._plugin.command, path=environ.get("PATH"))
        if path is None:
            raise self._error("was not found", hint=self._plugin.install_hint or None)
        code, stdout, stderr = self._finished([path, *self._plugin.args], environ)
        if code != 0:
            said = self._redactor.mask(stderr.decode(errors="replace").strip())[-_STDERR_SHOWN:]
            raise self._error(f"failed with exit code {code}" + (f": {said}" if said else ""))
        return stdout

    def _finished(self, command: list[str], environ: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        from subprocess import TimeoutExpired

        try:
            return self._child.output(command, environ, self._patience)
        except TimeoutExpired:
            raise self._error(f"did not answer within {self._patience:g}s and was stopped") from None
        except (OSError, ValueError) as error:  # a name or a text that no environment or argument can hold
            why = error.strerror if isinstance(error, OSError) else error
            raise self._error(f"cannot be run: {why}") from None

    def _error(self, message: str, hint: str | None = None) -> InputError:
        return InputError(f"credential plugin {self._plugin.command} {message}", where=self._plugin.where, hint=hint)


def _check(plugin: ExecPlugin) -> None:
    if plugin.api_version not in PLUGIN_VERSIONS:
        raise InputError(
            f"exec apiVersion {plugin.api_version or 'is missing'!s}: only {' and '.join(PLUGIN_VERSIONS)} are known",
            where=plugin.where,
        )
    if plugin.interactive_mode not in ("Never", "IfAvailable"):
        raise InputError(
            f"exec interactiveMode {plugin.interactive_mode}: a pipeline has nobody to ask",
            where=plugin.where,
            hint="Never and IfAvailable work",
        )


def _exec_info(plugin: ExecPlugin, connection: Connection) -> dict[str, Any]:
    """``KUBERNETES_EXEC_INFO``: an ExecCredential without a status."""
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        ca = connection.ca
        cluster = {
            "server": connection.server,
            "tls-server-name": connection.tls_server_name,
            "insecure-skip-tls-verify": connection.insecure,
            "certificate-authority-data": base64.b64encode(ca).decode() if ca else None,
            "proxy-url": connection.proxy_url,
            "disable-compression": connection.disable_compression,
            "config": plugin.cluster_config,
        }
        spec["cluster"] = {key: value for key, value in cluster.items() if value}
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def _as_json(info: dict[str, Any], plugin: ExecPlugin) -> str:
    """``info`` as JSON; what YAML knows and JSON does not (dates, sets) as text."""
    try:
        return json.dumps(info, default=str)
    except (TypeError, ValueError, RecursionError):
        raise InputError("the cluster's exec extension holds what JSON can't", where=plugin.where) from None


def _status(plugin: ExecPlugin, output: bytes) -> dict[str, Any]:
    """The ``status`` that a plugin printed; errors never show its output, which is secret."""
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _wrong(plugin, "did not print an ExecCredential as JSON")
    version = answer.get("apiVersion")
    if version != plugin.api_version:
        known = version if version in PLUGIN_VERSIONS else "another one"
        raise _wrong(plugin, f"is configured for {plugin.api_version}, but answered in {known}")
    status = answer.get("status")
    if not isinstance(status, dict) or not all(isinstance(value, str | None) for value in status.values()):
        raise _wrong(plugin, "gave no usable status")
    if bool(status.get("clientCertificateData")) != bool(status.get("clientKeyData")):
        raise _wrong(plugin, "gave a certificate without its key, or a key without its certificate")
    if not status.get("token") and not status.get("clientKeyData"):
        raise _wrong(plugin, "gave neither a token nor a certificate")
    return status


def _seconds(timestamp: str, plugin: ExecPlugin) -> float:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong(plugin, "gave an expirationTimestamp that is no RFC 3339 time")
    return moment.timestamp()


def _wrong(plugin: ExecPlugin, message: str) -> InputError:
    return InputError(f"credential plugin {plugin.command} {message}", where=plugin.where)


def _secret_arguments(plugin: ExecPlugin) -> Iterator[str]:
    """Values in the plugin's arguments and environment whose name says that they are secret."""
    for name, value in plugin.env:
        if re.search(_SECRET_NAME, name, re.IGNORECASE):
            yield value
    for argument, following in zip(plugin.args, [*plugin.args[1:], ""], strict=False):
        name, equals, value = argument.partition("=")
        if name.startswith("-") and re.search(_SECRET_NAME, name, re.IGNORECASE):
            yield value if equals else following
