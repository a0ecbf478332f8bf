from __future__ import annotations

from k8s_step.manifests.names import names_of

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "annotations": {"name": "said in passing"}},
    "spec": {
        "template": {
            "spec": {
                "serviceAccountName": "robot",
                "containers": [
                    {"name": "app", "image": "registry:5000/team/front@sha256:00", "env": [{"name": "A", "value": "b"}]}
                ],
            }
        }
    },
}


def test_what_a_manifest_names() -> None:
    found = names_of([DEPLOYMENT])
    assert {"web", "shop", "robot", "app", "A"} <= found
    assert {"apps", "v1", "apps/v1", "Deployment", "deployment"} <= found
    image = {"registry:5000/team/front@sha256:00", "registry:5000/team/front", "registry", "5000", "team", "front"}
    assert image <= found
    assert {"b", "said in passing"}.isdisjoint(found)


def test_what_it_holds_is_no_name() -> None:
    held = {"name": "hunter2", "secretName": "hunter3"}
    for kind, field in (("Secret", "stringData"), ("Secret", "data"), ("ConfigMap", "data")):
        assert names_of([{"kind": kind, "metadata": {"name": "x"}, field: held}]) == {kind, kind.lower(), "x"}
