"""The least permissions a token needs to apply a release or run Jobs, with their verdict and evidence.

A patch that applies is authorized as ``patch`` and, where the object isn't there yet, as ``create`` too, both by name
(``patch.go`` of k8s.io/apiserver): unlike for other creations, ``resourceNames`` can narrow these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather, successes
from k8s_step.api.request import Request
from k8s_step.errors import StepError
from k8s_step.objects.body import encode
from k8s_step.objects.kinds.pods import HAVE_PODS
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring.recreation import may_be_replaced, runs_always
from k8s_step.operations.restoring.restore import KEPT
from k8s_step.release.autoscalers import may_be_autoscaled
from k8s_step.verdict.evidence.claims import storage_class
from k8s_step.verdict.readiness import compute
from k8s_step.verdict.states import State

_API = "authorization.k8s.io/v1"
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def not_granted(client: Client, wanted: Sequence[Permission], concurrency: int) -> list[Permission]:
    """The ``wanted`` permissions that the token lacks, in their order.

    A rules review may be incomplete with authorizers other than RBAC: each permission it lacks is reviewed by itself.
    """
    namespaces = list(dict.fromkeys(one.namespace for one in wanted if one.namespace))
    shown = _gathered(namespaces, lambda namespace: _rules(client, namespace), concurrency)
    open_questions = [one for one in wanted if not covers(shown.get(one.namespace, []), one)]
    answers = _gathered(open_questions, lambda one: _is_allowed(client, one), concurrency)
    return [one for one in open_questions if not answers[one]]


def _gathered(items: Sequence[_Item], work: Callable[[_Item], _Answer], concurrency: int) -> dict[_Item, _Answer]:
    def refused(_: _Item, error: StepError) -> None:
        raise error

    return dict(successes(gather(work, items, concurrency), refused))


def _rules(client: Client, namespace: str) -> list[dict[str, Any]]:
    answer = _review(client, "SelfSubjectRulesReview", {"namespace": namespace})
    return list((answer.get("status") or {}).get("resourceRules") or [])


def _is_allowed(client: Client, one: Permission) -> bool:
    resource, _, subresource = one.resource.partition("/")
    attributes = {"namespace": one.namespace, "verb": one.verb, "group": one.group, "name": one.name}
    spec: dict[str, Any] = {
        "resourceAttributes": {**attributes, "resource": resource, "subresource": subresource},
    }
    if one.url:
        spec = {"nonResourceAttributes": {"path": one.url, "verb": one.verb}}
    answer = _review(client, "SelfSubjectAccessReview", spec)
    return bool((answer.get("status") or {}).get("allowed"))


def _review(client: Client, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Post a review, which stores nothing and so may be repeated, and return its answer."""
    body = encode({"apiVersion": _API, "kind": kind, "spec": spec})
    request = Request("POST", f"/apis/{_API}/{kind.lower()}s", (), body, "application/json", where=kind)
    return client.send(request).body


RBAC = "rbac.authorization.k8s.io"
_WRITE = ("get", "create", "patch")
_FOLLOW = ("get", "list", "watch", "create", "patch")
# A Job has a fresh name each time, which no rule can name; --rm or a cancellation deletes it.
_RUN = ("get", "list", "watch", "create", "delete")
_ORDER = ("get", "list", "watch", "create", "patch", "update", "delete")
# The namespace of events about cluster-wide objects: GetReference and recorder of k8s.io/client-go.
_EVENTS_OF_CLUSTER = "default"


