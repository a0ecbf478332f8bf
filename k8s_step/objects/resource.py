"""A resource is the kind in the URL; :class:`Resource` builds every path of the API.

Kinds served by every conformant cluster are listed here, so that they need no discovery request.
Source: the upstream OpenAPI of Kubernetes 1.37.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass(frozen=True, order=True)
class Resource:
    """One resource of the API. ``group``: empty for the core group. ``plural``: the word in the URL.

    ``categories``: the words that stand for several resources, such as ``all``; known of those that discovery found.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = field(default=(), compare=False)

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``, as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """``deployments.apps``, its name in RBAC and kubectl."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, or of one object when ``name`` is given.

        Without a ``namespace``, a namespaced resource's path is the cluster-wide collection.
        """
        parts = ["api" if not self.group else f"apis/{self.group}", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(parts)


def _rows(group_version: str, rows: str, *, namespaced: bool) -> list[Resource]:
    """``rows``: one ``Kind plural [short,short]`` a line."""
    group, _, version = group_version.rpartition("/")
    found = []
    for row in rows.strip().splitlines():
        kind, plural, *short = row.split()
        names = tuple(short[0].split(",")) if short else ()
        found.append(Resource(group, version, kind, plural, namespaced, kind.lower(), names))
    return found


BUILTIN: tuple[Resource, ...] = (
    *_rows(
        "v1",
        """
        Binding bindings
        ConfigMap configmaps cm
        Endpoints endpoints ep
        Event events ev
        LimitRange limitranges limits
        PersistentVolumeClaim persistentvolumeclaims pvc
        Pod pods po
        PodTemplate podtemplates
        ReplicationController replicationcontrollers rc
        ResourceQuota resourcequotas quota
        Secret secrets
        ServiceAccount serviceaccounts sa
        Service services svc
        """,
        namespaced=True,
    ),
    *_rows(
        "v1",
        """
        Namespace namespaces ns
        Node nodes no
        PersistentVolume persistentvolumes pv
        """,
        namespaced=False,
    ),
    *_rows(
        "apps/v1",
        """
        ControllerRevision controllerrevisions
        DaemonSet daemonsets ds
        Deployment deployments deploy
        ReplicaSet replicasets rs
        StatefulSet statefulsets sts
        """,
        namespaced=True,
    ),
    *_rows("batch/v1", "CronJob cronjobs cj\nJob jobs", namespaced=True),
    *_rows("autoscaling/v2", "HorizontalPodAutoscaler horizontalpodautoscalers hpa", namespaced=True),
    *_rows("autoscaling/v1", "HorizontalPodAutoscaler horizontalpodautoscalers hpa", namespaced=True),
    *_rows("policy/v1", "PodDisruptionBudget poddisruptionbudgets pdb", namespaced=True),
    *_rows("networking.k8s.io/v1", "Ingress ingresses ing\nNetworkPolicy networkpolicies netpol", namespaced=True),
    *_rows("networking.k8s.io/v1", "IngressClass ingressclasses", namespaced=False),
    *_rows("rbac.authorization.k8s.io/v1", "Role roles\nRoleBinding rolebindings", namespaced=True),
    *_rows(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole clusterroles\nClusterRoleBinding clusterrolebindings",
        namespaced=False,
    ),
    *_rows("coordination.k8s.io/v1", "Lease leases", namespaced=True),
    *_rows("discovery.k8s.io/v1", "EndpointSlice endpointslices", namespaced=True),
    *_rows("events.k8s.io/v1", "Event events ev", namespaced=True),
    *_rows("scheduling.k8s.io/v1", "PriorityClass priorityclasses pc", namespaced=False),
    *_rows(
        "storage.k8s.io/v1",
        "StorageClass storageclasses sc\nCSIDriver csidrivers\nCSINode csinodes\nVolumeAttachment volumeattachments",
        namespaced=False,
    ),
    *_rows(
        "admissionregistration.k8s.io/v1",
        """
        MutatingWebhookConfiguration mutatingwebhookconfigurations
        ValidatingAdmissionPolicy validatingadmissionpolicies
        ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings
        ValidatingWebhookConfiguration validatingwebhookconfigurations
        """,
        namespaced=False,
    ),
    *_rows("apiextensions.k8s.io/v1", "CustomResourceDefinition customresourcedefinitions crd,crds", namespaced=False),
    *_rows("apiregistration.k8s.io/v1", "APIService apiservices", namespaced=False),
)
_BY_KIND = {(resource.api_version, resource.kind): resource for resource in BUILTIN}


def builtin(api_version: str, kind: str) -> Resource | None:
    """The built-in resource of this apiVersion and kind; ``None`` where discovery is needed."""
    return _BY_KIND.get((api_version, kind))


def required(api_version: str, kind: str) -> Resource:
    """A built-in resource that k8s-step's own code names. Raises :class:`KeyError` for a mistake in that code."""
    return _BY_KIND[(api_version, kind)]
