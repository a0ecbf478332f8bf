"""The objects that the tests release, as short as they can be, and how they get into a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.plays import PREFIX
from tests.faults.proxy import Proxy

Object = dict[str, Any]
_HERE = Path(__file__).resolve()
_SHARED = _HERE.parents[3] / "shared" / "manifests"
_REASON = "the manifests that several projects share are not beside this checkout"
SHOP = _HERE.parent / "manifests" / "shop.yaml"
RELEASES = [
    pytest.param(SHOP, id="shop"),
    *(
        pytest.param(path, id=path.stem, marks=pytest.mark.skipif(not path.exists(), reason=_REASON))
        for path in (_SHARED / "online-boutique.yaml", _SHARED / "guestbook.yaml")
    ),
]


def write(path: Path, *objects: Object) -> str:
    """Write the objects as one YAML file and return its path, for ``-f``."""
    path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
    return str(path)


def through(proxy: Proxy, **more: str) -> dict[str, str]:
    """The environment in which the step goes through the proxy."""
    return {"KUBECONFIG": str(proxy.kubeconfig), **more}


def obj(api_version: str, kind: str, name: str, namespace: str | None = None, **fields: Any) -> Object:
    """Any object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def config_map(name: str = "settings", namespace: str | None = None, **data: str) -> Object:
    """A ConfigMap."""
    return obj("v1", "ConfigMap", name, namespace, data=data)


def _notes(values: Mapping[str, str]) -> dict[str, str]:
    return {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in values.items()}


def noted(made: Object, **notes: str) -> Object:
    """The object, with the plays' annotations: underscores for hyphens."""
    return {**made, "metadata": {**made["metadata"], "annotations": _notes(notes)}}


def template(name: str, image: str, *, init: str = "", **notes: str) -> Object:
    """A pod template; ``notes`` are the plays' annotations, underscores for hyphens."""
    spec: Object = {"containers": [{"name": "app", "image": image}]}
    if init:
        spec["initContainers"] = [{"name": "init", "image": init}]
    metadata = {"labels": {"app": name}, **({"annotations": _notes(notes)} if notes else {})}
    return {"metadata": metadata, "spec": spec}


def workload(
    kind: str,
    name: str,
    image: str,
    namespace: str | None = None,
    *,
    init: str = "",
    spec: Object | None = None,
    **notes: str,
) -> Object:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet; ``spec`` adds to its own."""
    own: Object = {"selector": {"matchLabels": {"app": name}}, "template": template(name, image, init=init, **notes)}
    if kind == "StatefulSet":
        own["serviceName"] = name
    return obj("apps/v1", kind, name, namespace, spec={**own, **(spec or {})})


def deployment(
    name: str = "web",
    image: str = "shop/web:1",
    namespace: str | None = None,
    *,
    replicas: int | None = 1,
    **more: Any,
) -> Object:
    """A Deployment; without ``replicas`` where that is None."""
    made = workload("Deployment", name, image, namespace, **more)
    if replicas is not None:
        made["spec"]["replicas"] = replicas
    return made


def job(name: str, image: str, **more: Any) -> Object:
    """A Job that is tried once."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": image}]}
    return obj("batch/v1", "Job", name, spec={"backoffLimit": 0, "template": {"spec": pod}, **more})


def pod(name: str, image: str, policy: str = "Always", **spec: Any) -> Object:
    """A bare Pod."""
    containers = [{"name": "app", "image": image}]
    return obj("v1", "Pod", name, spec={"restartPolicy": policy, "containers": containers, **spec})


def autoscaler(least: int, most: int = 5, target: str = "web") -> Object:
    """A HorizontalPodAutoscaler of a Deployment."""
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": scaled}
    return obj("autoscaling/v2", "HorizontalPodAutoscaler", target, spec=spec)


def claim(name: str, storage_class: str) -> Object:
    """A PersistentVolumeClaim of 1Gi."""
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return obj("v1", "PersistentVolumeClaim", name, spec=spec)


def claiming(made: Object, when_deleted: str) -> Object:
    """The StatefulSet with a claim ``data`` for each pod, and what becomes of the claims when it is deleted."""
    policy = {"whenDeleted": when_deleted, "whenScaled": "Retain"}
    claims = {"volumeClaimTemplates": [claim("data", "immediate")], "persistentVolumeClaimRetentionPolicy": policy}
    return {**made, "spec": {**made["spec"], **claims}}


def service(name: str, kind: str = "ClusterIP", app: str = "web", **annotations: str) -> Object:
    """A Service for port 80; ``annotations`` are the plays', underscores for hyphens."""
    made = obj("v1", "Service", name, spec={"type": kind, "selector": {"app": app}, "ports": [{"port": 80}]})
    if annotations:
        made["metadata"]["annotations"] = _notes(annotations)
    return made


def definition(group: str, kind: str = "Widget") -> Object:
    """A CustomResourceDefinition that lets everything in."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    plural = f"{kind.lower()}s"
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec=spec)


def custom(group: str, name: str, kind: str = "Widget", **fields: Any) -> Object:
    """A custom resource of :func:`definition`."""
    return obj(f"{group}/v1", kind, name, **fields)