@dataclass(frozen=True)
class Permission:
    """One verb on one resource: ``namespace`` is empty for all of the cluster, ``name`` for all objects.

    ``resource`` is ``pods/log`` for a subresource; ``url`` is set instead where the path is no resource.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""
    url: str = ""


def needed(plan: Sequence[Planned], *, rollback: bool = False, logs: bool = False) -> list[Permission]:
    """The permissions that ``apply`` needs for these objects, each once.

    ``rollback`` adds those to undo its writes, ``logs`` those to stream the logs of new pods.
    """
    roles = {(one.reference.kind, one.reference.namespace, one.reference.name) for one in plan}
    found: dict[Permission, None] = {}
    for one in plan:
        found.update(dict.fromkeys(_of_object(one)))
        found.update(dict.fromkeys(_of_evidence(one)))
        found.update(dict.fromkeys(_of_role(one, roles)))
        found.update(dict.fromkeys(_of_rollback(one) if rollback else ()))
        if logs and one.reference.kind in HAVE_PODS:
            found[Permission(one.reference.namespace, "", "pods", "get")] = None  # is the log complete?
    return list(found)


def needed_to_run(jobs: Sequence[Planned]) -> list[Permission]:
    """The permissions that ``run`` needs for these Jobs, each once."""
    found: dict[Permission, None] = {}
    for one in jobs:
        found.update({Permission(one.reference.namespace, "batch", "jobs", verb): None for verb in _RUN})
        found.update(dict.fromkeys(_of_evidence(one)))
        found[Permission(one.reference.namespace, "", "pods", "get")] = None  # is its log complete?
    return list(found)


def rules(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """The permissions as the rules of a Role: one rule for each resource and set of verbs."""
    verbs: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for one in permissions:
        verbs[one.group, one.resource, one.url, one.name].append(one.verb)
    names: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource, url, name), listed in verbs.items():
        names[group, resource, url, tuple(sorted(set(listed), key=_rank))].append(name)
    return [_rule(*key, sorted(filter(None, listed))) for key, listed in names.items()]


def roles(permissions: Sequence[Permission], name: str) -> list[dict[str, Any]]:
    """A ClusterRole for the cluster-wide permissions, and a Role for each namespace."""
    by_namespace: dict[str, list[Permission]] = defaultdict(list)
    for one in permissions:
        by_namespace[one.namespace].append(one)
    return [_role(name, namespace, rules(found)) for namespace, found in sorted(by_namespace.items())]


def bindings(made: Sequence[Mapping[str, Any]], namespace: str, service_account: str) -> list[dict[str, Any]]:
    """The bindings of these roles to a service account."""
    subject = {"kind": "ServiceAccount", "name": service_account, "namespace": namespace}
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{role['kind']}Binding",
            "metadata": role["metadata"],
            "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": role["metadata"]["name"]},
            "subjects": [subject],
        }
        for role in made
    ]


def covers(granted: Iterable[Mapping[str, Any]], one: Permission) -> bool:
    """Whether one of these rules allows the permission, as the server's own RBAC reads rules."""
    return any(_covers_url(rule, one) if one.url else _covers_resource(rule, one) for rule in granted)


def _of_object(one: Planned) -> Iterator[Permission]:
    reference, resource = one.reference, one.resource
    verbs = _FOLLOW if _is_followed(one) else _WRITE
    for verb in (*_FOLLOW, "delete") if may_be_replaced(one.object) else verbs:
        yield Permission(reference.namespace, resource.group, resource.plural, verb, reference.name)
    if may_be_autoscaled(one):
        yield Permission(reference.namespace, "autoscaling", "horizontalpodautoscalers", "list")
    if runs_always(one.object):
        yield Permission(reference.namespace, "", "pods", "get")  # is its log complete?
    if may_be_replaced(one.object):  # tried out under another name, which no rule can name
        yield Permission(reference.namespace, resource.group, resource.plural, "create")


def _of_rollback(one: Planned) -> Iterator[Permission]:
    """A rollback patches changed objects and deletes created ones and the pods that block a StatefulSet."""
    reference, resource = one.reference, one.resource
    if reference.kind not in KEPT:
        yield Permission(reference.namespace, resource.group, resource.plural, "delete", reference.name)
    if reference.kind == "StatefulSet":
        yield Permission(reference.namespace, "", "pods", "delete")


def _is_followed(one: Planned) -> bool:
    """Whether objects of the kind may take time to become current; a namespace is active at once."""
    found = compute(one.object)
    return one.reference.kind != "Namespace" and (found.state is not State.CURRENT or found.unjudged)


