"""Exported manifests: what a server wrote is taken out, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.manifests.foreign.exports import without_exports
from k8s_step.manifests.manifest import Manifest

SERVERS = {
    "managedFields": [{"manager": "kubectl"}],
    "uid": "1-2",
    "resourceVersion": "12",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "generation": 3,
    "selfLink": "/api",
}


def manifest(line: int = 1, status: Any = None, **metadata: Any) -> Manifest:
    obj = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", **metadata}, "spec": {"uid": "kept"}}
    return Manifest({**obj, "status": status} if status is not None else obj, "a.yaml", line)


def cleaned(one: Manifest) -> tuple[Any, str]:
    (found,), line = without_exports([one])
    return found.object, line


def test_what_a_server_wrote_is_taken_out() -> None:
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "deployment.kubernetes.io/revision": "3",
        "team": "web",
    }
    found, line = cleaned(manifest(status={"replicas": 1}, annotations=annotations, labels={"a": "b"}, **SERVERS))
    metadata = {"name": "a", "annotations": {"team": "web"}, "labels": {"a": "b"}}
    assert found == {"apiVersion": "v1", "kind": "A", "metadata": metadata, "spec": {"uid": "kept"}}
    assert line == (
        "1 manifest was exported from a cluster (a.yaml:1): left out managedFields, uid, selfLink, creationTimestamp, "
        "resourceVersion, generation, kubectl.kubernetes.io/last-applied-configuration, "
        "deployment.kubernetes.io/revision, status"
    )


@pytest.mark.parametrize("sign", ["managedFields", "uid", "creationTimestamp", "selfLink"])
def test_one_sign_is_enough(sign: str) -> None:
    found, line = cleaned(manifest(**{sign: SERVERS[sign]}))
    assert found["metadata"] == {"name": "a"} and line.endswith(f": left out {sign}")


@pytest.mark.parametrize(
    "one",
    [
        manifest(),
        manifest(creationTimestamp=None, status={}),
        manifest(resourceVersion="12"),
        manifest(generation=1),
        manifest(annotations={"deployment.kubernetes.io/revision": "3"}),
        manifest(status={"phase": "x"}),
    ],
)
def test_what_people_and_generators_write_stays(one: Manifest) -> None:
    before = {**one.object}
    found, line = cleaned(one)
    assert (found, line) == (before, "")


def test_annotations_that_were_only_the_servers_go_whole() -> None:
    found, _ = cleaned(manifest(uid="1", annotations={"deployment.kubernetes.io/revision": "3"}))
    assert found["metadata"] == {"name": "a"}


def test_several_get_one_line() -> None:
    _, line = without_exports([manifest(), *(manifest(number, uid="1") for number in range(2, 7))])
    start = "5 manifests were exported from a cluster (a.yaml:2, a.yaml:3, a.yaml:4, 2 more): left out uid"
    assert line == start
