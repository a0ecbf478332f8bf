"""Finds the cluster: options first, then kubeconfig files merged as kubectl does, then the mounted service account.

Pure, except that it reads the files that the options and the environment name. Source of the rules: client-go's
``tools/clientcmd`` and ``rest.InClusterConfig``.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from k8s_step.connection.exchange.proxies import checked_environment_proxy, is_loopback, is_proxy
from k8s_step.connection.headers import is_header_value
from k8s_step.connection.settings import Connection, ConnectionOptions, ExecPlugin, Impersonation, User
from k8s_step.errors import InputError, MissingFileError
from k8s_step.redaction.secretfile import SecretFile, is_path, refusal

if TYPE_CHECKING:
    from k8s_step.connection.kubeconfig import Entry, Kubeconfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER_NAMES = {
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
}
EXEC_EXTENSION = "client.authentication.k8s.io/exec"  # clientcmd: holds a plugin's own settings


def resolve(
    options: ConnectionOptions,
    environ: Mapping[str, str],
    *,
    home: Path | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """The connection that the settings describe; ``home`` and ``service_account`` are folders.

    Raises :class:`InputError` with the file, context and user at fault, or every place that was searched.
    """
    _check(options)
    places = _Places(options, environ, home or _home(environ), service_account)
    found = _to_server(places, options.server) if options.server else _first_found(places)
    found = replace(_overridden(found, options), user=_given_user(options, environ) or found.user)
    found = _checked(_with_proxy(_without_plain_secrets(found, options), environ))
    return replace(found, nobody="" if options.login else _nobody(found, environ))


def _home(environ: Mapping[str, str]) -> Path:
    """The user's home; ``/`` for a user id without a name, as container engines have it."""
    try:
        return Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


class _Places(NamedTuple):
    """The places where a cluster may be described: options, environment, home, service account."""

    options: ConnectionOptions
    environ: Mapping[str, str]
    home: Path
    service_account: Path

    @property
    def home_file(self) -> Path:
        return self.home / ".kube" / "config"

    @property
    def named_files(self) -> str:
        """The ``KUBECONFIG`` variable: paths joined by ``:``."""
        return self.environ.get("KUBECONFIG") or ""

    @property
    def in_cluster_server(self) -> str | None:
        """The API server as a pod sees it, or ``None`` outside of a cluster or without a mounted token."""
        host = self.environ.get("KUBERNETES_SERVICE_HOST")
        port = self.environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port or not (self.service_account / "token").is_file():
            return None
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def shown(self, path: Path) -> str:
        """``path`` with ``~`` for the home, unless the home is ``/``."""
        at_home = self.home != Path("/") and path.is_relative_to(self.home)
        return f"~/{path.relative_to(self.home)}" if at_home else str(path)


def _check(options: ConnectionOptions) -> None:
    """Refuse options that contradict each other."""
    tokens = {"--token": options.token, "--token-file": options.token_file, "--oidc-audience": options.oidc_audience}
    given = [name for name, value in tokens.items() if value] + ([options.login] if options.login else [])
    if len(given) > 1:
        hint = "give one of them; a K8S_ variable counts as well"
        raise InputError(f"{' and '.join(given)} contradict each other", hint=hint)
    if options.ca and options.insecure_skip_tls_verify:
        raise InputError("--ca and --insecure-skip-tls-verify contradict each other", hint="give one of them")


def _to_server(places: _Places, server: str) -> Connection:
    """The server by option; user and CA from an explicitly named kubeconfig, as with ``kubectl --server``."""
    options = places.options
    described = _explicit_kubeconfig(places)
    if described is not None and (options.context or described.current_context):
        base = _from_kubeconfig(described, options)
        origin = f"{options.server_origin}, the user from {base.origin}"
        # clientcmd: a server override clears the kubeconfig's tls-server-name.
        return replace(base, server=_server_url(server, options.server_origin), tls_server_name=None, origin=origin)
    base = Connection(server=_server_url(server, options.server_origin), origin=options.server_origin)
    if _is_in_cluster(base.server, places):
        return replace(_mounted(places, base.server), origin=options.server_origin)
    return base


