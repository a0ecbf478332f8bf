"""What a cloud or its cluster refuses: the cloud's own code and message, the next move, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.amazon import ROLE
from tests.clouds.azure import CLIENT, TENANT
from tests.clouds.google import ACCOUNT
from tests.clouds.logins import OBJECT_ID, SUBJECT, Login, World, allow
from tests.conftest import Kubectl, Step, poll
from tests.integration.objects import config_map, write


def _nothing(_: World) -> None:
    """The clouds are as they are."""


@dataclass(frozen=True)
class Case:
    """A refusal: what is changed about the cloud, the environment or the ID token, and what the step says of it."""

    cloud: str
    told: tuple[str, ...]
    change: Callable[[World], object] = _nothing
    environ: Mapping[str, str | None] = field(default_factory=dict)
    token: Mapping[str, Any] | None = None
    code: int = 4


def setting(whose: str, **values: Any) -> Callable[[World], None]:
    """Other settings of a cloud."""

    def change(world: World) -> None:
        for name, value in values.items():
            setattr(getattr(world, whose), name, value)

    return change


def _of_another_audience(world: World) -> None:
    """Access tokens that are not for this cluster."""
    world.gcp.token = lambda subject, seconds: world.issuers.token("google", "other", subject, seconds)


def _of_another_tenant(world: World) -> None:
    world.entra.token = lambda audience, seconds: world.issuers.token("entra2", audience, CLIENT, seconds, tid=TENANT)


def _overgrown(world: World) -> None:
    """An application that is in too many groups for a token to name them."""
    more = {"oid": OBJECT_ID, "hasgroups": True}
    world.entra.token = lambda audience, seconds: world.issuers.token("entra", audience, CLIENT, seconds, **more)


WITHOUT = {"ACTIONS_ID_TOKEN_REQUEST_URL": None, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": None}
OTHER_POOL = "projects/123456789/locations/global/workloadIdentityPools/ci/providers/other"
OTHER = "00000000-1111-2222-3333-444444444444"
CASES = {
    "eks-no-id-token": Case(
        "eks", ("permissions: id-token: write", "a pull request from a fork"), environ=WITHOUT, code=2
    ),
    "eks-audience": Case(
        "eks",
        ("InvalidIdentityToken: Incorrect token audience", "must list the audience sts.amazonaws.com", "says issuer"),
        token={"audience": "https://gitlab.example.com"},
    ),
    "eks-issuer": Case("eks", ("No OpenIDConnect provider found", f"account of {ROLE}"), token={"name": "jenkins"}),
    "eks-ended": Case("eks", ("ExpiredTokenException: ", "the ID token has ended"), token={"seconds": -300}),
    "eks-trust": Case(
        "eks",
        ("AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", f"policy of {ROLE}", SUBJECT),
        lambda world: world.aws.configure(roles={}),
    ),
    "eks-describe": Case(
        "eks",
        ("Amazon EKS refuses DescribeCluster of shop: AccessDeniedException: User: ", "allow eks:DescribeCluster"),
        lambda world: world.aws.configure(describers=[]),
    ),
    "eks-cluster": Case(
        "eks",
        ("ResourceNotFoundException: No cluster found for name: other.", "in eu-central-1, in this account?"),
        environ={"INPUT_EKS-CLUSTER": "other"},
    ),
    "eks-access-entry": Case(
        "eks",
        ("Unauthorized", "AWS knows the token as arn:aws:sts::", "has its role an access entry in the cluster shop?"),
        setting("authenticator", entries={}),
    ),
    "eks-rbac": Case("eks", ('assumed-role/deploy/k8s-step" cannot', "access policy", "create rolebinding")),
    "gke-no-id-token": Case("gke", ("permissions: id-token: write",), environ=WITHOUT, code=2),
    "gke-audience": Case(
        "gke",
        ("Google's STS refuses", "invalid_grant: The audience in ID Token [sigstore]", "must allow that audience"),
        setting("gcp", provider=OTHER_POOL.replace("other", "gitlab")),
        token={"audience": "sigstore"},
    ),
    "gke-condition": Case(
        "gke",
        ("unauthorized_client: The given credential is rejected by the attribute condition.", f"subject {SUBJECT}"),
        setting("gcp", subjects=("repo:other/shop",)),
    ),
    "gke-provider": Case(
        "gke",
        ("invalid_target: ", "is there such a provider"),
        environ={"INPUT_GCP-WORKLOAD-IDENTITY-PROVIDER": OTHER_POOL},
    ),
    "gke-account": Case(
        "gke",
        ("PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied", "roles/iam.workloadIdentityUser"),
        setting("gcp", may_impersonate=False),
    ),
    "gke-view": Case(
        "gke",
        ("refuses clusters.get of", "PERMISSION_DENIED: ", "roles/container.clusterViewer"),
        setting("gcp", may_view=False),
    ),
    "gke-cluster": Case(
        "gke",
        ("NOT_FOUND: Not found: projects/shop/locations/europe-west1/clusters/other", "name right?"),
        environ={"INPUT_GKE-CLUSTER": "projects/shop/locations/europe-west1/clusters/other"},
    ),
    "gke-endpoint": Case(
        "gke",
        ("--gke-endpoint: ", "has no dns endpoint, or it takes no traffic from outside", "it has: public"),
        environ={"INPUT_GKE-ENDPOINT": "dns"},
        code=2,
    ),
    "gke-unauthorized": Case("gke", ("Unauthorized", "Google gave that token"), _of_another_audience),
    "gke-rbac": Case("gke", (f'User "{ACCOUNT}" cannot', "roles/container.developer")),
    "aks-no-id-token": Case("aks", ("permissions: id-token: write",), environ=WITHOUT, code=2),
    "aks-audience": Case(
        "aks",
        ("invalid_client: AADSTS700212", "must have the audience api://AzureADTokenExchange"),
        token={"audience": "api://other"},
    ),
    "aks-subject": Case(
        "aks",
        ("invalid_client: AADSTS700213", f"no federated credential of {CLIENT} has that subject", "repo:other/shop"),
        token={"subject": "repo:other/shop"},
    ),
    "aks-client": Case(
        "aks",
        ("unauthorized_client: AADSTS700016", "is --azure-client-id an application of that tenant?"),
        environ={"INPUT_AZURE-CLIENT-ID": OTHER},
    ),
    "aks-tenant": Case(
        "aks",
        ("invalid_request: AADSTS90002", "is --azure-tenant-id right?"),
        environ={"INPUT_AZURE-TENANT-ID": OTHER},
    ),
    "aks-secret": Case(
        "aks",
        ("invalid_client: AADSTS7000215", "not its ID?"),
        environ={"AZURE_CLIENT_SECRET": "wr0ng-s3cr3t"},
    ),
    "aks-role": Case(
        "aks",
        ("AuthorizationFailed: The client", '"Azure Kubernetes Service Cluster User Role" on the cluster'),
        setting("entra", may_list=False),
    ),
    "aks-cluster": Case(
        "aks",
        ("ResourceNotFound: ", "is the cluster's name right?"),
        environ={
            "INPUT_AKS-CLUSTER": "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/shop/providers"
            "/Microsoft.ContainerService/managedClusters/other"
        },
    ),
    "aks-admin": Case(
        "aks",
        ("BadRequest: Getting static credential is not allowed", "leave --aks-admin out"),
        setting("entra", admin_kubeconfig=None),
        environ={"INPUT_AKS-ADMIN": "true"},
    ),
    "aks-unauthorized": Case(
        "aks", ("Unauthorized", f"in tenant {TENANT}", "Entra ID integration"), _of_another_tenant
    ),
    "aks-rbac": Case("aks", (f'User "{OBJECT_ID}" cannot', f"object ID {OBJECT_ID}", "no group claims"), environ={}),
    "aks-groups": Case("aks", (f'User "{OBJECT_ID}" cannot', "more groups than a token names"), _overgrown),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_refused(case: Case, step: Step, namespace: str, tmp_path: Path, world: World) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    login = world.login(case.cloud)
    case.change(world)
    if case.token is None:
        environ = world.in_github(login, **case.environ)
    else:
        environ = {**world.in_gitlab(login, **case.token), **case.environ}
    outcome = step("apply", "-f", path, "-n", namespace, env=environ, report=True)
    step.knows(*world.secrets)
    assert outcome.code == case.code, outcome.text
    assert all(words in outcome.stderr for words in case.told), outcome.text
    assert "Traceback" not in outcome.text
    assert outcome.report and outcome.report["result"] == {2: "invalid", 4: "refused"}[case.code]


def test_a_quota_is_no_matter_of_rights(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, world: World, login: Login
) -> None:
    """The API server answers 403 there as well, and no role helps."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    allow(step, kubectl, namespace, path, login)
    kubectl("-n", namespace, "create", "quota", "none", "--hard=count/configmaps=0")
    words = ("-n", namespace, "get", "quota/none", "-o", "jsonpath={.status.hard}")
    poll(lambda: kubectl(*words).stdout, "the quota to be in force")
    outcome = step("apply", "-f", path, "-n", namespace, env=world.in_github(login))
    assert outcome.code == 4 and "exceeded quota: none" in outcome.stderr, outcome.text
    assert not any(words in outcome.text for words in ("rolebinding", "RoleBinding", "roles/")), outcome.text
