"""``patch`` against the real control plane: what it makes of an object is what ``kubectl patch`` makes of its twin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Exchange, Proxy, cut_after, cut_before, fail, meanwhile, on
from tests.integration.objects import Object, config_map, deployment, obj, through, workload, write
from tests.integration.outcomes import actions, failures, objects, statuses

MINE, THEIRS = "mine", "theirs"
PLURALS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "Gizmo": "/apis/patch.k8s-step.test/v1/namespaces/{}/gizmos",
}
NOBODYS = ("name", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


class Twins:
    """Two objects that differ in their names alone; one is for the step, one for kubectl."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def create(self, base: Object, *names: str) -> None:
        for name in names or (MINE, THEIRS):
            made = deepcopy(base)
            made["metadata"]["name"] = name
            answer = self.cluster.request("POST", PLURALS[base["kind"]].format(self.namespace), made)
            assert answer.code == 201, answer.text

    def live(self, kind: str, name: str = MINE) -> Object:
        answer = self.cluster.request("GET", f"{PLURALS[kind].format(self.namespace)}/{name}")
        assert answer.code == 200, answer.text
        return dict(answer.body)

    def plain(self, kind: str, name: str) -> Object:
        """Without what no two objects have in common."""
        live = self.live(kind, name)
        metadata = {key: value for key, value in live["metadata"].items() if key not in NOBODYS}
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        metadata["annotations"] = metadata.get("annotations") or {}
        return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}

    def assert_alike(self, kind: str) -> None:
        assert self.plain(kind, MINE) == self.plain(kind, THEIRS)


@pytest.fixture
def twins(cluster: Cluster, namespace: str) -> Iterator[Twins]:
    made = Twins(cluster, namespace)
    yield made
    for kind in ("ConfigMap",):  # a finalizer would keep the namespace for ever
        for item in cluster.request("GET", PLURALS[kind].format(namespace)).body.get("items", []):
            if item["metadata"].get("finalizers"):
                path = f"{PLURALS[kind].format(namespace)}/{item['metadata']['name']}"
                free = {"metadata": {"finalizers": None}}
                cluster.request("PATCH", path, free, content_type="application/merge-patch+json")


def rich() -> Object:
    """A Deployment without pods that has something for every directive."""
    made = deployment("web", replicas=0)
    made["metadata"]["annotations"] = {"note": "old", "example.com/a": "slash"}
    pod = made["spec"]["template"]["spec"]
    pod["containers"] = [
        {
            "name": "app",
            "image": "shop/web:1",
            "args": ["--one", "--two"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
            "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 443, "name": "https"}],
        },
        {"name": "sidecar", "image": "shop/sidecar:1"},
    ]
    pod["initContainers"] = [{"name": "init", "image": "shop/init:1"}]
    pod["nodeSelector"] = {"disk": "ssd", "zone": "a"}
    pod["securityContext"] = {"runAsUser": 7, "fsGroup": 8}
    pod["volumes"] = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {"medium": "Memory"}}]
    pod["imagePullSecrets"] = [{"name": "one"}, {"name": "two"}]
    return made


def held() -> Object:
    made = config_map("held", tone="loud", pitch="high")
    made["metadata"]["finalizers"] = ["test.k8s-step/a", "test.k8s-step/b", "test.k8s-step/c"]
    return made


def pod_spec(**fields: Any) -> Object:
    return {"spec": {"template": {"spec": fields}}}


def app(**fields: Any) -> Object:
    return pod_spec(containers=[{"name": "app", **fields}])


