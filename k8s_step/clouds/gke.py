"""Google Kubernetes Engine: finds a cluster's public, private or DNS endpoint.

Source: the Container API's ``projects.locations.clusters``; google-github-actions/get-gke-credentials.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_step.clouds.calls import Call, Caller
from k8s_step.connection.identity.credentials import Renewed
from k8s_step.errors import InputError

_NAME = re.compile(r"projects/[a-z0-9.:-]+/(locations|zones|regions)/[a-z0-9-]+/clusters/[a-z0-9-]+")


@dataclass(frozen=True)
class Place:
    """An API server's URL and CA (PEM); without ``ca``, the system's trust store verifies its certificate."""

    server: str
    ca: bytes | None = field(default=None, repr=False)


def describe(name: str, endpoint: str | None, token: Renewed, caller: Caller) -> Place:
    """The cluster's API server; ``endpoint``: public, dns or private. Raises :class:`StepError`."""
    full = _checked(name, caller)
    url = f"https://container.googleapis.com/v1/{full}"
    headers = {"Authorization": token.current().authorization or ""}
    hints = {
        "SERVICE_DISABLED": "enable the Kubernetes Engine API in that project",
        "has not been used in project": "enable the Kubernetes Engine API in that project",
        "PERMISSION_DENIED": "the identity needs roles/container.clusterViewer there, or give --server and --ca",
        "NOT_FOUND": "are project, location and name right?",
    }
    found = caller.ask(Call("Google Kubernetes Engine", f"clusters.get of {full}", "GET", url, headers, hints=hints))
    return _chosen(found, endpoint, full, caller)


def _checked(name: str, caller: Caller) -> str:
    full = name.strip().removeprefix("//container.googleapis.com/")
    if not _NAME.fullmatch(full):
        hint = "it looks like projects/PROJECT/locations/europe-west1/clusters/shop"
        raise InputError("is no GKE cluster's full name", where=caller.where, hint=hint)
    return re.sub(r"/(zones|regions)/", "/locations/", full)


def _chosen(found: Mapping[str, Any], endpoint: str | None, full: str, caller: Caller) -> Place:
    endpoints = _endpoints(found)
    if not endpoints:
        state = str(found.get("status") or "unknown")
        raise InputError(f"{full} has no endpoint: its status is {state}", where=caller.where)
    kind = endpoint or next(iter(endpoints))
    if kind not in endpoints:
        raise InputError(
            f"{full} has no {kind} endpoint, or it takes no traffic from outside",
            where="--gke-endpoint",
            hint=f"it has: {', '.join(endpoints)}",
        )
    ca = (found.get("masterAuth") or {}).get("clusterCaCertificate")
    return Place(f"https://{endpoints[kind]}", base64.b64decode(ca) if ca and kind != "dns" else None)


def _endpoints(found: Mapping[str, Any]) -> dict[str, str]:
    """The cluster's endpoints by kind, in order of preference."""
    control_plane = found.get("controlPlaneEndpointsConfig") or {}
    by_ip, dns = control_plane.get("ipEndpointsConfig") or {}, control_plane.get("dnsEndpointConfig") or {}
    private = found.get("privateClusterConfig") or {}
    has_ip = by_ip.get("enabled", True)
    hidden = private.get("enablePrivateEndpoint") or by_ip.get("enablePublicEndpoint") is False
    inner = by_ip.get("privateEndpoint") or private.get("privateEndpoint")
    inner = inner or (found.get("endpoint") if hidden else None)
    outer = by_ip.get("publicEndpoint") or private.get("publicEndpoint") or found.get("endpoint")
    every = {
        "public": outer if has_ip and not hidden else None,
        "dns": dns.get("endpoint") if dns.get("allowExternalTraffic") else None,
        "private": inner if has_ip else None,
    }
    return {kind: str(address) for kind, address in every.items() if address}
