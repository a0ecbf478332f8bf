"""The cluster's address and the step's identity there: plain data, made by :mod:`k8s_step.connection.lookup`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from k8s_step.surroundings import System

_IN_A_NAME = "!#$&'*+.^_`|~-"  # in a header's name; source: client-go's ``headerKeyEscape``


@dataclass(frozen=True)
class ConnectionOptions:
    """The connection settings of flags and ``K8S_*`` variables; ``None`` where unset.

    ``kubeconfig`` is a path, several joined by ``:``, the text itself or its base64; the plain ``KUBECONFIG``
    variable does not belong here. ``ca`` is a path, PEM text or its base64. ``server_origin`` names the setting that
    gave the server; ``sources`` has the flag or variable of the others. ``login`` is the option that names a cloud's
    cluster, whose login is the credential. ``system`` is the CI system, for hints about a missing ID token.
    """

    server: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = field(default=None, repr=False)
    oidc_audience: str | None = None
    ca: str | None = field(default=None, repr=False)
    insecure_skip_tls_verify: bool = False
    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None
    namespace: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    server_origin: str = "--server or K8S_API"
    sources: Mapping[str, str] = field(default_factory=dict)
    login: str | None = None
    system: System = System.OTHER

    def source(self, name: str) -> str:
        """The flag or variable that gave a setting."""
        return self.sources.get(name) or f"--{name.replace('_', '-')}"

    @property
    def has_identity(self) -> bool:
        """Whether the options hold a credential, so that none is needed from a kubeconfig."""
        return bool(self.token or self.token_file or self.oidc_audience or self.login)


@dataclass(frozen=True)
class ExecPlugin:
    """A credential plugin as the kubeconfig describes it; ``where`` names file and user for errors."""

    api_version: str
    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"
    cluster_config: Any = field(default=None, repr=False)
    where: str = ""


@dataclass(frozen=True)
class TokenEndpoint:
    """GitHub's endpoint for ID tokens: ``url`` includes the audience, ``request_token`` authorizes the request."""

    url: str = field(repr=False)
    request_token: str = field(repr=False)
    proxy_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class User:
    """The credentials of a connection; ``repr`` shows no secret.

    ``token_file_origin``: the setting of ``token_file`` where that may be the token itself; empty for a path.
    ``client_certificate`` and ``client_key`` are PEM; ``certificate_files`` are the paths they were read from, if any.
    """

    token: str | None = field(default=None, repr=False)
    token_origin: str = field(default="the token", compare=False)
    token_file: str | None = field(default=None, repr=False)
    token_file_origin: str = field(default="", compare=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    certificate_files: tuple[str, str] | None = None
    exec_plugin: ExecPlugin | None = None
    id_token: TokenEndpoint | None = None


class Impersonation(NamedTuple):
    """``Impersonate-*``: act as somebody else, if RBAC allows it."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """The request headers, in the API server's spelling."""
        found = [("Impersonate-User", self.user)] if self.user else []
        found += [("Impersonate-Group", group) for group in self.groups]
        found += [("Impersonate-Uid", self.uid)] if self.uid else []
        return found + [(f"Impersonate-Extra-{quote(key, safe=_IN_A_NAME)}", value) for key, value in self.extra]


@dataclass(frozen=True)
class Connection:
    """Everything the client needs to reach one cluster.

    ``origin`` is the setting that named the cluster, for the log's first line. ``proxy_url`` is final: the kubeconfig's
    ``proxy-url`` or the environment's proxy. ``ca_origin`` names the file or setting of the CA. ``warnings`` are for
    the log. ``nobody``: the hint for a 401 when no credential was given; empty if one was given. ``is_bare``: the
    kubeconfig's user is left out, since the server speaks plain HTTP.
    """

    server: str
    origin: str
    context: str | None = None
    namespace: str | None = None
    ca: bytes | None = field(default=None, repr=False)
    ca_origin: str = ""
    insecure: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    disable_compression: bool = False
    user: User = field(default_factory=User, repr=False)
    impersonation: Impersonation = field(default_factory=Impersonation)
    warnings: tuple[str, ...] = ()
    nobody: str = ""
    is_bare: bool = False