STRATEGIC: dict[str, tuple[Any, Object]] = {
    "merge an element by its key": (rich, app(image="shop/web:2")),
    "add an element": (rich, pod_spec(containers=[{"name": "new", "image": "shop/new:1"}])),
    "merge an element by two keys": (rich, app(ports=[{"containerPort": 443, "protocol": "TCP", "name": "tls"}])),
    "merge a map": (rich, pod_spec(nodeSelector={"arch": "arm64"})),
    "replace an atomic list": (rich, app(args=["--three"])),
    "null deletes a field": (rich, pod_spec(nodeSelector={"zone": None}, securityContext=None)),
    "null deletes a list": (rich, pod_spec(volumes=None)),
    "$patch: replace a map": (rich, pod_spec(nodeSelector={"$patch": "replace", "arch": "arm64"})),
    "$patch: replace a list": (rich, app(env=[{"$patch": "replace"}, {"name": "D", "value": "4"}])),
    "$patch: delete a map": (rich, pod_spec(securityContext={"$patch": "delete"})),
    "$patch: delete an element": (rich, pod_spec(containers=[{"name": "sidecar", "$patch": "delete"}])),
    "$patch: delete within an element": (rich, app(env=[{"name": "B", "$patch": "delete"}])),
    "$retainKeys of a union": (rich, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    "$retainKeys of an element": (
        rich,
        pod_spec(volumes=[{"$retainKeys": ["name", "configMap"], "name": "data", "configMap": {"name": "settings"}}]),
    ),
    "$deleteFromPrimitiveList": (held, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test.k8s-step/b"]}}),
    "$deleteFromPrimitiveList and add": (
        held,
        {
            "metadata": {
                "$deleteFromPrimitiveList/finalizers": ["test.k8s-step/a"],
                "finalizers": ["test.k8s-step/d"],
            }
        },
    ),
    "$setElementOrder of elements": (
        rich,
        pod_spec(**{"$setElementOrder/containers": [{"name": "sidecar"}, {"name": "app"}]}),
    ),
    "$setElementOrder with a new element": (
        rich,
        pod_spec(
            **{"$setElementOrder/containers": [{"name": "new"}, {"name": "app"}, {"name": "sidecar"}]},
            containers=[{"name": "new", "image": "shop/new:1"}],
        ),
    ),
    "$setElementOrder within an element": (
        rich,
        app(**{"$setElementOrder/env": [{"name": "C"}, {"name": "A"}]}, env=[{"name": "B", "$patch": "delete"}]),
    ),
    "$setElementOrder of primitives": (
        held,
        {"metadata": {"$setElementOrder/finalizers": ["test.k8s-step/c", "test.k8s-step/a", "test.k8s-step/b"]}},
    ),
}
MERGE: dict[str, tuple[Any, Object]] = {
    "merge maps": (rich, pod_spec(nodeSelector={"arch": "arm64"})),
    "replace lists whole": (rich, pod_spec(containers=[{"name": "only", "image": "shop/only:1"}])),
    "null deletes": (
        rich,
        {"metadata": {"annotations": {"note": None}}, "spec": {"template": {"spec": {"volumes": None}}}},
    ),
    "add what was not there": (held, {"metadata": {"labels": {"team": "blue"}}, "data": {"new": "yes"}}),
}
POD = "/spec/template/spec"
JSON: dict[str, tuple[Any, list[Object]]] = {
    "add a member": (rich, [{"op": "add", "path": f"{POD}/nodeSelector/arch", "value": "arm64"}]),
    "add to a list's end": (rich, [{"op": "add", "path": f"{POD}/imagePullSecrets/-", "value": {"name": "three"}}]),
    "add into a list": (rich, [{"op": "add", "path": f"{POD}/containers/0/args/1", "value": "--between"}]),
    "remove": (rich, [{"op": "remove", "path": f"{POD}/containers/0/env/1"}]),
    "replace": (rich, [{"op": "replace", "path": f"{POD}/containers/0/image", "value": "shop/web:2"}]),
    "replace what is not there": (held, [{"op": "replace", "path": "/data/new", "value": "yes"}]),
    "move": (held, [{"op": "move", "from": "/data/tone", "path": "/data/sound"}]),
    "copy": (held, [{"op": "copy", "from": "/data/tone", "path": "/data/echo"}]),
    "test that holds": (
        held,
        [{"op": "test", "path": "/data/tone", "value": "loud"}, {"op": "remove", "path": "/data/tone"}],
    ),
    "escapes in a path": (rich, [{"op": "remove", "path": "/metadata/annotations/example.com~1a"}]),
    "all six": (
        held,
        [
            {"op": "test", "path": "/data/pitch", "value": "high"},
            {"op": "add", "path": "/data/a", "value": "1"},
            {"op": "copy", "from": "/data/a", "path": "/data/b"},
            {"op": "move", "from": "/data/a", "path": "/data/c"},
            {"op": "replace", "path": "/data/b", "value": "2"},
            {"op": "remove", "path": "/data/tone"},
        ],
    ),
}
ROWS = [
    pytest.param(kind, base, body, id=f"{kind}: {name}")
    for kind, table in (("strategic", STRATEGIC), ("merge", MERGE), ("json", JSON))
    for name, (base, body) in table.items()
]


@pytest.mark.parametrize(("patch_type", "base", "body"), ROWS)
def test_it_makes_what_kubectl_makes(
    patch_type: str, base: Any, body: Any, twins: Twins, step: Step, kubectl: Kubectl, tmp_path: Path
) -> None:
    made = base()
    kind = made["kind"]
    twins.create(made)
    (tmp_path / "patch.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    word = kind.lower()
    outcome = step(
        *("patch", f"{word}/{MINE}", "--type", patch_type, "-f", str(tmp_path / "patch.yaml")),
        *("-n", twins.namespace, "--no-wait"),
        report=True,
    )
    assert (outcome.code, actions(outcome)) == (0, {f"{kind}/{MINE}": "configured"}), outcome.text
    kubectl("-n", twins.namespace, "patch", word, THEIRS, "--type", patch_type, "-p", json.dumps(body))
    twins.assert_alike(kind)

    if patch_type != "json":
        again = step(
            "patch", word, MINE, "--type", patch_type, "-p", json.dumps(body), "-n", twins.namespace, report=True
        )
        assert (again.code, actions(again)) == (0, {f"{kind}/{MINE}": "unchanged"}), again.text
        twins.assert_alike(kind)


@pytest.mark.parametrize(
    "body",
    [
        pod_spec(nodeSelector={"$patch": "merge", "arch": "arm64"}),
        pod_spec(containers=[{"$patch": "merge"}, {"name": "app", "image": "shop/web:2"}]),
    ],
    ids=["map", "list"],
)
def test_patch_merge_goes_out_untouched_and_is_refused_as_with_kubectl(
    body: Object, twins: Twins, step: Step, kubectl: Kubectl, proxy: Proxy
) -> None:
    """Kubernetes documents ``$patch: merge`` and has never implemented it."""
    twins.create(rich())
    patch = ("patch", f"deploy/{MINE}", "-p", json.dumps(body), "-n", twins.namespace)
    outcome = step(*patch, env=through(proxy))
    assert outcome.code == 4 and "drop $patch: merge" in outcome.stderr, outcome.text
    (sent,) = proxy.matching(on("PATCH"))
    assert sent.json == body
    theirs = kubectl("-n", twins.namespace, "patch", "deploy", THEIRS, "-p", json.dumps(body), check=False)
    assert theirs.returncode != 0
    twins.assert_alike("Deployment")


def test_an_apply_patch_makes_what_kubectl_apply_makes(twins: Twins, step: Step, kubectl: Kubectl) -> None:
    twins.create(rich())
    body = app(image="shop/web:2", env=[{"name": "D", "value": "4"}])
    force = ("--type", "apply", "-p", json.dumps(body), "-n", twins.namespace, "--no-wait")
    refused = step("patch", "deploy", MINE, *force)
    assert refused.code == 4, refused.text
    assert '.spec.template.spec.containers[name="app"].image belongs to' in refused.stderr
    outcome = step("patch", "deploy", MINE, *force, "--force-conflicts", report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"Deployment/{MINE}": "configured"}), outcome.text
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": THEIRS}, **body}
    server_side = ("apply", "--server-side", "--force-conflicts", "--field-manager=k8s-step", "-f", "-")
    kubectl("-n", twins.namespace, *server_side, input=json.dumps(theirs))
    twins.assert_alike("Deployment")
    less = step(
        "patch",
        "deploy",
        MINE,
        *("--type", "apply", "-p", json.dumps(app(image="shop/web:2"))),
        "-n",
        twins.namespace,
        "--no-wait",
    )
    assert less.code == 0, less.text
    env = twins.live("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [one["name"] for one in env] == ["A", "B", "C"], "what is dropped is given up"


def test_an_apply_patch_creates_what_is_not_there(twins: Twins, step: Step) -> None:
    body = json.dumps({"data": {"tone": "loud"}})
    outcome = step("patch", "cm/new", "--type", "apply", "-p", body, "-n", twins.namespace, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/new": "created"}), outcome.text
    assert twins.live("ConfigMap", "new")["data"] == {"tone": "loud"}


def test_an_apply_patch_of_another_object_is_refused_before_anything_is_sent(
    step: Step, namespace: str, proxy: Proxy
) -> None:
    body = json.dumps({"kind": "Secret", "data": {}})
    outcome = step("patch", "cm/new", "--type", "apply", "-p", body, "-n", namespace, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    assert "kind is Secret" in outcome.stderr and "configmap" in outcome.stderr


# -- subresources


@pytest.mark.parametrize("patch_type", ["strategic", "merge", "apply"])
def test_the_scale_subresource(patch_type: str, twins: Twins, step: Step, kubectl: Kubectl) -> None:
    twins.create(rich())
    body = json.dumps({"spec": {"replicas": 0}}), json.dumps({"spec": {"replicas": 1}})
    scale = ("patch", f"deploy/{MINE}", "--subresource", "scale", "--type", patch_type, "-n", twins.namespace)
    force = ("--force-conflicts",) if patch_type == "apply" else ()
    outcome = step(*scale, "-p", body[1], *force, report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"Deployment/{MINE}": "configured"}), outcome.text
    assert statuses(outcome) == {f"Deployment/{MINE}": ""}, "a subresource is not followed"
    kubectl("-n", twins.namespace, "patch", "deploy", THEIRS, "--subresource=scale", "--type=merge", "-p", body[1])
    twins.assert_alike("Deployment")
    assert actions(step(*scale, "-p", body[1], *force, report=True)) == {f"Deployment/{MINE}": "unchanged"}


def test_the_status_subresource(twins: Twins, step: Step) -> None:
    twins.create(obj("v1", "Service", MINE, spec={"type": "LoadBalancer", "ports": [{"port": 80}]}), MINE)
    body = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}})
    status = ("patch", f"svc/{MINE}", "--subresource", "status", "-p", body, "-n", twins.namespace)
    assert actions(step(*status, report=True)) == {f"Service/{MINE}": "configured"}
    assert twins.live("Service")["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7"
    assert actions(step(*status, report=True)) == {f"Service/{MINE}": "unchanged"}


def test_a_subresource_that_the_kind_has_not(twins: Twins, step: Step) -> None:
    twins.create(held())
    body = json.dumps({"spec": {"replicas": 1}})
    outcome = step(
        "patch", f"cm/{MINE}", "--subresource", "scale", "--type", "merge", "-p", body, "-n", twins.namespace
    )
    assert outcome.code == 4 and "a ConfigMap has no subresource scale" in outcome.stderr, outcome.text


# -- JSON patches: checked, explained, never done twice


def test_a_json_patch_is_checked_before_anything_is_sent(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    lines = [
        "- {op: add, path: /data/a, value: b}",
        "- {op: put, path: /data/a, value: b}",
        "- {op: add, path: /data/a}",
        "- {op: replace, path: data/a, value: b}",
        "- {op: move, path: /data/b}",
        "- {op: copy, from: data, path: /data/b}",
        "- remove /data/a",
        "- {path: /data/a}",
        "- {op: test, path: /data/~2, value: null}",
    ]
    (tmp_path / "patch.yaml").write_text("\n".join(lines))
    outcome = step("patch", "cm/x", "--type", "json", "-f", "patch.yaml", "-n", namespace, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    for line, words in {
        "patch.yaml:2: operation [1]": "unknown op, 'put'",
        "patch.yaml:3: operation [2]": "lacks its member 'value'",
        "patch.yaml:4: operation [3]": "no JSON pointer, 'data/a'",
        "patch.yaml:5: operation [4]": "lacks its member 'from'",
        "patch.yaml:6: operation [5]": "no JSON pointer, 'data'",
        "patch.yaml:7: operation [6]": "not a mapping",
        "patch.yaml:8: operation [7]": "lacks its member 'op'",
        "patch.yaml:9: operation [8]": "no JSON pointer",
    }.items():
        assert any(line in told and words in told for told in outcome.stderr.splitlines()), (line, outcome.stderr)
    assert "patch.yaml:1:" not in outcome.stderr


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"op": "test", "path": "/data/tone", "value": "soft"}, 'the value is "loud", not "soft"'),
        ({"op": "test", "path": "/data/none", "value": "soft"}, "the object has no /data/none"),
        ({"op": "remove", "path": "/data/none"}, "the object has no /data/none"),
        ({"op": "add", "path": "/none/deeper", "value": "x"}, "the object has no /none"),
        ({"op": "add", "path": "/metadata/finalizers/9", "value": "x/y"}, "9 is no place in a list of 3"),
        ({"op": "move", "from": "/data/none", "path": "/data/new"}, "the object has no /data/none"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["op"],
)
def test_an_operation_that_fails_changes_nothing_and_is_named(
    operation: Object, told: str, twins: Twins, step: Step
) -> None:
    twins.create(held())
    before = twins.live("ConfigMap")
    body = json.dumps([{"op": "add", "path": "/data/new", "value": "yes"}, operation])
    outcome = step("patch", f"cm/{MINE}", "--type", "json", "-p", body, "-n", twins.namespace, report=True)
    assert outcome.code == 4, outcome.text
    assert f"operation [1], {operation['op']} {operation['path']}: {told}; nothing was changed" in outcome.stderr
    assert twins.live("ConfigMap") == before


APPEND = [{"op": "add", "path": "/metadata/finalizers/-", "value": "test.k8s-step/once"}]


@pytest.mark.parametrize(
    "fault",
    [cut_after(), cut_after(reset=True), cut_before(), fail(500), fail(503)],
    ids=["cut after", "reset after", "cut before", "500", "503"],
)
def test_a_json_patch_is_done_once_whatever_happens_to_its_answer(
    fault: Any, twins: Twins, step: Step, proxy: Proxy
) -> None:
    twins.create(held())
    rule = proxy.rule(on("PATCH"), fault)
    append = ("patch", f"cm/{MINE}", "--type", "json", "-p", json.dumps(APPEND), "-n", twins.namespace)
    outcome = step(*append, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"ConfigMap/{MINE}": "configured"}), outcome.text
    assert rule.used == 1
    assert twins.live("ConfigMap")["metadata"]["finalizers"].count("test.k8s-step/once") == 1


def test_a_json_patch_is_not_repeated_where_somebody_else_changed_the_object(
    twins: Twins, step: Step, proxy: Proxy
) -> None:
    twins.create(held())

    def overtaken(exchange: Exchange) -> None:
        path = f"{PLURALS['ConfigMap'].format(twins.namespace)}/{MINE}"
        theirs = {"data": {"theirs": "yes"}}
        twins.cluster.request("PATCH", path, theirs, content_type="application/merge-patch+json")
        exchange.cut("overtaken")

    proxy.rule(on("PATCH"), overtaken)
    append = ("patch", f"cm/{MINE}", "--type", "json", "-p", json.dumps(APPEND), "-n", twins.namespace)
    outcome = step(*append, env=through(proxy))
    assert outcome.code == 5, outcome.text
    assert "the object has changed" in outcome.stderr and f"configmap/{twins.namespace}/{MINE}" in outcome.stderr
    assert "test.k8s-step/once" not in twins.live("ConfigMap")["metadata"]["finalizers"]


REVISION = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}


