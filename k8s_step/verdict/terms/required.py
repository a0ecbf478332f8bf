"""How many available pods of the present template are enough for a workload, and whose absence is excused; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from k8s_step.errors import InputError
from k8s_step.objects.conditions import mapping, number, spec, status
from k8s_step.objects.kinds.pods import is_alive, is_ready
from k8s_step.objects.metadata import REQUIRED, Object, annotations_of, metadata_of
from k8s_step.verdict import readiness, revision
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State

REASON = "Enough"
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")
_NAMED = 3  # missing pods and nodes that a message names
_FORM = r"([1-9][0-9]{0,8})(%?)"


@dataclass(frozen=True)
class Required:
    """A number of pods, or percent of those that a workload is to have, rounded up."""

    count: int
    is_percent: bool = False

    def of(self, wanted: int) -> int:
        """The pods that are enough where ``wanted`` are to be there."""
        return -(-wanted * self.count // 100) if self.is_percent else min(self.count, wanted)

    def __str__(self) -> str:
        return f"{self.count}%" if self.is_percent else str(self.count)


ALL = Required(100, is_percent=True)


def parse(text: str, where: str) -> Required:
    """``90%``, or a number of pods. Raises :class:`InputError` naming ``where``."""
    found = re.fullmatch(_FORM, text.strip())
    if found is None or (found[2] and int(found[1]) > ALL.count):
        hint = "90% or a number of pods, such as 3"
        raise InputError(f"{text.strip()!r} is no share of a workload's pods", where=where, hint=hint)
    return Required(int(found[1]), bool(found[2]))


def own_required(obj: Object) -> Required | None:
    """The share in the object's ``k8s-step/required`` annotation. Raises :class:`InputError`."""
    value = annotations_of(obj).get(REQUIRED)
    return None if value is None else parse(str(value), REQUIRED)


def judged(
    obj: Object,
    pods: Sequence[Object],
    replica_sets: Mapping[str, Object],
    found: Judgement,
    required: Required | None,
    lost: Mapping[str, str],
) -> Judgement:
    """``found``, or current where enough pods of the present template are available.

    ``lost``: why nodes have dropped out, such as ``is NotReady``; a DaemonSet's pods there are not wanted.
    """
    is_short = found.state in (State.IN_PROGRESS, State.FAILED) and (required is not None or bool(lost))
    if not is_short or obj.get("kind") not in KINDS or not readiness.observed(obj):
        return found
    own = revision.current_pods(obj, pods, replica_sets)
    excused = sorted(nodes_of(pods) & lost.keys()) if obj.get("kind") == "DaemonSet" else []
    wanted = _wanted(obj) - len(excused)
    available = _available(obj, [pod for pod in own if node_of(pod) not in excused], pods, replica_sets)
    if (required is None and not excused) or wanted < 1 or available < (required or ALL).of(wanted):
        return found
    told = [f"{available} of {wanted} pods available"]
    if available < wanted:
        told[0] += f", enough for {required}"
        told += [f"missing: {_missing(found, own)}"] if _missing(found, own) else []
    told += [_excuse(excused, lost)] if excused else []
    return Judgement(State.CURRENT, "; ".join(told), REASON)


def lacking_nodes(obj: Object, pods: Iterable[Object]) -> set[str]:
    """The nodes where a pod of a DaemonSet is not ready, or is being deleted; none where no pod at all is ready."""
    pods = list(pods) if _is_daemon_set(obj) else []
    lacking = [pod for pod in pods if not (is_alive(pod) and is_ready(pod))]
    return nodes_of(lacking) if len(lacking) < len(pods) else set()


def nodes_of(pods: Iterable[Object]) -> set[str]:
    return {node for pod in pods if (node := node_of(pod))}


def node_of(pod: Object) -> str:
    """The node of a pod; that of a DaemonSet is meant for one before it is scheduled.

    Source: ``ReplaceDaemonSetPodNodeNameNodeAffinity`` in kubernetes' daemon controller.
    """
    wanted = spec(pod)
    if wanted.get("nodeName"):
        return str(wanted["nodeName"])
    affinity = mapping(mapping(wanted.get("affinity")).get("nodeAffinity"))
    terms = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution")).get("nodeSelectorTerms") or []
    fields = [field for term in terms for field in term.get("matchFields") or [] if field.get("key") == "metadata.name"]
    return str((fields[0].get("values") or [""])[0]) if fields else ""


def fallen_out(node: Object) -> str:
    """Why a node does not count: ``is NotReady``, ``is being deleted``; empty where it is well.

    Source: the taints and conditions of kubernetes' node lifecycle controller.
    """
    if metadata_of(node).get("deletionTimestamp"):
        return "is being deleted"
    taints = {str(taint.get("key")) for taint in spec(node).get("taints") or []}
    if "node.kubernetes.io/unreachable" in taints:
        return "is unreachable"
    conditions = status(node).get("conditions") or []
    is_well = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return "" if is_well and "node.kubernetes.io/not-ready" not in taints else "is NotReady"


def _is_daemon_set(obj: Object) -> bool:
    return obj.get("kind") == "DaemonSet"


def _wanted(obj: Object) -> int:
    if _is_daemon_set(obj):
        return _count(obj, "desiredNumberScheduled")
    rolling = mapping(mapping(spec(obj).get("updateStrategy")).get("rollingUpdate"))
    replicas = number(spec(obj).get("replicas"))
    return (1 if replicas is None else replicas) - (number(rolling.get("partition")) or 0)


def _available(obj: Object, own: Sequence[Object], pods: Sequence[Object], replica_sets: Mapping[str, Object]) -> int:
    """Available pods of the present template; by the status alone where no pods are known.

    Only controllers know how long a pod has been ready, so ``minReadySeconds`` is theirs to count.
    """
    if not pods:
        return _at_least(obj)
    ready = sum(is_alive(pod) and is_ready(pod) for pod in own)
    if not spec(obj).get("minReadySeconds"):
        return ready
    newest = revision.replica_set_of(obj, replica_sets) if obj.get("kind") == "Deployment" else None
    counted = _count(obj, "numberAvailable" if _is_daemon_set(obj) else "availableReplicas")
    return min(ready, counted if newest is None else _count(newest, "availableReplicas"))


def _at_least(obj: Object) -> int:
    """The available pods that can't all be of older templates: all that are available less the old ones."""
    if _is_daemon_set(obj):
        total, updated, available = "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"
    elif obj.get("kind") in ("Deployment", "StatefulSet"):
        total, updated, available = "replicas", "updatedReplicas", "availableReplicas"
    else:
        return 0  # a ReplicaSet does not tell which of its pods are of its present template
    return _count(obj, available) - max(0, _count(obj, total) - _count(obj, updated))


def _count(obj: Object, field: str) -> int:
    return number(status(obj).get(field)) or 0


def _missing(found: Judgement, own: Sequence[Object]) -> str:
    """The pods that are not available, each with its problem."""
    known = {id(blame.pod): blame.symptom.reason for blame in found.blamed}
    lacking = [pod for pod in own if is_alive(pod) and not is_ready(pod)]
    told = [f"{metadata_of(pod).get('name')} ({known.get(id(pod)) or 'not ready'})" for pod in lacking]
    return _some(told) or found.message


def _excuse(excused: Sequence[str], lost: Mapping[str, str]) -> str:
    return f"pods there do not count: {_some([f'node {name} {lost[name]}' for name in excused])}"


def _some(told: Sequence[str]) -> str:
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more
