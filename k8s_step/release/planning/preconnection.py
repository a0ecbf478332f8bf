"""Where the cluster is, found before the manifests are read, so that connections to it are opened meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from k8s_step.connection.exchange.transport import WATCHES, Transport
from k8s_step.connection.identity.credentials import certificate_of
from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import Connection, ConnectionOptions
from k8s_step.errors import StepError
from k8s_step.inputs import Inputs
from k8s_step.surroundings import System

_FEW = 4  # connections for the objects of manifests, which are read at the same time; more would be in vain too often


class Preconnection:
    """The settings of the cluster, and the transport that opens its first connections ahead of the first request.

    A mistake in the settings is kept until they are asked for. There is no ``transport`` where a login decides about
    the connection (an exec plugin, a cloud's cluster), behind a proxy, and where the settings are wrong.
    """

    transport: Transport | None = None

    def __init__(self, inputs: Inputs, environ: Mapping[str, str], system: System) -> None:
        self._found: Connection | Exception | None = None
        if names_clouds_cluster(inputs):
            return
        try:
            self._found = found = resolve(connection_options(inputs, system), environ)
            if found.user.exec_plugin or found.proxy_url:
                return
            transport = Transport(found, certificate_of(found.user), connections=inputs.concurrency + WATCHES)
        except StepError as error:
            self._found = self._found or error
            return
        transport.open_ahead(min(_FEW, inputs.concurrency) if inputs.names_manifests else 1, inputs.request_timeout)
        self.transport = transport

    def connection(self) -> Connection | None:
        """The settings; ``None`` where a cloud has to be asked for them. Raises :class:`InputError`."""
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def close(self) -> None:
        """End the connections that no request has used; any thread may call this, more than once."""
        if self.transport is not None:
            self.transport.close()


def names_clouds_cluster(inputs: Inputs) -> bool:
    """Whether a cloud has to be asked where the cluster is."""
    return bool(inputs.eks_cluster or inputs.gke_cluster or inputs.aks_cluster)


def connection_options(inputs: Inputs, system: System) -> ConnectionOptions:
    """The settings of flags and variables that tell where the cluster is."""
    return ConnectionOptions(
        server=inputs.server,
        token=inputs.token,
        token_file=inputs.token_file,
        oidc_audience=inputs.oidc_audience,
        ca=inputs.ca,
        insecure_skip_tls_verify=inputs.insecure_skip_tls_verify,
        kubeconfig=inputs.kubeconfig,
        context=inputs.context,
        namespace=inputs.namespace,
        impersonate_user=inputs.impersonate_user,
        impersonate_groups=inputs.impersonate_groups,
        server_origin=inputs.sources.get("server", ""),
        sources={**inputs.sources, "kubeconfig": inputs.sources.get("kubeconfigs", "")},
        system=system,
    )