def count(twins: Twins) -> None:
    """A controller writes its annotation, the object's only one."""
    path = f"{PLURALS['ConfigMap'].format(twins.namespace)}/{MINE}"
    twins.cluster.request("PATCH", path, REVISION, content_type="application/merge-patch+json")


@pytest.mark.parametrize(("tone", "action"), [("loud", "unchanged"), ("soft", "configured")])
def test_what_a_controller_counts_in_between_is_no_change_of_ours(
    tone: str, action: str, twins: Twins, step: Step, proxy: Proxy
) -> None:
    twins.create(config_map(MINE, tone="loud"))
    proxy.rule(on("PATCH"), meanwhile(lambda: count(twins)))
    body = json.dumps({"data": {"tone": tone}})
    outcome = step("patch", f"cm/{MINE}", "-p", body, "-n", twins.namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"ConfigMap/{MINE}": action}), outcome.text
    assert twins.live("ConfigMap")["metadata"]["annotations"] == REVISION["metadata"]["annotations"]


def test_what_a_controller_counts_in_between_does_not_hide_that_a_lost_patch_was_not_done(
    twins: Twins, step: Step, proxy: Proxy
) -> None:
    twins.create(config_map(MINE, tone="loud"))

    def overtaken(exchange: Exchange) -> None:
        count(twins)
        exchange.cut("overtaken")

    proxy.rule(on("PATCH"), overtaken)
    body = json.dumps([{"op": "replace", "path": "/data/tone", "value": "soft"}])
    patch = ("patch", f"cm/{MINE}", "--type", "json", "-p", body, "-n", twins.namespace)
    outcome = step(*patch, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"ConfigMap/{MINE}": "configured"}), outcome.text
    assert twins.live("ConfigMap")["data"] == {"tone": "soft"}


