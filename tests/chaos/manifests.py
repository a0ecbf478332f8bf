"""The manifests of a plan's items, and what the objects have to hold that come of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tests.chaos.plan import Item
from tests.chaos.record import Key, Wanted

PREFIX = "test.k8s-step"
RESOURCES: Mapping[str, str] = {
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "Secret": "/api/v1/namespaces/{ns}/secrets",
    "Service": "/api/v1/namespaces/{ns}/services",
    "Pod": "/api/v1/namespaces/{ns}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{ns}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{ns}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{ns}/jobs",
    "Widget": "/apis/{ns}.example.com/v1/namespaces/{ns}/widgets",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}


def group(namespace: str) -> str:
    """The API group of a run's own custom resources: one for each namespace."""
    return f"{namespace}.example.com"


def key(item: Item, namespace: str) -> Key:
    """Where an item's object is."""
    if item.kind == "CustomResourceDefinition":
        return Key(item.kind, "", f"{item.name}.{group(namespace)}")
    return Key(item.kind, namespace, item.name)


def path(one: Key, namespace: str) -> str:
    """The URL path of an object."""
    return f"{RESOURCES[one.kind].format(ns=namespace)}/{one.name}"


def secret_of(item: Item) -> str:
    """The value of a Secret: it looks like nothing else, and may not be found anywhere."""
    return f'pw-{item.name}-{item.tone}-Kx9-{len(item.name) * 7919:x}"é\\ {item.tone}'


def wanted(item: Item, namespace: str, *, gone: bool = False) -> Wanted:
    """What an item's object must hold in the end."""
    body = manifest(item, namespace)
    if item.kind == "Secret":
        strings = body.pop("stringData")
        body["data"] = {name: base64.b64encode(text.encode()).decode() for name, text in strings.items()}
    if item.kind == "CustomResourceDefinition":
        del body["spec"]["versions"]  # etcd holds definitions as v1beta1, where schemas are elsewhere
    del body["apiVersion"]
    return Wanted(key(item, namespace), {} if gone else body, gone)


def manifest(item: Item, namespace: str) -> dict[str, Any]:
    """What the user writes."""
    made = _MAKERS.get(item.kind, _workload)(item, namespace)
    made["metadata"] = {"name": key(item, namespace).name, **made.get("metadata", {})}
    return made


def _config_map(item: Item, _: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"tone": item.tone, "name": item.name}}


def _secret(item: Item, _: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": secret_of(item)}}


def _service(item: Item, _: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80 if item.tone == "a" else 8080, "protocol": "TCP"}]
    return {"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": item.name}, "ports": ports}}


def _workload(item: Item, _: str) -> dict[str, Any]:
    notes = {f"{PREFIX}/delay": item.delay} if item.delay else {}
    pod = {"containers": [{"name": "app", "image": item.image}], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": item.name}, "annotations": notes}, "spec": pod}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": item.name}}, "template": template}
    if item.kind != "DaemonSet":
        spec["replicas"] = -1 if item.invalid else item.replicas
    if item.kind == "StatefulSet":
        spec["serviceName"] = item.name
    return {"apiVersion": "apps/v1", "kind": item.kind, "spec": spec}


def _job(item: Item, _: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": item.image}]}
    notes = {f"{PREFIX}/delay": item.delay} if item.delay else {}
    template = {"metadata": {"annotations": notes}, "spec": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": template}}


def _definition(item: Item, namespace: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    spec = {"group": group(namespace), "scope": "Namespaced", "names": names, "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": item.kind, "spec": spec}


def _widget(item: Item, namespace: str) -> dict[str, Any]:
    return {"apiVersion": f"{group(namespace)}/v1", "kind": "Widget", "spec": {"tone": item.tone}}


_MAKERS = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Service": _service,
    "Job": _job,
    "CustomResourceDefinition": _definition,
    "Widget": _widget,
}
