"""The clouds' own logins to their clusters, by HTTP alone: EKS, GKE and AKS, with the identity that the CI gives a job.

Imported where a cluster of a cloud is asked for, or a kubeconfig names a cloud's plug-in that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8s_step.surroundings import System


@dataclass(frozen=True)
class CloudOptions:
    """What the flags and variables said of a cloud's cluster; everything unset stays ``None``.

    ``aws_role_origin`` is the flag or variable that gave the role: ``AWS_ROLE_ARN`` alone does not replace keys.
    ``system`` is the CI system, for the next move where it gives the job no ID token.
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

    @property
    def names_cluster(self) -> bool:
        """Whether a cluster is named."""
        return bool(self.eks_cluster or self.gke_cluster or self.aks_cluster)