@pytest.mark.parametrize("patch_type", ["strategic", "merge"])
@pytest.mark.parametrize("fault", [cut_after(), fail(503)], ids=["cut after", "503"])
def test_a_merge_patch_is_repeated(patch_type: str, fault: Any, twins: Twins, step: Step, proxy: Proxy) -> None:
    twins.create(held())
    proxy.rule(on("PATCH"), fault)
    body = json.dumps({"data": {"tone": "soft"}})
    outcome = step("patch", f"cm/{MINE}", "--type", patch_type, "-p", body, "-n", twins.namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert len(proxy.matching(on("PATCH"))) == 2
    assert twins.live("ConfigMap")["data"]["tone"] == "soft"


# -- what the server refuses


GIZMOS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gizmos.patch.k8s-step.test"},
    "spec": {
        "group": "patch.k8s-step.test",
        "scope": "Namespaced",
        "names": {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
                },
            }
        ],
    },
}


@pytest.fixture
def gizmo(twins: Twins, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(GIZMOS))
    kubectl("wait", "--for=condition=Established", "crd/gizmos.patch.k8s-step.test", "--timeout=20s")
    made = {"apiVersion": "patch.k8s-step.test/v1", "kind": "Gizmo", "metadata": {"name": MINE}, "spec": {"size": 1}}
    kubectl("-n", twins.namespace, "create", "-f", "-", input=json.dumps(made))


