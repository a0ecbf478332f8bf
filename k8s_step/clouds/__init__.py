"""Logins to EKS, GKE and AKS by HTTP alone, with the identity that the CI system gives a job.

Imported only for an option that names a cloud's cluster, or a kubeconfig whose cloud plug-in is not installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8s_step.surroundings import System


@dataclass(frozen=True)
class CloudOptions:
    """The flags and variables about a cloud's cluster; ``None`` where unset.

    ``aws_role_origin`` is the flag or variable that gave the role: ``AWS_ROLE_ARN`` alone does not replace keys.
    ``system`` is the CI system, for hints about a missing ID token.
    """

    eks_cluster: str | None = None
    aws_region: str | None = None
    aws_role_arn: str | None = None
    aws_role_origin: str = ""
    gke_cluster: str | None = None
    gke_endpoint: str | None = None
    gcp_workload_identity_provider: str | None = None
    gcp_service_account: str | None = None
    aks_cluster: str | None = None
    aks_admin: bool = False
    azure_client_id: str | None = None
    azure_tenant_id: str | None = None
    id_token: str | None = field(default=None, repr=False)
    system: System = System.OTHER
