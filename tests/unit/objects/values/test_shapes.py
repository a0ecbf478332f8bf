"""Objects that are JSON and yet not Kubernetes'."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.objects.values.shapes import misshapen

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "generation": 1, "labels": {"app": "web"}},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "web"}]}}},
    "status": {"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]},
}
RECORDED = sorted(Path(__file__).parents[3].glob("rollouts/*/*.yaml"))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("metadata",), "a", "metadata is a string, not an object"),
        (("metadata", "generation"), True, "metadata.generation is true or false, not a number"),
        (("spec",), [], "spec is a list, not an object"),
        (("spec", "replicas"), "2", "spec.replicas is a string, not a number"),
        (("spec", "template"), "{}", "spec.template is a string, not an object"),
        (("spec", "template", "spec", "containers"), {}, "spec.template.spec.containers is an object, not a list"),
        (("spec", "template", "spec", "containers", 0), None, ""),
        (
            ("spec", "template", "spec", "containers", 0),
            1,
            "spec.template.spec.containers[0] is a number, not an object",
        ),
        (("status", "conditions", 0, "status"), True, "status.conditions[0].status is true or false, not a string"),
        (("status",), None, ""),
        (("kind",), [], "kind is a list, not a string"),
    ],
)
def test_the_first_field_of_another_type_is_named(path: tuple[Any, ...], value: Any, words: str) -> None:
    made = copy.deepcopy(DEPLOYMENT)
    holder: Any = made
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    assert misshapen(made) == words


def test_of_custom_resources_only_the_metadata_is_known() -> None:
    made = {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": [], "status": "up"}
    assert misshapen(made) == ""
    assert misshapen({**made, "metadata": {"name": 1}}) == "metadata.name is a number, not a string"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_servers_really_wrote_is_well_shaped(path: Path) -> None:
    text = path.read_text()
    for document in yaml.safe_load_all(text):
        for one in document if isinstance(document, list) else [document]:
            # As JSON: there a time is a string.
            made = json.loads(json.dumps(one, default=str))
            if isinstance(made, dict) and "apiVersion" in made:
                assert misshapen(made) == ""
