"""Prometheus' own parser reads what is written."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from k8s_step.report.results.metrics import exposition, of_components, of_pods
from k8s_step.verdict.components import Health
from tests.unit.samples import container, pod, running


def parsed(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """By sample name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text + "\n"):
        assert family.documentation and family.type in ("gauge", "counter")
        for sample in family.samples:
            assert tuple(sample.labels.items()) not in found.setdefault(sample.name, {}), "the same sample twice"
            found[sample.name][tuple(sample.labels.items())] = sample.value
    return found


def test_phases_readiness_and_restarts() -> None:
    web = pod(
        running(ready=True, restarts=2), name="web-1", ready=True, namespace="shop", init=(container({}, name="i"),)
    )
    done = pod(name="job-1", phase="Succeeded", namespace="shop")
    found = parsed(exposition(of_pods([web, done])))
    at = (("namespace", "shop"), ("pod", "web-1"))
    phases = found["k8s_step_pod_status_phase"]
    assert {labels[2][1] for labels in phases if labels[:2] == at} == {
        "Pending",
        "Running",
        "Succeeded",
        "Failed",
        "Unknown",
    }
    assert [labels[1:] for labels, value in phases.items() if value] == [
        (("pod", "job-1"), ("phase", "Succeeded")),
        (("pod", "web-1"), ("phase", "Running")),
    ]
    assert found["k8s_step_pod_status_ready"] == {(at[0], ("pod", "job-1")): 0, at: 1}
    assert found["k8s_step_pod_container_status_restarts_total"] == {
        (*at, ("container", "i")): 0,
        (*at, ("container", "app")): 2,
    }


@pytest.mark.parametrize("name", ['a"b', "a\\nb", "a\nb", "\u00e9\\", "{x},y"])
def test_a_label_is_read_back_as_it_was(name: str) -> None:
    made: dict[str, Any] = pod(running(), name=name, namespace="shop")
    found = parsed(exposition(of_pods([made])))["k8s_step_pod_status_ready"]
    assert list(found) == [(("namespace", "shop"), ("pod", name))]


def test_components() -> None:
    found = parsed(exposition(of_components({"api": Health(3, 2, 1), "dns": Health(0, 0, 0)}, 2)))
    api, dns = (("component", "api"),), (("component", "dns"),)
    assert found == {
        "k8s_step_component_ready": {api: 1, dns: 0},
        "k8s_step_component_ready_pods": {api: 2, dns: 0},
        "k8s_step_component_pods": {api: 3, dns: 0},
    }


def test_no_pods_are_no_samples() -> None:
    assert parsed(exposition(of_pods([]))) == {}