@pytest.mark.usefixtures("gizmo")
def test_pods_that_come_up_in_between_are_no_change_of_the_scale(twins: Twins, step: Step, proxy: Proxy) -> None:
    sizes = iter(range(1, 9))

    def come_up() -> None:
        path, body = f"{PLURALS['Gizmo'].format(twins.namespace)}/{MINE}/status", {"status": {"size": next(sizes)}}
        assert twins.cluster.request("PATCH", path, body, content_type="application/merge-patch+json").code == 200

    proxy.rule(on("PATCH"), meanwhile(come_up), times=None)
    gizmo = f"gizmo.patch.k8s-step.test/{MINE}"
    scale = ("patch", gizmo, "--subresource", "scale", "--type", "merge", "-n", twins.namespace, "-p")
    for replicas, action in (1, "unchanged"), (2, "configured"), (2, "unchanged"):
        outcome = step(*scale, json.dumps({"spec": {"replicas": replicas}}), env=through(proxy), report=True)
        assert (outcome.code, actions(outcome)) == (0, {f"Gizmo/{MINE}": action}), outcome.text
    assert (twins.live("Gizmo")["spec"], twins.live("Gizmo")["status"]) == ({"size": 2}, {"size": 3})


@pytest.mark.usefixtures("gizmo")
def test_a_custom_resource_takes_no_strategic_patch_and_the_way_out_works(twins: Twins, step: Step) -> None:
    patch = (
        "patch",
        f"gizmo.patch.k8s-step.test/{MINE}",
        "-p",
        json.dumps({"spec": {"size": 2}}),
        "-n",
        twins.namespace,
        "--no-wait",
    )
    refused = step(*patch)
    assert refused.code == 4, refused.text
    assert "a Gizmo takes no strategic merge patch" in refused.stderr
    assert "--type merge" in refused.stderr and "--type apply" in refused.stderr and "415" not in refused.stderr
    assert step(*patch, "--type", "merge").code == 0
    assert twins.live("Gizmo")["spec"] == {"size": 2}
    assert step(*patch, "--type", "apply").code == 0
    unknown = step(
        "patch",
        f"gizmo.patch.k8s-step.test/{MINE}",
        "--type",
        "merge",
        "-p",
        '{"spec":{"sise":2}}',
        "-n",
        twins.namespace,
    )
    assert unknown.code == 4 and 'unknown field "spec.sise"' in unknown.stderr, unknown.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("spec:\n  replicas: 0\n  replcas: 1\n", 'patch.yaml:3: deployment/{}/mine: unknown field "spec.replcas"'),
        ("spec:\n  replicas: -1\n", "patch.yaml:2: deployment/{}/mine: spec.replicas: Invalid value"),
        (
            "spec:\n  template:\n    spec:\n      containers:\n      - image: x\n",
            "patch.yaml:1: deployment/{}/mine: the patch does not fit the object: map: map[image:x] does not contain"
            " declared merge key: name",
        ),
    ],
    ids=["an unknown field", "an invalid value", "no merge key"],
)
def test_what_the_server_refuses_names_file_and_line(
    body: str, told: str, twins: Twins, step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    twins.create(rich(), MINE)
    (tmp_path / "patch.yaml").write_text(body)
    outcome = step("patch", f"deploy/{MINE}", "-f", "patch.yaml", "-n", twins.namespace, env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert told.format(twins.namespace) in outcome.stderr
    assert len(proxy.matching(on("PATCH"))) == 1, "what can't succeed is not tried again"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("spec:\n  strategy:\n    $patch: drop\n", "patch.yaml:3: $patch is 'drop'"),
        ("spec:\n  strategy:\n    $retainKeys: type\n", "patch.yaml:3: $retainKeys takes a list"),
        ("- op: remove\n  path: /spec\n", "--type json"),
        ("spec:\n  replicas: ${HOW_MANY}\n", "patch.yaml:2: HOW_MANY has no value"),
        ("", "the patch is empty"),
        ("a: 1\n---\nb: 2\n", "the patch holds 2 documents"),
    ],
)
def test_a_patch_that_can_t_be_right_is_never_sent(
    body: str, told: str, step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    (tmp_path / "patch.yaml").write_text(body)
    outcome = step("patch", "deploy/x", "-f", "patch.yaml", "-n", namespace, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    assert told in outcome.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no patch is given"),
        (("-p", "{}", "--image", "app=x:1"), "-p and --image are given"),
        (("--image", "app=x:1", "--type", "json"), "a patch made of --image is strategic"),
        (("-f", "x.yaml", "--from-manifest", "--type", "apply"), "json or merge"),
        (("-p", "{}", "--from-manifest"), "the manifest is given with -f"),
        (("--image", "app=x:1", "--subresource", "scale"), "-f FILE or -p TEXT"),
    ],
)
def test_options_that_contradict_each_other(options: tuple[str, ...], told: str, step: Step) -> None:
    outcome = step("patch", "deploy/x", *options)
    assert outcome.code == 2 and told in outcome.stderr, outcome.text


