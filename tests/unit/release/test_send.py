"""What is planned: namespaces filled in, contradictions and twins refused, before any request."""

from __future__ import annotations

import pytest

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputErrors
from k8s_step.inputs import Inputs
from k8s_step.manifests.manifest import Manifest
from k8s_step.release.planning.plan import planned
from k8s_step.release.planning.session import Session


class _NoServer:
    """Built-in kinds are planned without a request."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"asked the server: {name}")


def _session(namespace: str = "shop") -> Session:
    client = _NoServer()
    return Session(client, Discovery(client), namespace)  # type: ignore[arg-type]


def _manifest(kind: str, name: str, namespace: str | None = None, line: int = 1, **metadata: str) -> Manifest:
    given = {"name": name, "namespace": namespace, **metadata}
    kept = {key: value for key, value in given.items() if value}
    return Manifest({"apiVersion": "v1", "kind": kind, "metadata": kept}, "a.yaml", line)


def test_namespace_is_the_manifests_then_the_default_and_none_for_cluster_kinds() -> None:
    manifests = [_manifest("ConfigMap", "a"), _manifest("ConfigMap", "b", "other"), _manifest("Namespace", "c")]
    assert [one.reference.namespace for one in planned(manifests, _session(), Inputs())] == ["shop", "other", ""]


def test_a_namespace_that_contradicts_the_one_asked_for_is_refused() -> None:
    with pytest.raises(InputErrors, match=r"a\.yaml:7.*other.*shop"):
        planned([_manifest("ConfigMap", "a", "other", line=7)], _session(), Inputs(namespace="shop"))


def test_of_many_in_a_wrong_namespace_one_is_told_with_their_count() -> None:
    many = [_manifest("ConfigMap", f"c{line}", "other", line=line) for line in range(1, 132)]
    more = _manifest("ConfigMap", "a", "elsewhere", line=200)
    with pytest.raises(InputErrors) as caught:
        planned([*many, more], _session(), Inputs(namespace="shop"))
    assert str(caught.value).splitlines() == [
        "a.yaml:1: its namespace is other, but shop was asked for, and so for 130 more (drop one of the two)",
        "a.yaml:200: its namespace is elsewhere, but shop was asked for (drop one of the two)",
    ]


def test_twins_by_default_namespace_are_refused_with_both_places() -> None:
    twins = [_manifest("ConfigMap", "a", line=1), _manifest("ConfigMap", "a", "shop", line=5)]
    with pytest.raises(InputErrors, match=r"a\.yaml:5: configmap/shop/a is in a\.yaml:1 already"):
        planned(twins, _session(), Inputs())


@pytest.mark.parametrize(
    "spec", [[], [1], "a", {"names": "a"}, {"names": {"kind": "A", "plural": "as"}, "versions": {}}]
)
def test_a_definition_that_defines_nothing_is_left_to_the_server(spec: object) -> None:
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    manifest = Manifest({**body, "metadata": {"name": "as.example.com"}}, "a.yaml", 1)
    assert [one.reference.name for one in planned([manifest], _session(), Inputs())] == ["as.example.com"]


def test_generated_names_are_no_twins() -> None:
    alike = [_manifest("Pod", "", generateName="job-", line=1), _manifest("Pod", "", generateName="job-", line=9)]
    assert len(planned(alike, _session(), Inputs())) == 2


def test_all_mistakes_are_told_at_once() -> None:
    wrong = [_manifest("ConfigMap", "a", "x", line=1), _manifest("Secret", "b", "y", line=2)]
    with pytest.raises(InputErrors) as caught:
        planned(wrong, _session(), Inputs(namespace="shop"))
    assert len(caught.value.errors) == 2
