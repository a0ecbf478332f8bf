"""Errors about text that is in no file name the object: of what was piped in, nobody sees the lines."""

from __future__ import annotations

import io

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.documents import SourceText
from k8s_step.manifests.files import Sources
from k8s_step.manifests.manifest import load
from k8s_step.manifests.templating.templates import Values

TEXT = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: 3
spec: {replicas: "${COPIES}"}
"""


def failure(text: str, built: bool = False) -> str:
    source = [SourceText("-k prod", text)]
    with pytest.raises(InputError) as caught:
        load(Sources([] if built else ["-"], built=source if built else [], stdin=io.StringIO(text)), Values())
    return str(caught.value)


@pytest.mark.parametrize(("built", "place"), [(False, "stdin"), (True, "-k prod")])
def test_what_is_wrong_in_a_document_and_with_it(built: bool, place: str) -> None:
    assert failure(TEXT, built).startswith(f"{place}:10: deployment.apps/web: COPIES has no value")
    given = TEXT.replace("${COPIES}", "3")
    assert failure(given, built) == f"{place}:9: deployment.apps/web: metadata.labels is no mapping"


def test_each_error_names_its_own() -> None:
    twice = TEXT.replace("first", "${A}")
    assert [line.partition(": ")[2].partition(":")[0] for line in failure(twice).splitlines()] == [
        "configmap/${A}",
        "deployment.apps/web",
    ]


def test_what_has_no_name_is_told_by_its_line_alone() -> None:
    assert failure("kind: ConfigMap\nmetadata: {name: x}\n").startswith("stdin:1: apiVersion is missing")
    assert failure("- a\n").startswith("stdin:1: a manifest is a mapping")


def test_an_empty_kustomization_is_named() -> None:
    assert failure("", built=True) == "no manifest in -k prod"