def test_an_object_that_is_not_there(step: Step, namespace: str) -> None:
    outcome = step("patch", "deploy/nope", "-p", '{"spec":{"replicas":1}}', "-n", namespace)
    assert outcome.code == 4, outcome.text
    assert f"deployment/{namespace}/nope: it is not there" in outcome.stderr


def test_a_stale_resource_version_is_a_conflict(twins: Twins, step: Step) -> None:
    twins.create(held())
    old = twins.live("ConfigMap")["metadata"]["resourceVersion"]
    body = json.dumps({"metadata": {"resourceVersion": old}, "data": {"tone": "soft"}})
    patch = ("patch", f"cm/{MINE}", "--type", "merge", "-p", body, "-n", twins.namespace)
    assert step(*patch).code == 0
    stale = step(*patch)
    assert stale.code == 4 and f"it has changed since resourceVersion {old}" in stale.stderr, stale.text


def test_values_of_a_secret_are_never_shown(twins: Twins, step: Step) -> None:
    twins.create(obj("v1", "Secret", MINE, stringData={"password": "hunter2-of-old"}), MINE)
    on_it = ("patch", f"secret/{MINE}", "-n", twins.namespace)
    patches = [
        ("--type", "json", "-p", '[{"op":"test","path":"/data/password","value":"bmV3LWh1bnRlcjI="}]'),
        ("--type", "json", "-p", '[{"op":"replace","path":"/data/password","value":"new-hunter2"}]'),
        ("--type", "merge", "-p", '{"data":{"password":"new-hunter2"}}'),
        ("--type", "merge", "-p", '{"stringData":{"password":"new-hunter2"},"frob":1}'),
        ("-p", '{"stringData":{"password":"new-hunter2"},"data":5}'),
    ]
    for patch in patches:
        outcome = step(*on_it, *patch, report=True)
        assert outcome.code == 4, outcome.text
        everything = outcome.text + json.dumps(outcome.report)
        for secret in ("hunter2-of-old", "aHVudGVyMi1vZi1vbGQ", "new-hunter2", "bmV3LWh1bnRlcjI"):
            assert secret not in everything, (patch, secret)


# -- dry run, templates, stdin, environment


@pytest.mark.parametrize("patch_type", ["strategic", "merge", "json", "apply"])
def test_a_dry_run_changes_nothing(patch_type: str, twins: Twins, step: Step, proxy: Proxy) -> None:
    twins.create(held())
    before = twins.live("ConfigMap")
    body: Any = {"data": {"tone": "soft"}}
    if patch_type == "json":
        body = [{"op": "replace", "path": "/data/tone", "value": "soft"}]
    options = ("--type", patch_type, "-p", json.dumps(body), "--dry-run", "--force-conflicts")
    outcome = step("patch", f"cm/{MINE}", *options, "-n", twins.namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"ConfigMap/{MINE}": "configured"}), outcome.text
    assert (proxy.writes, twins.live("ConfigMap")) == ([], before)


