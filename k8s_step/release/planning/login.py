"""The client of one cluster, from the connection's options and the environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from k8s_step.api.client import Client, Manner, ignore
from k8s_step.connection.headers import is_secret
from k8s_step.connection.identity.credentials import Credentials, credentials_of
from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError
from k8s_step.inputs import Inputs
from k8s_step.redaction import Redactor
from k8s_step.release.planning.preconnection import Preconnection, connection_options, names_clouds_cluster
from k8s_step.surroundings import System

if TYPE_CHECKING:
    from k8s_step.clouds import CloudOptions


def open_client(
    inputs: Inputs,
    environ: Mapping[str, str],
    redactor: Redactor,
    *,
    system: System = System.OTHER,
    deadline: float = math.inf,
    notice: Callable[[str], None] = ignore,
    preconnection: Preconnection | None = None,
) -> Client:
    """The client of the cluster that ``inputs`` and ``environ`` describe; ``redactor`` learns its secrets.

    Sends nothing to the cluster yet; a cloud is asked where its cluster is, until ``deadline`` (``time.monotonic``).
    ``preconnection``: what the same inputs have led to already. Raises :class:`StepError`.
    """
    secret = [value for name, value in inputs.header if is_secret(name)]
    words = [value.rpartition(" ")[2] for value in secret]  # without "Basic" or "Bearer"
    redactor.add(*secret, *words)
    connection, credentials = _way(inputs, environ, redactor, system, deadline, preconnection)
    if credentials is None and connection.user.exec_plugin and environ:
        credentials = credentials_of(connection, redactor, environ)
    return Client(
        connection,
        Manner(inputs.request_timeout, inputs.concurrency, inputs.header),
        redactor=redactor,
        notice=notice,
        credentials=credentials,
        transport=preconnection.transport if preconnection else None,
    )


def check(inputs: Inputs, environ: Mapping[str, str], system: System) -> None:
    """Find the settings of the cluster, without a request. Raises :class:`InputError` for mistakes in them."""
    if not names_clouds_cluster(inputs):
        resolve(connection_options(inputs, system), environ)


def place(inputs: Inputs, environ: Mapping[str, str], system: System) -> tuple[str, str]:
    """Server and namespace as far as they are known without a request: a cloud's cluster stands for its server.

    Both are the same for every run with these inputs, however early it ends; the server is empty where the inputs name
    none that can be found.
    """
    if cluster := inputs.eks_cluster or inputs.gke_cluster or inputs.aks_cluster:
        return cluster, inputs.namespace or "default"
    try:
        connection = resolve(connection_options(inputs, system), environ)
    except InputError:
        return "", inputs.namespace or ""
    return connection.server, inputs.namespace or connection.namespace or "default"


def _way(
    inputs: Inputs,
    environ: Mapping[str, str],
    redactor: Redactor,
    system: System,
    deadline: float,
    preconnection: Preconnection | None,
) -> tuple[Connection, Credentials | None]:
    """The connection, and its cloud login where there is one."""
    options = connection_options(inputs, system)
    if names_clouds_cluster(inputs):
        from k8s_step.clouds.lookup import to_cluster

        return to_cluster(_cloud(inputs, system), options, environ, redactor, deadline)
    connection = (preconnection.connection() if preconnection else None) or resolve(options, environ)
    if connection.user.exec_plugin is None:
        return connection, None
    from k8s_step.clouds.lookup import without_plugin

    return without_plugin(connection, _cloud(inputs, system), environ, redactor, deadline)


def _cloud(inputs: Inputs, system: System) -> CloudOptions:
    from k8s_step.clouds import CloudOptions

    return CloudOptions(
        eks_cluster=inputs.eks_cluster,
        aws_region=inputs.aws_region,
        aws_role_arn=inputs.aws_role_arn,
        aws_role_origin=inputs.sources.get("aws_role_arn", ""),
        gke_cluster=inputs.gke_cluster,
        gke_endpoint=inputs.gke_endpoint,
        gcp_workload_identity_provider=inputs.gcp_workload_identity_provider,
        gcp_service_account=inputs.gcp_service_account,
        aks_cluster=inputs.aks_cluster,
        aks_admin=inputs.aks_admin,
        azure_client_id=inputs.azure_client_id,
        azure_tenant_id=inputs.azure_tenant_id,
        id_token=inputs.id_token,
        system=system,
    )
