"""Azure Kubernetes Service: fetches a cluster's kubeconfig, for users or admins, from Azure Resource Manager.

Source: ``managedClusters`` of the Microsoft.ContainerService API.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from k8s_step.clouds.calls import Call, Caller
from k8s_step.connection.identity.credentials import Renewed
from k8s_step.errors import InputError

_VERSION = "2025-10-01"
_ID = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/?#]+/providers/Microsoft\.ContainerService/managedClusters/[^/?#]+",
    re.IGNORECASE,
)


def checked(text: str, where: str) -> str:
    """``text``, if it is the resource ID of a managed cluster, else :class:`InputError`."""
    resource = text.strip().rstrip("/")
    if not _ID.fullmatch(resource):
        hint = (
            "it looks like /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ContainerService"
            "/managedClusters/NAME: az aks show --query id"
        )
        raise InputError("is no resource ID of an AKS cluster", where=where, hint=hint)
    return resource


def kubeconfig(resource: str, manager: str, *, admin: bool, token: Renewed, caller: Caller) -> str:
    """The cluster's kubeconfig, as text. Raises :class:`StepError`."""
    whose = "Admin" if admin else "User"
    action = f"listCluster{whose}Credential"
    form = "" if admin else "&format=exec"  # users of Entra ID get kubelogin, not the legacy auth-provider
    url = f"https://{manager}{resource}/{action}?api-version={_VERSION}{form}"
    headers = {"Authorization": token.current().authorization or "", "Accept": "application/json"}
    role = f"Azure Kubernetes Service Cluster {whose} Role"
    hints = {
        "AuthorizationFailed": f'the application needs the role "{role}" on the cluster',
        "SubscriptionNotFound": "is the subscription of this tenant, and may the application see it?",
        "ResourceGroupNotFound": "is the resource group's name right?",
        "ResourceNotFound": "is the cluster's name right?",
        "Getting static credential is not allowed": "local accounts are disabled: leave --aks-admin out",
    }
    call = Call("Azure Resource Manager", action, "POST", url, headers, b"", hints)
    found: list[Any] = caller.ask(call).get("kubeconfigs") or []
    value = found[0].get("value") if found and isinstance(found[0], dict) else None
    if not value:
        raise caller.misanswered(call)
    return base64.b64decode(value).decode()