def _of_evidence(one: Planned) -> Iterator[Permission]:
    """The objects that the verdict and its evidence read, besides the object itself."""
    reference = one.reference
    if not _is_followed(one):
        return
    yield Permission(reference.namespace or _EVENTS_OF_CLUSTER, "", "events", "list")
    if reference.kind in HAVE_PODS or reference.kind == "Pod":
        yield Permission(reference.namespace, "", "pods/log", "get")
        yield from _of_claims(one)
    if reference.kind in HAVE_PODS:
        yield from (Permission(reference.namespace, "", "pods", verb) for verb in ("list", "watch"))
    if reference.kind == "Deployment":
        yield from (Permission(reference.namespace, "apps", "replicasets", verb) for verb in ("list", "watch"))
    if reference.kind == "PersistentVolumeClaim" and (name := storage_class(one.object)):
        yield Permission("", "storage.k8s.io", "storageclasses", "get", name)


def _of_claims(one: Planned) -> Iterator[Permission]:
    """The claims a pod may wait for; the names of claims that controllers create are not known in advance."""
    spec = one.object.get("spec") or {}
    pod = spec if one.reference.kind == "Pod" else (spec.get("template") or {}).get("spec") or {}
    volumes = [volume for volume in pod.get("volumes") or [] if isinstance(volume, Mapping)]
    claims = [volume["persistentVolumeClaim"] or {} for volume in volumes if "persistentVolumeClaim" in volume]
    names = [str(claim.get("claimName", "")) for claim in claims]
    is_made_later = spec.get("volumeClaimTemplates") or any("ephemeral" in volume for volume in volumes)
    for name in [*names, *([""] if is_made_later else [])]:
        yield Permission(one.reference.namespace, "", "persistentvolumeclaims", "get", name)


def _of_role(one: Planned, of_release: set[tuple[str, str, str]]) -> Iterator[Permission]:
    """RBAC's escalation check: the writer of a role needs all that it grants, the writer of a binding needs ``bind``.

    Source: ``rbac`` under kubernetes' ``pkg/registry``, escalation_check.go.
    """
    reference = one.reference
    if one.resource.group != RBAC:
        return
    if reference.kind in ("Role", "ClusterRole"):
        yield from (each for rule in one.object.get("rules") or [] for each in _granted_by(rule, reference.namespace))
        if one.object.get("aggregationRule"):
            yield Permission("", RBAC, one.resource.plural, "escalate", reference.name)
        return
    role = one.object.get("roleRef") or {}
    kind, name = str(role.get("kind")), str(role.get("name"))
    if (kind, reference.namespace if kind == "Role" else "", name) not in of_release:
        yield Permission(reference.namespace, RBAC, f"{kind.lower()}s", "bind", name)


def _granted_by(rule: Mapping[str, Any], namespace: str) -> Iterator[Permission]:
    for verb in rule.get("verbs") or []:
        for url in rule.get("nonResourceURLs") or []:
            yield Permission("", "", "", verb, url=url)
        for group in rule.get("apiGroups") or []:
            for resource in rule.get("resources") or []:
                for name in rule.get("resourceNames") or [""]:
                    yield Permission(namespace, group, resource, verb, name)


def _rank(verb: str) -> tuple[int, str]:
    return (_ORDER.index(verb) if verb in _ORDER else len(_ORDER), verb)


def _rule(group: str, resource: str, url: str, verbs: tuple[str, ...], names: list[str]) -> dict[str, Any]:
    if url:
        return {"nonResourceURLs": [url], "verbs": list(verbs)}
    narrowed = {"resourceNames": names} if names else {}
    return {"apiGroups": [group], "resources": [resource], **narrowed, "verbs": list(verbs)}


def _role(name: str, namespace: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": found}


def _covers_url(rule: Mapping[str, Any], one: Permission) -> bool:
    urls = rule.get("nonResourceURLs") or []
    is_there = any(url in ("*", one.url) or (url.endswith("*") and one.url.startswith(url[:-1])) for url in urls)
    return is_there and _has(rule, "verbs", one.verb)


def _covers_resource(rule: Mapping[str, Any], one: Permission) -> bool:
    names = rule.get("resourceNames") or []
    subresource = one.resource.partition("/")[2]
    resources = rule.get("resources") or []
    return (
        _has(rule, "verbs", one.verb)
        and _has(rule, "apiGroups", one.group)
        and (_has(rule, "resources", one.resource) or bool(subresource and f"*/{subresource}" in resources))
        and (not names or one.name in names)
    )


def _has(rule: Mapping[str, Any], key: str, wanted: str) -> bool:
    listed = rule.get(key) or []
    return wanted in listed or "*" in listed