def test_a_templated_patch_from_stdin_by_the_environment_alone(twins: Twins, step: Step) -> None:
    twins.create(held())
    environment = {
        "K8S_COMMAND": "patch",
        "K8S_OBJECT": f"configmap/{MINE}",
        "K8S_NAMESPACE": twins.namespace,
        "K8S_FILENAME": "-",
        "TONE": 'a "quoted": value\n---\nx: y',
    }
    outcome = step(env=environment, input='data: {tone: "${TONE}", literal: "$${TONE}"}')
    assert outcome.code == 0, outcome.text
    data = twins.live("ConfigMap")["data"]
    assert (data["tone"], data["literal"]) == (environment["TONE"], "${TONE}")


# -- images


def test_images_by_container(twins: Twins, step: Step, kubectl: Kubectl, proxy: Proxy) -> None:
    twins.create(rich())
    images = ("app=shop/web:2", "init=registry.example:5000/init@sha256:" + "0" * 64, "sidecar=:7")
    options = [word for image in images for word in ("--image", image)]
    patch = ("patch", f"deploy/{MINE}", *options, "-n", twins.namespace, "--no-wait")
    outcome = step(*patch, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"Deployment/{MINE}": "configured"}), outcome.text
    assert [request.method for request in proxy.requests] == ["GET", "PATCH"]
    kubectl("-n", twins.namespace, "set", "image", f"deploy/{THEIRS}", *images[:2], "sidecar=shop/sidecar:7")
    twins.assert_alike("Deployment")
    assert actions(step(*patch, report=True)) == {f"Deployment/{MINE}": "unchanged"}


