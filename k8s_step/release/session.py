"""One run's access to one cluster: connection, client, discovery, and the journal of the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from k8s_step.api.client import Client
from k8s_step.api.discovery import Discovery
from k8s_step.clouds import CloudOptions
from k8s_step.connection.credentials import Credentials
from k8s_step.connection.headers import is_secret
from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import Connection, ConnectionOptions
from k8s_step.errors import InputError
from k8s_step.inputs import Inputs
from k8s_step.redaction import Redactor
from k8s_step.report.journal import Journal
from k8s_step.surroundings import Surroundings


@dataclass(frozen=True)
class Run:
    """The arguments of every verb: the inputs, the environment, the journal to tell, and where the process runs."""

    inputs: Inputs
    environ: Mapping[str, str]
    journal: Journal
    redactor: Redactor
    surroundings: Surroundings = field(default_factory=Surroundings)
    started: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """The end of the run's time (``time.monotonic``); a rollback has as much time again."""
        return self.started + self.inputs.timeout


@dataclass(frozen=True)
class Session:
    """Open access to a server. ``namespace``: for objects that name none.

    The requests of ``client`` end at the run's deadline.
    """

    client: Client
    discovery: Discovery
    namespace: str

    @property
    def open_ended(self) -> Client:
        """The client without the run's deadline, for work with limits of its own: rollouts, logs, evidence."""
        return self.client.until(None)

    @property
    def namespaces(self) -> list[str]:
        """The namespaces of ``-n a,b``, each once, for verbs that read in several."""
        return list(dict.fromkeys(name.strip() for name in self.namespace.split(",") if name.strip()))


def open_session(run: Run, *, many_namespaces: bool = False) -> Session:
    """Find the cluster and report which one it is. Raises :class:`StepError`.

    No request goes to the cluster yet; a cloud is asked for its cluster's address. ``many_namespaces``: ``-n`` may name
    several.
    """
    inputs = run.inputs
    if "," in (inputs.namespace or "") and not many_namespaces:
        where = inputs.sources.get("namespace", "--namespace")
        raise InputError("this command works in one namespace", where=where, hint="get, watch and check take several")
    secret = [value for name, value in inputs.header if is_secret(name)]
    words = [value.rpartition(" ")[2] for value in secret]  # without "Basic" or "Bearer"
    run.redactor.add(*secret, *words)
    connection, credentials = _way(run)
    namespace = connection.namespace or "default"
    client = Client(
        connection,
        concurrency=inputs.concurrency,
        request_timeout=inputs.request_timeout,
        headers=inputs.header,
        redactor=run.redactor,
        notice=run.journal.notice,
        credentials=credentials,
    ).until(run.deadline)
    run.journal.connected(connection.server, connection.origin, namespace, connection.context)
    for warning in connection.warnings:
        run.journal.warning(warning)
    return Session(client, Discovery(client), namespace)


def _way(run: Run) -> tuple[Connection, Credentials | None]:
    """The connection, and its cloud login where there is one."""
    options, cloud = _options(run), _cloud(run)
    if cloud.names_cluster:
        from k8s_step.clouds.lookup import to_cluster

        return to_cluster(cloud, options, run.environ, run.redactor, run.deadline)
    connection = resolve(options, run.environ)
    if connection.user.exec_plugin is None:
        return connection, None
    from k8s_step.clouds.lookup import without_plugin

    return without_plugin(connection, cloud, run.environ, run.redactor, run.deadline)


def _cloud(run: Run) -> CloudOptions:
    inputs = run.inputs
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
        system=run.surroundings.system,
    )


def _options(run: Run) -> ConnectionOptions:
    inputs = run.inputs
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
        sources=inputs.sources,
        system=run.surroundings.system,
    )
