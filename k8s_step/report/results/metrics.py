"""Pods as samples in Prometheus' text format; pure.

Source: "Text-based format" of Prometheus' exposition formats. Labels are those of kube-state-metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from k8s_step.objects.kinds.pods import is_ready, statuses
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.verdict.components import Health

_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")  # v1.PodPhase
_ESCAPES = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}


@dataclass(frozen=True)
class Family:
    """One metric: ``type`` is gauge or counter, ``samples`` are labels and values."""

    name: str
    type: str
    help: str
    samples: tuple[tuple[Mapping[str, str], int], ...]


def exposition(families: Iterable[Family]) -> str:
    """The families in Prometheus' text format, without the last line break."""
    return "\n".join(line for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.type}"
    for labels, value in family.samples:
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{family.name}{{{told}}} {value}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def of_pods(pods: Iterable[Object]) -> list[Family]:
    """Phase, readiness and restarts of each pod; ``pods`` are v1 Pods."""
    known = sorted(((_labels(pod), pod) for pod in pods), key=lambda one: tuple(one[0].values()))
    return [
        Family(
            "k8s_step_pod_status_phase",
            "gauge",
            "The pod's phase: 1 for the present one.",
            tuple(sample for labels, pod in known for sample in _phases(labels, pod)),
        ),
        Family(
            "k8s_step_pod_status_ready",
            "gauge",
            "Whether the pod's Ready condition is True.",
            tuple((labels, int(is_ready(pod))) for labels, pod in known),
        ),
        Family(
            "k8s_step_pod_container_status_restarts_total",
            "counter",
            "Restarts of a container, init containers too, as the pod's status counts them.",
            tuple(sample for labels, pod in known for sample in _restarts(labels, pod)),
        ),
    ]


def of_components(known: Mapping[str, Health], least: int) -> list[Family]:
    """For components by name: whether at least ``least`` pods are ready, the number of ready pods and of all pods."""
    labelled = [({"component": name}, found) for name, found in known.items()]
    ready = tuple((labels, int(found.is_good(least))) for labels, found in labelled)
    pods = tuple((labels, found.pods) for labels, found in labelled)
    ready_pods = tuple((labels, found.ready) for labels, found in labelled)
    return [
        Family("k8s_step_component_ready", "gauge", "Whether the component has enough ready pods.", ready),
        Family("k8s_step_component_ready_pods", "gauge", "The component's ready pods.", ready_pods),
        Family("k8s_step_component_pods", "gauge", "The component's pods, without those that have succeeded.", pods),
    ]


def _labels(pod: Object) -> dict[str, str]:
    metadata = metadata_of(pod)
    return {name: str(metadata.get(key) or "") for name, key in (("namespace", "namespace"), ("pod", "name"))}


def _phases(labels: Mapping[str, str], pod: Object) -> Iterator[tuple[Mapping[str, str], int]]:
    phase = (pod.get("status") or {}).get("phase")
    for each in _PHASES:
        yield {**labels, "phase": each}, int(each == phase)


def _restarts(labels: Mapping[str, str], pod: Object) -> Iterator[tuple[Mapping[str, str], int]]:
    for entry in statuses(pod):
        yield {**labels, "container": str(entry.get("name") or "")}, int(entry.get("restartCount") or 0)