def _explicit_kubeconfig(places: _Places) -> Kubeconfig | None:
    """The explicitly named kubeconfig, or ``None``; ``KUBECONFIG`` does not count where a token is given as well."""
    options = places.options
    if options.kubeconfig:
        return _from_option(places, options.kubeconfig)
    if places.named_files and (options.context or not options.has_identity):
        return _from_variable(places)
    if places.named_files:
        return _namespace_only(places)
    if options.context:
        return _from_home(places)
    return None


def _namespace_only(places: _Places) -> Kubeconfig | None:
    """``KUBECONFIG`` beside a server and a token: used only if its context names neither cluster nor user."""
    try:
        described = _from_variable(places)
    except InputError:
        return None
    context = described.contexts.get(described.current_context or "")
    return described if context and not (context.text("cluster") or context.text("user")) else None


def _first_found(places: _Places) -> Connection:
    """The first of these that exists: a named kubeconfig, the mounted service account, ``~/.kube/config``."""
    options = places.options
    if options.kubeconfig:
        return _from_kubeconfig(_from_option(places, options.kubeconfig), options)
    if places.named_files:
        return _from_kubeconfig(_from_variable(places), options)
    server = places.in_cluster_server
    if server and not options.context:
        return _mounted(places, server)
    if places.home_file.is_file():
        return _from_kubeconfig(_from_home(places), options)
    raise InputError(
        "no cluster is named anywhere. Looked at --server and K8S_API: not set; --kubeconfig, K8S_KUBECONFIG and "
        f"KUBECONFIG: not set; the mounted service account: {_why_not_mounted(places)}; "
        f"{places.shown(places.home_file)}: not there",
        hint="set K8S_API and K8S_TOKEN, or KUBECONFIG",
    )


def _why_not_mounted(places: _Places) -> str:
    if not places.environ.get("KUBERNETES_SERVICE_HOST"):
        return "KUBERNETES_SERVICE_HOST is not set"
    if places.in_cluster_server:
        return "has no contexts, but --context is given"
    return f"no token in {places.service_account}"


def _from_home(places: _Places) -> Kubeconfig:
    """``~/.kube/config``."""
    from k8s_step.connection.kubeconfig import merged, read_source

    return merged([read_source(places.home_file, places.shown(places.home_file))])


def _from_option(places: _Places, value: str) -> Kubeconfig:
    """``--kubeconfig`` or ``K8S_KUBECONFIG``: text, its base64, or paths."""
    from k8s_step.connection.kubeconfig import kubeconfig_text, merged, read_source, text_source

    text = kubeconfig_text(value, places.options.source("kubeconfig"))
    if text is not None:
        return merged([text_source(text, "the kubeconfig text")])
    paths = _paths(value, places.home)
    if not all(is_path(str(path)) for path in paths):
        raise refusal(places.options.source("kubeconfig"))
    return merged([read_source(path, places.shown(path)) for path in paths])


def _from_variable(places: _Places) -> Kubeconfig:
    """The files of ``KUBECONFIG``. Missing files are skipped, as by kubectl, but at least one must exist."""
    paths = _paths(places.named_files, places.home)
    if _is_text(places.named_files):
        # The variable may hold a kubeconfig's text instead of a path: it is not quoted, since it may contain a token.
        hint = "put the text into K8S_KUBECONFIG, or have the CI system make the variable a file"
        raise InputError("KUBECONFIG holds text, where paths belong", hint=hint)
    from k8s_step.connection.kubeconfig import merged, read_source

    there = [path for path in paths if _is_file(path)]
    if not there and not all(is_path(str(path)) for path in paths):
        raise refusal("KUBECONFIG")
    if not there:
        names = ", ".join(places.shown(path) for path in paths)
        message, hint = f"KUBECONFIG names {names}, which is not there", "unset KUBECONFIG or mend the path"
        raise MissingFileError(message, path=str(paths[0]) if paths else "", hint=hint)
    return merged([read_source(path, places.shown(path)) for path in there])


