"""Leaves the replicas of a release's workloads to the autoscalers that target them.

A manifest's ``spec.replicas`` would undo what an autoscaler has set, at each release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8s_step.api.pages import Pager
from k8s_step.api.request import Request
from k8s_step.errors import ApiError
from k8s_step.objects.conditions import mapping, spec
from k8s_step.objects.metadata import Object, completed
from k8s_step.objects.resource import required
from k8s_step.operations.handover import would_fall
from k8s_step.operations.look import asking
from k8s_step.operations.plan import ApplyOptions, Planned, Seen
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.preflight import Preflight
from k8s_step.report.wording import first_of

# In the version that Kubernetes 1.22 serves as well.
_AUTOSCALERS = replace(required("autoscaling/v2", "HorizontalPodAutoscaler"), version="v1")
_SHOWN = 3  # objects that the line names
_Target = tuple[str, str, str, str]  # group, kind, namespace, name


def leave_replicas(preflight: Preflight, seen: Sequence[Seen]) -> list[Seen]:
    """``seen``, with the replicas of autoscaled workloads taken out of their manifests; one line reports it.

    Only workloads that exist count, and only those whose number of replicas the manifest would change, by another
    number or by none where nobody else owns it: the autoscaler of a new workload starts from the manifest's number.
    """
    run, session, options = preflight.run, preflight.session, preflight.options
    wanted = [one for one in seen if _changes_number(one, options)]
    if run.inputs.replicas_from_manifest or not wanted:
        return list(seen)
    targets = _targets_of((one.reference.namespace, one.planned.object) for one in seen)
    for namespace in dict.fromkeys(one.reference.namespace for one in wanted if _target_of(one.planned) not in targets):
        targets |= _targets_of(_listed(run, session, namespace))
    scaled = {one.reference.key: one for one in wanted if _target_of(one.planned) in targets}
    if scaled:
        titles = [one.reference.title for one in scaled.values()]
        run.journal.notice(f"replicas left to the autoscaler: {first_of(titles, _SHOWN)}")
    return [_without_replicas(one, options) if one.reference.key in scaled else one for one in seen]


def may_be_autoscaled(planned: Planned) -> bool:
    """Whether the manifest sets a number of replicas, which an autoscaler may set as well."""
    return isinstance(spec(planned.object).get("replicas"), int)


def _changes_number(one: Seen, options: ApplyOptions) -> bool:
    number = spec(one.live or {}).get("replicas")
    if not isinstance(number, int):
        return False
    if may_be_autoscaled(one.planned):
        return bool(spec(one.planned.object)["replicas"] != number)
    return would_fall(one, options)


def _listed(run: Run, session: Session, namespace: str) -> list[tuple[str, Object]]:
    """The namespace's autoscalers; none, with a notice, where the token may not list them."""
    request = Request("GET", _AUTOSCALERS.path(namespace), where=f"horizontalpodautoscalers in {namespace}")
    try:
        found = Pager(session.client).whole(request).items
    except ApiError as error:
        run.journal.notice(
            f"whether an autoscaler sets replicas in namespace {namespace} is unknown, so the manifests decide on them:"
            f" grant list on horizontalpodautoscalers.autoscaling ({error.message})"
        )
        return []
    kind, version = _AUTOSCALERS.kind, _AUTOSCALERS.api_version
    return [(namespace, completed(item, version, kind)) for item in found]


def _targets_of(objects: Iterable[tuple[str, Object]]) -> set[_Target]:
    """The objects that HorizontalPodAutoscalers and KEDA's ScaledObjects, given with their namespaces, scale."""
    found = set()
    for namespace, obj in objects:
        kinds = _SCALERS.get(str(obj.get("kind")))
        if kinds is not None and str(obj.get("apiVersion")).partition("/")[0] == kinds[0]:
            target = {**kinds[1], **mapping(spec(obj).get("scaleTargetRef"))}
            found.add((_group(target.get("apiVersion")), str(target.get("kind")), namespace, str(target.get("name"))))
    return found


# Kinds that scale others: their group, and what their ``scaleTargetRef`` may leave out.
_SCALERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "HorizontalPodAutoscaler": ("autoscaling", {}),
    "ScaledObject": ("keda.sh", {"apiVersion": "apps/v1", "kind": "Deployment"}),
}


def _target_of(planned: Planned) -> _Target:
    reference = planned.reference
    return _group(reference.api_version), reference.kind, reference.namespace, reference.name


def _without_replicas(one: Seen, options: ApplyOptions) -> Seen:
    """The object without replicas in its manifest; their number is handed over where nobody else owns the field."""
    kept = {key: value for key, value in spec(one.planned.object).items() if key != "replicas"}
    handover = spec(one.live or {})["replicas"] if would_fall(one, options) else None
    return asking(replace(one, handover=handover), {**one.planned.object, "spec": kept}, options)


def _group(api_version: Any) -> str:
    group, slash, _ = str(api_version).partition("/")
    return group if slash else ""