def cron_job() -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "shop/web:1"}]}
    job = {"spec": {"template": {"spec": pod}}}
    return obj("batch/v1", "CronJob", "x", spec={"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job})


def bare_pod() -> Object:
    containers = [{"name": "app", "image": "shop/web:1"}]
    return obj(
        "v1", "Pod", "x", spec={"containers": containers, "nodeName": "nowhere", "automountServiceAccountToken": False}
    )


@pytest.mark.parametrize(
    "base", [cron_job, bare_pod, lambda: workload("StatefulSet", "x", "shop/web:1", spec={"replicas": 0})]
)
def test_images_of_other_kinds(base: Any, twins: Twins, step: Step, kubectl: Kubectl) -> None:
    made = base()
    twins.create(made)
    kind = made["kind"].lower()
    outcome = step("patch", f"{kind}/{MINE}", "--image", "app=shop/web:2", "-n", twins.namespace, "--no-wait")
    assert outcome.code == 0, outcome.text
    kubectl("-n", twins.namespace, "set", "image", f"{kind}/{THEIRS}", "app=shop/web:2")
    twins.assert_alike(made["kind"])


def test_an_unknown_container_is_an_error_that_names_those_there(twins: Twins, step: Step, proxy: Proxy) -> None:
    twins.create(rich(), MINE)
    images = ("--image", "web=shop/web:2", "--image", "app=Shop/Web", *("--image", "init=a:1", "--image", "init=a:2"))
    outcome = step("patch", f"deploy/{MINE}", *images, "-n", twins.namespace, env=through(proxy))
    assert (outcome.code, proxy.writes) == (2, []), outcome.text
    assert "no container is named web (there are init, app, sidecar)" in outcome.stderr
    assert "image names are lower case" in outcome.stderr
    assert "the container init is given two images" in outcome.stderr


def test_a_patched_release_is_followed_to_its_verdict(
    step: Step, namespace: str, played: Cluster, tmp_path: Path
) -> None:
    assert step("apply", "-f", write(tmp_path / "web.yaml", deployment()), "-n", namespace).code == 0
    good = step("patch", "deploy/web", "--image", "app=shop/web:2", "-n", namespace, report=True)
    assert (good.code, statuses(good)) == (0, {"Deployment/web": "current"}), good.text
    bad = step("patch", "deploy/web", "--image", "app=shop/web:pull-fail", "-n", namespace, report=True)
    assert (bad.code, statuses(bad)) == (1, {"Deployment/web": "failed"}), bad.text
    assert failures(bad)["Deployment/web"]["reason"] in ("ErrImagePull", "ImagePullBackOff")


# -- from a manifest


def toward() -> Object:
    made = deployment("web", replicas=0)
    made["metadata"]["name"] = MINE
    made["metadata"]["labels"] = {"team": "blue"}
    made["spec"]["template"]["spec"] = {
        "containers": [
            {
                "name": "app",
                "image": "shop/web:2",
                "args": ["--one", "--three"],
                "env": [{"name": "B", "value": "20"}, {"name": "D", "value": "4"}],
                "resources": {"requests": {"cpu": "1000m"}},
            }
        ]
    }
    return made


@pytest.mark.parametrize("patch_type", ["json", "merge"])
def test_a_patch_from_a_manifest(
    patch_type: str, twins: Twins, step: Step, kubectl: Kubectl, proxy: Proxy, tmp_path: Path
) -> None:
    twins.create(rich())
    path = write(tmp_path / "web.yaml", toward(), config_map("other", a="b"))
    patch = ("patch", f"deploy/{MINE}", "--from-manifest", "-f", path, "--type", patch_type, "--no-wait")
    version = twins.live("Deployment")["metadata"]["resourceVersion"]
    outcome = step(*patch, "-n", twins.namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"Deployment/{MINE}": "configured"}), outcome.text
    sent, *_ = proxy.writes
    refused = {"json": 422, "merge": 409}[patch_type]  # a controller that writes meanwhile has it sent again
    assert [one.code for one in proxy.writes if one.code != refused] == [200]
    if patch_type == "json":
        assert sent.json[0]["op"] == "test" and sent.json[0]["path"] == "/metadata/resourceVersion"
        touched = {operation["path"] for operation in sent.json[1:]}
        assert {"/metadata/labels", "/spec/template/spec/containers/0/image"} <= touched
        assert not any(path.startswith(("/status", "/spec/template/spec/nodeSelector")) for path in touched)
    else:
        assert int(sent.json["metadata"]["resourceVersion"]) >= int(version)
    assert json.loads(outcome.stdout) == sent.json, "what is sent is what was shown"
    theirs = toward()
    theirs["metadata"]["name"] = THEIRS
    server_side = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kubectl("-n", twins.namespace, *server_side, input=json.dumps(theirs))
    twins.assert_alike("Deployment")

    again = step(*patch, "-n", twins.namespace, report=True)
    assert (again.code, actions(again)) == (0, {f"Deployment/{MINE}": "unchanged"}), again.text
    assert "resourceVersion" not in again.stdout


@pytest.mark.parametrize("patch_type", ["json", "merge"])
def test_a_change_in_between_that_matters_not_is_measured_again(
    patch_type: str, twins: Twins, step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    outcome = _overtaken(patch_type, {"metadata": {"annotations": {"theirs": "yes"}}}, twins, step, proxy, tmp_path)
    assert outcome.code == 0, outcome.text
    live = twins.live("ConfigMap")
    assert (live["data"]["tone"], live["metadata"]["annotations"]["theirs"]) == ("soft", "yes")


@pytest.mark.parametrize("patch_type", ["json", "merge"])
def test_a_change_in_between_that_matters_is_a_conflict(
    patch_type: str, twins: Twins, step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    outcome = _overtaken(patch_type, {"data": {"tone": None, "pitch": "low"}}, twins, step, proxy, tmp_path)
    assert outcome.code == 4, outcome.text
    assert "than was shown" in outcome.stderr and "nothing was changed" in outcome.stderr
    assert twins.live("ConfigMap")["data"] == {"pitch": "low"}


def _overtaken(patch_type: str, theirs: Object, twins: Twins, step: Step, proxy: Proxy, tmp_path: Path) -> Outcome:
    """Somebody else writes just before the patch arrives."""
    twins.create(held(), MINE)

    def overtake(exchange: Exchange) -> None:
        path = f"{PLURALS['ConfigMap'].format(twins.namespace)}/{MINE}"
        assert twins.cluster.request("PATCH", path, theirs, content_type="application/merge-patch+json").code == 200
        exchange.forward()

    proxy.rule(lambda request: request.method == "PATCH" and "dryRun" not in request.query, overtake)
    path = write(tmp_path / "cm.yaml", config_map(MINE, tone="soft", pitch="high"))
    options = ("--from-manifest", "-f", path, "--type", patch_type)
    return step("patch", *options, "-n", twins.namespace, env=through(proxy), report=True)


def test_secrets_of_a_computed_patch_are_masked(twins: Twins, step: Step, tmp_path: Path) -> None:
    twins.create(obj("v1", "Secret", MINE, stringData={"password": "hunter2-of-old"}), MINE)
    path = write(tmp_path / "secret.yaml", obj("v1", "Secret", MINE, stringData={"password": "hunter2-anew"}))
    outcome = step("patch", f"secret/{MINE}", "--from-manifest", "-f", path, "-n", twins.namespace)
    assert outcome.code == 0 and "/data/password" in outcome.stdout, outcome.text
    for secret in ("hunter2-of-old", "hunter2-anew", "aHVudGVyMi1vZi1vbGQ", "aHVudGVyMi1hbmV3"):
        assert secret not in outcome.text


def test_a_manifest_of_what_is_not_there(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "cm.yaml", config_map("nope", a="b"))
    outcome = step("patch", "--from-manifest", "-f", path, "-n", namespace)
    assert outcome.code == 4 and "it is not there" in outcome.stderr, outcome.text
    named = step("patch", "cm/other", "--from-manifest", "-f", path, "-n", namespace)
    assert named.code == 2 and "there are configmap/nope" in named.stderr, named.text


def test_the_report_names_the_object(twins: Twins, step: Step) -> None:
    twins.create(held(), MINE)
    outcome = step("patch", f"cm/{MINE}", "-p", '{"data":{"a":"b"}}', "-n", twins.namespace, report=True)
    entry = objects(outcome)[f"ConfigMap/{MINE}"]
    assert (entry["namespace"], entry["apiVersion"], entry["status"]) == (twins.namespace, "v1", "current")
