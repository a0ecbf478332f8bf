"""Makes the connection to a cloud's cluster, and its renewable credentials, from the options that name it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from k8s_step.clouds import CloudOptions, aks, eks, gke, plugins
from k8s_step.clouds.aws import AwsLogin, KeyChain
from k8s_step.clouds.calls import Caller
from k8s_step.clouds.eks import EksCluster, EksToken
from k8s_step.clouds.entra import AKS_SERVER, EntraLogin, EntraToken
from k8s_step.clouds.gke import Place
from k8s_step.clouds.google import GoogleLogin, GoogleToken
from k8s_step.clouds.profiles import Profiles
from k8s_step.connection.identity.credentials import Credentials
from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import Connection, ConnectionOptions
from k8s_step.errors import InputError
from k8s_step.redaction import Redactor

Way = tuple[Connection, Credentials | None]


def to_cluster(
    cloud: CloudOptions,
    options: ConnectionOptions,
    environ: Mapping[str, str],
    redactor: Redactor,
    deadline: float = math.inf,
) -> Way:
    """Connection and credentials of the cluster that ``cloud`` names; its server is the cloud's or the options'.

    ``deadline`` (``time.monotonic``) is the run's. Credentials are ``None`` if the connection itself contains them.
    Raises :class:`StepError`.
    """
    clusters = {
        "--eks-cluster": cloud.eks_cluster,
        "--gke-cluster": cloud.gke_cluster,
        "--aks-cluster": cloud.aks_cluster,
    }
    named = [name for name, value in clusters.items() if value]
    given = {"--kubeconfig": options.kubeconfig, "--context": options.context}
    others = [name for name, value in given.items() if value]
    if len(named) + len(others) > 1:
        hint = "give one of them; a K8S_ variable counts as well"
        raise InputError(f"{' and '.join([*named, *others])} contradict each other", hint=hint)
    (option,) = named
    caller = Caller(environ, redactor, option, system=cloud.system, deadline=deadline)
    return _CLOUDS[option](cloud, replace(options, login=option), caller)


def without_plugin(
    connection: Connection,
    cloud: CloudOptions,
    environ: Mapping[str, str],
    redactor: Redactor,
    deadline: float = math.inf,
) -> Way:
    """A kubeconfig's connection, with the step's own credentials in place of a cloud's missing plug-in."""
    user = connection.user
    plugin = user.exec_plugin
    if plugin is None or user.token or user.token_file or user.username or user.client_certificate:
        return connection, None
    caller = Caller({**environ, **dict(plugin.env)}, redactor, plugin.where, system=cloud.system, deadline=deadline)
    found = plugins.in_place_of(plugin, connection, cloud, caller)
    if found is None:
        return connection, None
    program, credentials = found
    origin = f"{connection.origin}, in place of {program}, which is not installed"
    return replace(connection, origin=origin, user=replace(user, exec_plugin=None)), credentials


def _eks(cloud: CloudOptions, options: ConnectionOptions, caller: Caller) -> Way:
    profiles = Profiles.of(caller.environ, caller.where)
    cluster = EksCluster.of(cloud.eks_cluster or "", cloud.aws_region or profiles.region, caller.where)
    keys = KeyChain(AwsLogin.of(cloud, caller.environ, cluster.region, profiles=profiles), caller)
    place = None if options.server else Place(*eks.describe(cluster, keys, caller))
    origin = f"--eks-cluster {cluster.name} in {cluster.region}, as {keys.origin}"
    return _connection(options, place, origin, caller), EksToken(cluster, keys, caller)


def _gke(cloud: CloudOptions, options: ConnectionOptions, caller: Caller) -> Way:
    token = GoogleToken(GoogleLogin.of(cloud, caller.environ), caller)
    name = cloud.gke_cluster or ""
    place = None if options.server else gke.describe(name, cloud.gke_endpoint, token, caller)
    return _connection(options, place, f"--gke-cluster {name}, as {token.origin}", caller), token


def _aks(cloud: CloudOptions, options: ConnectionOptions, caller: Caller) -> Way:
    resource = aks.checked(cloud.aks_cluster or "", caller.where)
    login = EntraLogin.of(cloud, caller.environ, caller.where)
    if options.server:
        token = EntraToken(login, AKS_SERVER, caller)
        origin = f"--aks-cluster {resource.rpartition('/')[2]}, as {token.origin}"
        return _connection(options, None, origin, caller), token
    manager = EntraToken(login, f"https://{login.manager}", caller)
    text = aks.kubeconfig(resource, login.manager, admin=cloud.aks_admin, token=manager, caller=caller)
    found = resolve(replace(options, login=None, kubeconfig=text), caller.environ)
    origin = f"--aks-cluster {resource.rpartition('/')[2]}, as {manager.origin}"
    found = replace(found, server=caller.checked_server(found.server), origin=origin, context=None)
    plugin = found.user.exec_plugin
    if plugin is None:  # for admins and clusters without Entra ID, the kubeconfig contains a certificate
        return found, None
    token = EntraToken(login, plugins.server_id(plugin) or AKS_SERVER, caller)
    return replace(found, user=replace(found.user, exec_plugin=None)), token


def _connection(options: ConnectionOptions, place: Place | None, origin: str, caller: Caller) -> Connection:
    """The connection to ``place``, or without one to the options' server; the options' CA takes precedence."""
    if place is None:
        origin = f"{options.server_origin}, {origin}"
    else:
        ca = None if options.insecure_skip_tls_verify or place.ca is None else place.ca.decode("ascii", "ignore")
        options = replace(options, server=caller.checked_server(place.server), ca=options.ca or ca)
    return resolve(replace(options, server_origin=origin), caller.environ)


_CLOUDS: dict[str, Callable[[CloudOptions, ConnectionOptions, Caller], Way]] = {
    "--eks-cluster": _eks,
    "--gke-cluster": _gke,
    "--aks-cluster": _aks,
}