def _is_text(value: str) -> bool:
    """Whether ``value`` is no list of paths: several lines, a kubeconfig, or a word too long for a path (a token?)."""
    from k8s_step.connection.kubeconfig import kubeconfig_text

    try:
        return "\n" in value.strip() or kubeconfig_text(value, "KUBECONFIG") is not None
    except InputError:
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # its name is too long
        return False


def _paths(value: str, home: Path) -> list[Path]:
    names = [name for name in value.strip().split(os.pathsep) if name]
    return [home / name[2:] if name.startswith("~/") else Path(name) for name in names]


def _from_kubeconfig(config: Kubeconfig, options: ConnectionOptions) -> Connection:
    context_name = options.context or config.current_context
    if not context_name:
        raise InputError("no current-context is set", where=config.name, hint=_choices("context", config.contexts))
    context = _named(config, "context", config.contexts, context_name)
    place = f"{config.name}: context {context_name}"
    cluster = _cluster(config, context, options, place)
    user = _user(config, context, cluster, options, place)
    return Connection(
        server=_server(cluster, options),
        origin=f"{config.name} (context {context_name})",
        context=context_name,
        namespace=context.text("namespace"),
        ca=None if options.ca else cluster.data_or_file("certificate-authority"),
        ca_origin=cluster.name_of("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=_proxy_url(cluster),
        disable_compression=cluster.flag("disable-compression"),
        user=_identity(user, cluster, options),
        impersonation=_impersonation(user),
    )


def _server(cluster: Entry, options: ConnectionOptions) -> str:
    server = cluster.text("server") or options.server
    if not server:
        raise InputError("no server is given", where=cluster.where)
    return _server_url(server, cluster.where)


def _named(
    config: Kubeconfig, kind: str, entries: Mapping[str, Entry], name: str | None, place: str | None = None
) -> Entry:
    if not name:
        raise InputError(f"names no {kind}", where=place or config.name)
    if name not in entries:
        raise InputError(f"there is no {kind} {name!r}", where=place or config.name, hint=_choices(kind, entries))
    return entries[name]


def _choices(kind: str, entries: Mapping[str, Entry]) -> str:
    names = ", ".join(sorted(entries))
    return f"{kind}s there: {names}" if names else f"there are no {kind}s in it"


def _user(config: Kubeconfig, context: Entry, cluster: Entry, options: ConnectionOptions, place: str) -> Entry:
    """The context's user; as with kubectl, an empty one if the context names no user or the file has no users.

    A name without an entry is an error, probably a typing mistake, unless the options hold a credential.
    """
    name = context.text("user")
    if name not in config.users and (options.has_identity or not name or not config.users):
        return cluster.emptied(f"{place}: no user")
    return _named(config, "user", config.users, name, place)


def _cluster(config: Kubeconfig, context: Entry, options: ConnectionOptions, place: str) -> Entry:
    """The context's cluster; if the options give the server, a context without a known cluster has an empty one."""
    name = context.text("cluster")
    if options.server and name not in config.clusters:
        return context.emptied(f"{place}: no cluster")
    return _named(config, "cluster", config.clusters, name, place)


def _identity(user: Entry, cluster: Entry, options: ConnectionOptions) -> User:
    """The user's credentials; empty where the options hold credentials, which replace the user as a whole."""
    if options.has_identity:
        return User()
    if user.value.get("auth-provider") is not None:
        raise InputError(
            "auth-provider is the legacy form of credentials, which kubectl dropped in 1.26",
            where=user.where,
            hint="use an exec plugin, or pass --token",
        )
    certificate, key = user.data_or_file("client-certificate"), user.data_or_file("client-key")
    if (certificate is None) != (key is None):
        raise InputError("client-certificate and client-key must be given together", where=user.where)
    token_file = user.secret_file("tokenFile")
    return User(
        token=_stripped(user.text("token")),
        token_origin=user.where,
        token_file=str(token_file.path) if token_file else None,
        token_file_origin=_hidden_origin(token_file),
        username=user.text("username"),
        password=user.text("password"),
        client_certificate=certificate,
        client_key=key,
        certificate_files=_certificate_files(user),
        exec_plugin=_exec_plugin(user, cluster),
    )


def _hidden_origin(file: SecretFile | None) -> str:
    """The setting that names the file, where its text may be the secret itself; else empty."""
    return "" if file is None or file.is_path else file.origin


def _certificate_files(user: Entry) -> tuple[str, str] | None:
    """The paths of client certificate and key; ``None`` where the kubeconfig contains either as data."""
    if user.text("client-certificate-data") or user.text("client-key-data"):
        return None
    certificate, key = user.path("client-certificate"), user.path("client-key")
    return (str(certificate), str(key)) if certificate and key else None


def _stripped(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _exec_plugin(user: Entry, cluster: Entry) -> ExecPlugin | None:
    plugin = user.child("exec")
    if plugin is None:
        return None
    command = plugin.text("command")
    if not command:
        raise InputError("exec names no command", where=plugin.where)
    # clientcmd: a command with a separator is relative to the file that names it, a bare one is looked up in PATH.
    path = plugin.path("command") if "/" in command else None
    return ExecPlugin(
        api_version=plugin.text("apiVersion") or "",
        command=str(path) if path else command,
        args=tuple(plugin.texts("args")),
        env=tuple(plugin.pairs("env")),
        install_hint=plugin.text("installHint") or "",
        provide_cluster_info=plugin.flag("provideClusterInfo"),
        interactive_mode=plugin.text("interactiveMode") or "IfAvailable",
        cluster_config=cluster.extension(EXEC_EXTENSION),
        where=user.where,
    )


def _impersonation(user: Entry) -> Impersonation:
    extra = user.child("as-user-extra")
    pairs = [(key, value) for key in (extra.value if extra else ()) for value in (extra.texts(key) if extra else ())]
    return Impersonation(
        user=user.text("as") or "",
        groups=tuple(user.texts("as-groups")),
        uid=user.text("as-uid") or "",
        extra=tuple(pairs),
    )


def _mounted(places: _Places, server: str) -> Connection:
    """A pod's mounted service account; without ``ca.crt`` the system's trust store counts, as in client-go."""
    folder = places.service_account
    ca = folder / "ca.crt"
    namespace = (_mounted_file(folder / "namespace") or b"").decode(errors="replace").strip()
    return Connection(
        server=server,
        origin="the mounted service account",
        namespace=namespace or None,
        ca=_mounted_file(ca),
        ca_origin=str(ca),
        user=User(token_file=str(folder / "token")),
    )


def _mounted_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", where="the mounted service account") from None


def _is_in_cluster(server: str, places: _Places) -> bool:
    mounted = places.in_cluster_server
    if mounted is None:
        return False
    url = urlsplit(server)
    is_service = url.scheme == "https" and url.hostname in IN_CLUSTER_NAMES and url.port in (None, 443)
    return is_service or server == mounted or f"{server}:443" == mounted


def _given_user(options: ConnectionOptions, environ: Mapping[str, str]) -> User | None:
    """The user that the options describe; ``None`` where the options hold no credential."""
    if options.oidc_audience:
        from k8s_step.connection.identity.oidc import github

        return User(id_token=github(options.oidc_audience, environ, options.system))
    if options.token or options.token_file:
        file = SecretFile(options.token_file, options.source("token_file")) if options.token_file else None
        return User(
            token=_stripped(options.token),
            token_origin=options.source("token"),
            token_file=options.token_file,
            token_file_origin=_hidden_origin(file),
        )
    return User() if options.login else None


def _overridden(found: Connection, options: ConnectionOptions) -> Connection:
    """``found`` with its settings overridden by the options."""
    changes: dict[str, object] = {}
    if options.ca:
        from k8s_step.connection.certificates import read_ca

        ca, origin = read_ca(options.ca, options.source("ca"))
        changes |= {"ca": ca, "ca_origin": origin, "insecure": False}
    if options.insecure_skip_tls_verify:
        changes |= {"ca": None, "insecure": True}
    if options.namespace:
        changes["namespace"] = options.namespace
    if options.impersonate_user or options.impersonate_groups:
        changes["impersonation"] = Impersonation(options.impersonate_user or "", options.impersonate_groups)
    return replace(found, **changes)  # type: ignore[arg-type]


def _without_plain_secrets(connection: Connection, options: ConnectionOptions) -> Connection:
    """Drop a kubeconfig's user over plain HTTP, as kubectl does; keep the options' token, with a warning.

    Source: clientcmd's ``ClientConfig``, "only try to read the auth information if we are secure".
    """
    url = urlsplit(connection.server)
    if url.scheme != "http":
        return connection
    if not options.has_identity:
        return replace(connection, user=User(), is_bare=connection.user != User())
    if is_loopback(url.hostname or ""):
        return connection
    warning = f"the token goes to {connection.server} unencrypted: anyone on the way can read it; use https://"
    return replace(connection, warnings=(*connection.warnings, warning))


def _with_proxy(connection: Connection, environ: Mapping[str, str]) -> Connection:
    if connection.proxy_url:
        return connection
    return replace(connection, proxy_url=checked_environment_proxy(connection.server, environ))


def _proxy_url(cluster: Entry) -> str | None:
    proxy = cluster.text("proxy-url")
    if proxy and not is_proxy(proxy):
        raise InputError("proxy-url must be an http, https or socks5 URL", where=cluster.where)
    return proxy


def _server_url(text: str, where: str) -> str:
    """``text`` as a base URL without a trailing slash; no scheme means https.

    kubectl assumes http for a bare host, which would send a token in clear; the step does not.
    """
    server = text.strip()
    if "://" not in server:
        server = f"https://{server}"
    try:
        url = urlsplit(server)
        good = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise InputError("the server is no http or https URL", where=where, hint="it looks like https://10.0.0.1:6443")
    if url.username or url.password or url.query or url.fragment:
        raise InputError("the server URL must hold no user, query or fragment", where=where, hint="use --token")
    return f"{url.scheme}://{url.netloc}{url.path}".rstrip("/")


def _nobody(found: Connection, environ: Mapping[str, str]) -> str:
    """The hint for a server's 401 when no credential was given; empty if one was given."""
    if found.user != User():
        return ""
    if found.is_bare:
        return "over http:// a kubeconfig's user is not sent, as with kubectl: use https://, or give a token"
    from k8s_step.connection.identity.tokens import none_given

    return none_given(environ, _CREDENTIALS)


_CREDENTIALS = ("INPUT_TOKEN", "K8S_TOKEN", "INPUT_TOKEN-FILE", "K8S_TOKEN_FILE", "INPUT_KUBECONFIG", "K8S_KUBECONFIG")


def _checked(connection: Connection) -> Connection:
    for says_wrong, message in _CONTRADICTIONS:
        if says_wrong(connection):
            raise InputError(message, where=connection.origin)
    if not connection.insecure or connection.server.startswith("http:"):
        return connection
    warning = f"the certificate of {connection.server} is not checked: insecure-skip-tls-verify is set"
    return replace(connection, warnings=(*connection.warnings, warning))


def _impersonates_nobody(connection: Connection) -> bool:
    who = connection.impersonation
    return bool(who.groups or who.uid or who.extra) and not who.user


_CONTRADICTIONS: Sequence[tuple[Callable[[Connection], bool], str]] = (
    (
        lambda connection: connection.insecure and connection.ca is not None,
        "a certificate authority and insecure-skip-tls-verify contradict each other: remove one",
    ),
    (_impersonates_nobody, "impersonating groups needs a user as well: --as"),
    (
        lambda connection: not all(is_header_value(value) for _, value in connection.impersonation.headers()),
        "whom to impersonate holds what no request header can: a line break, a tab or a letter beyond ASCII",
    ),
)
