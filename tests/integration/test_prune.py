"""``apply --prune --applyset``: what the manifests no longer hold goes once all is current, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

import k8s_step
from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Exchange, Proxy, Recorded, cut_after, forbid, on, plain, stall
from tests.integration.objects import (
    Object,
    claim,
    claiming,
    config_map,
    custom,
    definition,
    deployment,
    job,
    obj,
    service,
    through,
    workload,
    write,
)
from tests.integration.outcomes import actions, objects, statuses
from tests.integration.test_permissions import as_runner, printed, split, without_each

RBAC = "rbac.authorization.k8s.io"
PART_OF = "applyset.kubernetes.io/part-of"
KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
PRUNE = ("--prune", "--applyset", "shop")


class Place:
    """A namespace with a set that is released again and again."""

    def __init__(self, step: Step, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self.step, self._kubectl, self.namespace, self.folder = step, kubectl, namespace, folder

    def run(self, *made: Object, verb: str = "apply", options: tuple[str, ...] = PRUNE, env: Any = None) -> Outcome:
        path = write(self.folder / "release.yaml", *made)
        return self.step(verb, "-f", path, "-n", self.namespace, *options, env=env, report=True)

    def start(
        self, *made: Object, options: tuple[str, ...] = PRUNE, env: Any = None, own_clock: bool = False
    ) -> Running:
        path = write(self.folder / "release.yaml", *made)
        words = ("apply", "-f", path, "-n", self.namespace, *options)
        return self.step.start(*words, env=env, report=True, own_clock=own_clock)

    def context(self, namespace: str) -> dict[str, str]:
        """The environment of a kubeconfig whose contexts name this namespace; none where it is empty."""
        config = json.loads(self._kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        for one in config["contexts"]:
            one["context"]["namespace"] = namespace
        path = self.folder / "config"
        path.write_text(json.dumps(config))
        return {"KUBECONFIG": str(path)}

    def good(self, *made: Object, options: tuple[str, ...] = PRUNE) -> Outcome:
        outcome = self.run(*made, options=options)
        assert outcome.code == 0, outcome.text
        return outcome

    def kubectl(self, *words: str, **more: Any) -> str:
        return self._kubectl("-n", self.namespace, *words, **more).stdout

    def live(self, words: str) -> Object:
        return dict(json.loads(self.kubectl("get", words, "-o", "json", "--show-managed-fields")))

    def is_there(self, words: str) -> bool:
        return bool(self.kubectl("get", words, "--ignore-not-found", "-o", "name"))

    def parent(self, words: str = "secret/shop") -> dict[str, str]:
        """The annotations of the set's parent, without their domain."""
        annotations = self.live(words)["metadata"]["annotations"]
        return {name.removeprefix("applyset.kubernetes.io/"): value for name, value in annotations.items()}

    def id(self, kind: str = "Secret", name: str = "shop") -> str:
        digest = hashlib.sha256(f"{name}.{self.namespace}.{kind}.".encode()).digest()
        return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"

    def member(self, made: Object, *, options: tuple[str, ...] = ()) -> None:
        """An object that somebody else puts into the set."""
        made = {**made, "metadata": {**made["metadata"], "labels": {PART_OF: self.id()}}}
        self.kubectl("apply", *options, "-f", "-", input=json.dumps(made))


@pytest.fixture
def place(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Place:
    return Place(step, kubectl, namespace, tmp_path)


def annotated(made: Object, name: str, value: str) -> Object:
    return {**made, "metadata": {**made["metadata"], "annotations": {name: value}}}


def test_what_leaves_the_manifests_goes(place: Place) -> None:
    first = place.good(config_map("a", x="1"), config_map("b", x="1"), service("web"))
    assert f"secret/{place.namespace}/shop is made the parent of the set" in first.text
    assert place.live("secret/shop")["metadata"]["labels"] == {"applyset.kubernetes.io/id": place.id()}
    assert place.live("configmap/a")["metadata"]["labels"] == {PART_OF: place.id()}
    assert place.parent() == {
        "tooling": "k8s-step/v0.1.0",
        "contains-group-kinds": "ConfigMap,Service",
        "additional-namespaces": "",
    }
    second = place.good(config_map("a", x="1"))
    assert actions(second) == {"ConfigMap/a": "unchanged", "ConfigMap/b": "pruned", "Service/web": "pruned"}
    assert statuses(second)["ConfigMap/b"] == "not found"
    assert (place.is_there("configmap/a"), place.is_there("configmap/b"), place.is_there("service/web")) == (1, 0, 0)
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_workloads_go_with_their_pods(place: Place, played: object) -> None:
    place.good(deployment("web"), deployment("old"))
    outcome = place.good(deployment("web"))
    assert actions(outcome) == {"Deployment/web": "unchanged", "Deployment/old": "pruned"}
    assert not place.is_there("deployment/old")


@pytest.mark.parametrize("word", ["configmaps/shop", "cm/shop", "configmap/shop"])
def test_a_config_map_as_the_parent(place: Place, word: str) -> None:
    options = ("--prune", "--applyset", word)
    place.good(config_map("a", x="1"), config_map("b", x="1"), options=options)
    assert place.live("configmap/a")["metadata"]["labels"] == {PART_OF: place.id("ConfigMap")}
    outcome = place.good(config_map("a", x="1"), options=options)
    assert actions(outcome)["ConfigMap/b"] == "pruned"
    assert place.is_there("configmap/shop")


def test_nothing_goes_where_the_release_fails(place: Place, played: object) -> None:
    place.good(config_map("a", x="1"), service("web"))
    outcome = place.run(deployment("web", "shop/crash:1"), config_map("b", x="1"))
    assert outcome.code == 1, outcome.text
    assert "pruned" not in actions(outcome).values()
    assert place.is_there("configmap/a") and place.is_there("service/web")
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Deployment.apps,Service"
    healed = place.good(deployment("web"), config_map("b", x="1"))
    assert {name for name, action in actions(healed).items() if action == "pruned"} == {"ConfigMap/a", "Service/web"}
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Deployment.apps"


def test_what_opts_out_stays_and_so_does_its_kind(place: Place) -> None:
    opted = {
        "a": ("k8s-step/prune", "false"),
        "b": ("helm.sh/resource-policy", "keep"),
        "c": ("argocd.argoproj.io/sync-options", "Replace=true, Prune=false"),
        "d": ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    }
    place.good(*(annotated(config_map(name, x="1"), *pair) for name, pair in opted.items()), config_map("e", x="1"))
    outcome = place.good(service("web"))
    assert {name for name, action in actions(outcome).items() if action == "pruned"} == {"ConfigMap/e"}
    for name, (annotation, _) in opted.items():
        assert f"configmap/{place.namespace}/{name} is not pruned: {annotation} " in outcome.text
        assert place.is_there(f"configmap/{name}")
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Service"


def test_what_a_controller_owns_stays(place: Place, played: object) -> None:
    place.good(config_map("a", x="1"), service("web"))
    uid = place.live("service/web")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": uid, "controller": True}
    copied = config_map("copied", x="1")
    copied["metadata"]["ownerReferences"] = [owner]
    place.member(copied)
    outcome = place.good(service("web"))
    assert actions(outcome)["ConfigMap/a"] == "pruned"
    assert f"configmap/{place.namespace}/copied is not pruned: Service web controls it" in outcome.text
    assert place.is_there("configmap/copied")


def test_data_stays_unless_it_is_asked_for(place: Place) -> None:
    disk = obj(
        "v1",
        "PersistentVolumeClaim",
        "data",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""},
    )
    place.good(config_map("a", x="1"), annotated(disk, "k8s-step/wait", "false"))
    kept = place.good(config_map("a", x="1"))
    words = f"persistentvolumeclaim/{place.namespace}/data is not pruned: its volume may hold data; --prune-data"
    assert words in kept.text
    assert place.parent()["contains-group-kinds"] == "ConfigMap,PersistentVolumeClaim"
    gone = place.good(config_map("a", x="1"), options=(*PRUNE, "--prune-data"))
    assert actions(gone)["PersistentVolumeClaim/data"] == "pruned"
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_guards_hold_for_what_would_go(place: Place) -> None:
    place.good(config_map("a", x="1"), service("web"))
    outcome = place.good(config_map("b", x="1"), options=(*PRUNE, "--deny-kind", "service"))
    assert actions(outcome)["ConfigMap/a"] == "pruned"
    assert f"service/{place.namespace}/web is not pruned: --deny-kind service forbids a Service" in outcome.text
    refused = place.run(config_map("b", x="1"), options=(*PRUNE, "--allow-kind", "configmap"))
    assert refused.code == 2 and "a Secret is none of --allow-kind configmap" in refused.text


def test_an_object_of_another_set_is_refused_before_the_first_write(place: Place) -> None:
    place.good(config_map("a", x="1"), config_map("shared", x="1"))
    other = ("--prune", "--applyset", "other")
    refused = place.run(config_map("b", x="1"), config_map("shared", x="2"), options=other)
    assert refused.code == 4, refused.text
    assert f"it is in another set: its label {PART_OF} is {place.id()}" in refused.text
    assert "--applyset-adopt" in refused.text
    assert not place.is_there("configmap/b") and not place.is_there("secret/other")
    place.good(config_map("b", x="1"), config_map("shared", x="2"), options=(*other, "--applyset-adopt"))
    assert place.live("configmap/shared")["metadata"]["labels"] == {PART_OF: place.id(name="other")}
    outcome = place.good(config_map("a", x="1"))
    assert actions(outcome) == {"ConfigMap/a": "unchanged"} and place.is_there("configmap/shared")


def test_an_empty_release_empties_no_set_by_itself(place: Place) -> None:
    place.good(config_map("a", x="1"), service("web"))
    (place.folder / "release.yaml").write_text("# nothing left\n")
    words = ("apply", "-f", str(place.folder / "release.yaml"), "-n", place.namespace, *PRUNE)
    refused = place.step(*words)
    assert refused.code == 2 and "--allow-empty deletes all that the set holds" in refused.text
    outcome = place.step(*words, "--allow-empty", report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/a": "pruned", "Service/web": "pruned"}
    assert place.parent()["contains-group-kinds"] == ""


def test_leaving_the_set_by_mistake_is_told(place: Place) -> None:
    place.good(config_map("a", x="1"), config_map("b", x="1"))
    for verb, options in (("diff", ()), ("apply", ("--dry-run",)), ("apply", ())):
        outcome = place.run(config_map("a", x="1"), verb=verb, options=options)
        assert f"configmap/a leaves the set {place.id()}, as this release names none" in outcome.text, outcome.text
        assert "--prune --applyset NAME" in outcome.text
    assert "labels" not in place.live("configmap/a")["metadata"]
    assert "leaves the set" not in place.run(config_map("a", x="1"), options=()).text


def test_the_namespace_of_the_parent_comes_with_the_release(step: Step, place: Place, kubectl: Kubectl) -> None:
    name = f"{place.namespace}-own"
    made = [obj("v1", "Namespace", name), config_map("a", name, x="1"), config_map("b", name, x="1")]
    path = write(place.folder / "own.yaml", *made)
    words = ("apply", "-f", path, "-n", name, *PRUNE)
    try:
        tried = step(*words, "--dry-run")
        assert tried.code == 0, tried.text
        outcome = step(*words, report=True)
        assert outcome.code == 0, outcome.text
        assert actions(outcome) == {f"Namespace/{name}": "created", "ConfigMap/a": "created", "ConfigMap/b": "created"}
        annotations = json.loads(kubectl("-n", name, "get", "secret/shop", "-o", "json").stdout)["metadata"][
            "annotations"
        ]
        assert annotations[KINDS] == "ConfigMap,Namespace"
        write(place.folder / "own.yaml", made[1])
        outcome = step(*words, report=True)
        assert outcome.code == 0, outcome.text
        assert actions(outcome) == {"ConfigMap/a": "unchanged", "ConfigMap/b": "pruned"}
        assert f"namespace/{name} is not pruned: it may hold what others made; --prune-data" in outcome.text
    finally:
        kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def test_other_namespaces_are_part_of_the_set(step: Step, place: Place, cluster: Cluster) -> None:
    other = cluster.namespace(f"{place.namespace}-too")
    env = place.context(place.namespace)
    try:
        path = write(place.folder / "r.yaml", config_map("a", x="1"), config_map("b", other, x="1"))
        outcome = step("apply", "-f", path, *PRUNE, env=env)
        assert outcome.code == 0, outcome.text
        assert place.parent()["additional-namespaces"] == other
        write(place.folder / "r.yaml", config_map("a", x="1"))
        outcome = step("apply", "-f", path, *PRUNE, env=env, report=True)
        assert outcome.code == 0, outcome.text
        assert actions(outcome)["ConfigMap/b"] == "pruned"
        assert place.parent()["additional-namespaces"] == ""
    finally:
        cluster.delete_namespace(other)


def test_a_namespace_that_is_gone_is_dropped(place: Place, cluster: Cluster, kubectl: Kubectl) -> None:
    other = cluster.namespace(f"{place.namespace}-too")
    maps = {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["*"]}
    spaces = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": [other]}
    path = write(place.folder / "r.yaml", config_map("a", x="1"), config_map("b", other, x="1"))
    outcome = place.step("apply", "-f", path, *PRUNE, env=place.context(place.namespace))
    assert outcome.code == 0, outcome.text
    kubectl("delete", "namespace", other)
    blind = as_runner(cluster, cluster.token(place.namespace, "blind", rules=[maps]))
    refused = place.run(config_map("a", x="2"), env=blind)
    assert (
        refused.code == 4
        and f'cannot list resource "configmaps" in API group "" in the namespace "{other}"' in refused.text
    )
    seeing = as_runner(cluster, cluster.token(place.namespace, "seeing", rules=[maps], cluster_rules=[spaces]))
    outcome = place.run(config_map("a", x="2"), env=seeing)
    assert outcome.code == 0, outcome.text
    assert place.parent()["additional-namespaces"] == ""


def test_a_run_that_is_killed_leaks_nothing(place: Place, played: object) -> None:
    place.good(config_map("a", x="1"))
    running = place.start(service("new"), deployment("web", "shop/never-ready:1"))
    running.wait_for("waiting for")
    running.stop()
    assert place.is_there("service/new") and place.is_there("deployment/web")
    outcome = place.good(config_map("b", x="1"))
    pruned = {name for name, action in actions(outcome).items() if action == "pruned"}
    assert pruned == {"ConfigMap/a", "Service/new", "Deployment/web"}
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_a_parent_whose_namespace_is_not_known(step: Step, place: Place) -> None:
    path = write(place.folder / "r.yaml", config_map("a", place.namespace, x="1"))
    outcome = step("apply", "-f", path, *PRUNE, env=place.context(""))
    assert outcome.code == 2 and "the namespace of secret/shop is not known" in outcome.text


@pytest.mark.parametrize(
    "options,words",
    [
        (("--prune",), "--applyset NAME"),
        (("--applyset", "shop"), "give --prune as well"),
        (("--prune-data",), "give --prune as well"),
        ((*PRUNE, "--no-wait"), "nothing is pruned before"),
        (("--prune", "--applyset", "namespaces/shop"), "a Namespace can't be the parent of a set"),
        (("--prune", "--applyset", "deploy/shop"), "a Deployment can't be the parent of a set"),
        (("--prune", "--applyset", "a/b/c"), "names no parent"),
    ],
)
def test_options_that_make_no_sense(place: Place, options: tuple[str, ...], words: str) -> None:
    outcome = place.run(config_map("a", x="1"), options=options)
    assert outcome.code == 2 and words in outcome.text, outcome.text
    assert not place.is_there("configmap/a")


def test_annotations_and_labels_are_checked(place: Place) -> None:
    outcome = place.run(annotated(config_map("a", x="1"), "k8s-step/prune", "no"))
    assert outcome.code == 2 and "release.yaml:6: k8s-step/prune: 'no' is neither true nor false" in outcome.text
    strange = config_map("a", x="1")
    strange["metadata"]["labels"] = {PART_OF: "applyset-other-v1"}
    outcome = place.run(strange)
    assert outcome.code == 2 and f"its label {PART_OF} is another set's" in outcome.text


def test_an_object_that_is_no_parent(place: Place) -> None:
    place.kubectl("create", "secret", "generic", "shop")
    outcome = place.run(config_map("a", x="1"))
    assert outcome.code == 4 and "it is there, and no set's parent" in outcome.text
    place.kubectl("annotate", "secret/shop", "applyset.kubernetes.io/tooling=helm/v4", f"{KINDS}=")
    outcome = place.run(config_map("a", x="1"))
    assert outcome.code == 4 and "the set is helm's, and left to it" in outcome.text
    place.kubectl("annotate", "--overwrite", "secret/shop", "applyset.kubernetes.io/tooling=k8s-step/v0.0.1")
    outcome = place.run(config_map("a", x="1"))
    assert outcome.code == 4 and "it has no label applyset.kubernetes.io/id" in outcome.text
    place.kubectl("label", "secret/shop", "applyset.kubernetes.io/id=applyset-x-v1")
    outcome = place.run(config_map("a", x="1"))
    assert outcome.code == 4 and "is applyset-x-v1, and would be" in outcome.text
    assert not place.is_there("configmap/a")


def test_a_custom_resource_as_the_parent(place: Place, kubectl: Kubectl) -> None:
    group = f"{place.namespace}.example.com"
    path = write(place.folder / "crd.yaml", definition(group, "Flock"))
    outcome = place.step("apply", "-f", path)
    assert outcome.code == 0, outcome.text
    options = ("--prune", "--applyset", f"flocks.{group}/shop")
    try:
        refused = place.run(config_map("a", x="1"), options=options)
        assert refused.code == 2 and "its CRD has no label applyset.kubernetes.io/is-parent-type" in refused.text
        kubectl("label", f"crd/flocks.{group}", "applyset.kubernetes.io/is-parent-type=")
        path = write(place.folder / "flock.yaml", custom(group, "own", "Flock"))
        assert place.step("apply", "-f", path, "-n", place.namespace).code == 0
        own = ("--prune", "--applyset", f"flocks.{group}/own")
        place.good(config_map("mine", x="1"), service("web"), options=own)
        assert actions(place.good(service("web"), options=own))["ConfigMap/mine"] == "pruned"
        assert place.parent(f"flocks.{group}/own")["contains-group-kinds"] == "Service"
        refused = place.run(config_map("a", x="1"), options=options)
        assert refused.code == 2 and "it is not there" in refused.text
        assert not place.is_there("configmap/a")
    finally:
        kubectl("delete", f"crd/flocks.{group}", "--wait=false")


def test_a_kind_whose_definition_is_gone_is_dropped(place: Place, kubectl: Kubectl) -> None:
    group = f"{place.namespace}.example.com"
    path = write(place.folder / "crd.yaml", definition(group))
    outcome = place.step("apply", "-f", path)
    assert outcome.code == 0, outcome.text
    place.good(config_map("a", x="1"), config_map("b", x="1"), custom(group, "w", spec={"a": 1}))
    assert place.parent()["contains-group-kinds"] == f"ConfigMap,Widget.{group}"
    kubectl("delete", f"crd/widgets.{group}")
    outcome = place.good(config_map("a", x="1"))
    assert f"the server no longer serves Widget.{group}: nothing of it is left in the set" in outcome.text
    assert actions(outcome)["ConfigMap/b"] == "pruned"
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_members_of_a_kind_that_the_server_has_in_another_version_only(place: Place, proxy: Proxy) -> None:
    """As Kubernetes 1.22 has a HorizontalPodAutoscaler: in v1 and not in v2."""
    options = (*PRUNE, "--no-wait-for", "HorizontalPodAutoscaler")
    kept = annotated(_autoscaler_of_v1("kept"), "k8s-step/prune", "false")
    place.good(config_map("a", x="1"), _autoscaler_of_v1("web"), kept, options=options)
    proxy.rule(on(path="^/apis/autoscaling/v2"), plain(404, "404 page not found"), times=None)
    outcome = place.run(config_map("a", x="1"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert actions(outcome)["HorizontalPodAutoscaler/web"] == "pruned"
    assert (place.is_there("hpa/web"), place.is_there("hpa/kept")) == (0, 1)
    assert place.parent()["contains-group-kinds"] == "ConfigMap,HorizontalPodAutoscaler.autoscaling"


def test_a_kind_of_kubernetes_that_the_server_lacks_is_dropped(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))
    patch = {"metadata": {"annotations": {KINDS: "ConfigMap,HorizontalPodAutoscaler.autoscaling"}}}
    place.kubectl("patch", "secret/shop", "--type", "merge", "-p", json.dumps(patch))
    proxy.rule(on(path="^/apis/autoscaling"), plain(404, "404 page not found"), times=None)
    outcome = place.run(config_map("a", x="1"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    told = "the server no longer serves HorizontalPodAutoscaler.autoscaling: nothing of it is left in the set"
    assert outcome.stderr.count(told) == 1, outcome.text
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_a_kind_that_is_served_and_not_found_may_have_members(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"), config_map("b", x="1"), service("web"))
    proxy.rule(on("GET", "/services$"), plain(404, "404 page not found"), times=None)
    outcome = place.run(config_map("a", x="2"), env=through(proxy))
    assert outcome.code == 5 and "serves v1 Service, and does not find its list" in outcome.text, outcome.text
    assert place.live("configmap/a")["data"] == {"x": "1"} and place.is_there("configmap/b")
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Service"


def _autoscaler_of_v1(name: str) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return obj("autoscaling/v1", "HorizontalPodAutoscaler", name, spec={"scaleTargetRef": target, "maxReplicas": 2})


def test_a_jobs_run_is_no_reason_to_keep_it(place: Place, played: object) -> None:
    place.good(job("migrate", "shop/migrate:1"), config_map("a", x="1"))
    outcome = place.good(config_map("a", x="1"))
    assert actions(outcome)["Job/migrate"] == "pruned"


def really(path: str) -> Any:
    """A match of a deletion that is no dry run."""

    def match(request: Recorded) -> bool:
        return request.method == "DELETE" and re.search(path, request.path) is not None and not request.query

    return match


def test_an_object_that_changes_meanwhile_is_judged_anew(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"), config_map("b", x="1"), config_map("c", x="1"))

    def change(exchange: Exchange) -> None:
        place.kubectl("annotate", "configmap/a", "helm.sh/resource-policy=keep")
        exchange.forward()

    proxy.rule(really("/configmaps/a$"), change, times=1)
    proxy.rule(really("/configmaps/b$"), lambda exchange: _touch(place, exchange, "configmap/b"), times=1)
    proxy.rule(really("/configmaps/c$"), lambda exchange: _renew(place, exchange), times=1)
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert f"configmap/{place.namespace}/a is not pruned: helm.sh/resource-policy is keep" in outcome.text
    assert actions(outcome)["ConfigMap/b"] == "pruned" and not place.is_there("configmap/b")
    assert place.is_there("configmap/a")
    assert place.live("configmap/c")["data"] == {"x": "new"}, "a successor of the same name stays"
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Service"


def _touch(place: Place, exchange: Exchange, words: str) -> None:
    place.kubectl("annotate", words, "touched=yes")
    exchange.forward()


def _renew(place: Place, exchange: Exchange) -> None:
    place.kubectl("delete", "configmap/c")
    place.kubectl("create", "configmap", "c", "--from-literal=x=new")
    exchange.forward()


def test_what_leaves_the_set_meanwhile_stays(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))

    def leave(exchange: Exchange) -> None:
        place.kubectl("label", "configmap/a", f"{PART_OF}-")
        exchange.forward()

    proxy.rule(really("/configmaps/a$"), leave, times=1)
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert "a is not pruned: it is in this set no more" in outcome.text
    assert place.is_there("configmap/a") and place.parent()["contains-group-kinds"] == "Service"


def test_what_joins_the_set_meanwhile_is_left_to_the_next_run(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))

    def join(exchange: Exchange) -> None:
        place.member(config_map("b", x="1"))
        exchange.forward()

    rule = proxy.rule(on("PATCH", "/services/web$"), join, times=1)
    outcome = place.run(service("web"), options=(*PRUNE, "--no-preflight"), env=through(proxy))
    assert outcome.code == 0 and rule.used == 1, outcome.text
    assert actions(outcome) == {"Service/web": "created", "ConfigMap/a": "pruned"}
    assert f"configmap/{place.namespace}/b is not pruned: it has joined the set during this run" in outcome.text
    assert actions(place.good(service("web")))["ConfigMap/b"] == "pruned"


def test_what_another_run_adds_to_the_parent_meanwhile_stays(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))

    def add(exchange: Exchange) -> None:
        place.kubectl("annotate", "--overwrite", "secret/shop", f"{KINDS}=ConfigMap,Job.batch,Service")
        exchange.forward()

    proxy.rule(on("PATCH", "/services/web$"), add, times=1)
    outcome = place.run(service("web"), options=(*PRUNE, "--no-preflight"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert actions(outcome)["ConfigMap/a"] == "pruned"
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Job.batch,Service", "the other run is not done yet"
    place.good(service("web"))
    assert place.parent()["contains-group-kinds"] == "Service"


def test_a_parent_that_is_gone_is_made_anew(place: Place) -> None:
    place.good(config_map("a", x="1"), config_map("b", x="1"))
    place.kubectl("delete", "secret/shop")
    outcome = place.good(config_map("a", x="1"))
    assert "the parent of the set, is gone" in outcome.text
    assert actions(outcome)["ConfigMap/b"] == "pruned"
    assert place.parent()["contains-group-kinds"] == "ConfigMap"


def test_endpoints_that_repeat_a_services_labels_stay(place: Place, played: object) -> None:
    own = obj("v1", "Endpoints", "own", subsets=[{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}])
    place.good(service("web"), own)
    # As one is made before Kubernetes 1.33, which has no label of the controller.
    place.member(obj("v1", "Endpoints", "older"), options=("--server-side", "--field-manager=kube-controller-manager"))

    def made() -> bool:
        return PART_OF in (place.live("endpoints/web")["metadata"].get("labels") or {})

    poll(lambda: place.is_there("endpoints/web") and made(), "Endpoints of the Service")
    outcome = place.good(service("web"))
    assert actions(outcome)["Endpoints/own"] == "pruned"
    for name in ("web", "older"):
        assert f"endpoints/{place.namespace}/{name} is not pruned: it is kept for a Service" in outcome.text


def test_an_answer_that_is_lost(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))
    rule = proxy.rule(really("/configmaps/a$"), cut_after(), times=1)
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 0 and rule.used == 1, outcome.text
    assert actions(outcome)["ConfigMap/a"] == "pruned" and not place.is_there("configmap/a")


def test_deletions_are_guarded(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))
    metadata = place.live("configmap/a")["metadata"]
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    (deletion,) = [one for one in proxy.requests if really("/configmaps/a$")(one)]
    told = json.loads(deletion.body)
    assert told["preconditions"] == {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    order = [one.line for one in proxy.requests if one.method in ("PATCH", "DELETE") and not one.query.get("dryRun")]
    places = [re.search(r"/(\w+/\w+)[ ?]", line)[1] for line in order]  # type: ignore[index]
    assert places == ["secrets/shop", "services/web", "configmaps/a", "secrets/shop"], "parent, release, prune, parent"


def test_a_token_that_may_not_delete_is_told_before_the_first_write(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"))
    refusal = 'configmaps "a" is forbidden: User "ci" cannot delete resource "configmaps" in API group ""'
    proxy.rule(on("DELETE", "/configmaps/a$"), forbid(refusal))
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert "nothing was changed" in outcome.text and "permissions --prune" in outcome.text
    assert not place.is_there("service/web") and place.parent()["contains-group-kinds"] == "ConfigMap"


def test_a_refusal_in_the_middle(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"), service("old"))
    proxy.rule(really("/services/old$"), forbid("denied the request: it is still used"))
    outcome = place.run(service("web"), env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert "not sent: configmap/a" in outcome.text
    assert place.is_there("configmap/a") and place.is_there("service/old") and place.is_there("service/web")
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Service", "nothing is forgotten"
    assert actions(place.good(service("web")))["ConfigMap/a"] == "pruned"


def test_a_kind_whose_server_is_down_may_have_members(place: Place, proxy: Proxy, kubectl: Kubectl) -> None:
    place.good(config_map("a", x="1"), config_map("b", x="1"))
    group = f"{place.namespace}.example.com"
    patch = {"metadata": {"annotations": {KINDS: f"ConfigMap,Thing.{group}"}}}
    place.kubectl("patch", "secret/shop", "--type", "merge", "-p", json.dumps(patch))
    service_of = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    service_of["service"] = {"namespace": place.namespace, "name": "nobody"}  # type: ignore[assignment]
    served = obj("apiregistration.k8s.io/v1", "APIService", f"v1.{group}", spec=service_of)
    kubectl("apply", "-f", "-", input=json.dumps(served))
    try:
        outcome = place.run(config_map("a", x="2"), options=(*PRUNE, "--timeout", "15s"))
        assert outcome.code == 5, outcome.text
        assert place.live("configmap/a")["data"] == {"x": "1"} and place.is_there("configmap/b")
    finally:
        kubectl("delete", "apiservice", f"v1.{group}")


def test_of_a_release_in_waves_the_last_one_comes_first(place: Place, played: object) -> None:
    place.good(config_map("old", x="1"))
    late = annotated(deployment("late"), "k8s-step/wave", "1")
    outcome = place.good(deployment("web"), late)
    assert outcome.stderr.index("wave 2 of 2") < outcome.stderr.index("deployment.apps/late: current after")
    assert outcome.stderr.index("deployment.apps/late: current after") < outcome.stderr.index(
        "pruned     configmap/old"
    )
    broken = annotated(deployment("late", "shop/crash:1"), "k8s-step/wave", "1")
    failed = place.run(config_map("new", x="1"), broken)
    assert failed.code == 1 and "pruned" not in actions(failed).values(), failed.text


def test_what_a_finalizer_holds_is_waited_for(place: Place) -> None:
    held = config_map("held", x="1")
    held["metadata"]["finalizers"] = ["example.com/slow"]
    place.good(held, service("old"))
    running = place.start(service("web"))
    try:
        text = running.wait_for("finalizer example.com/slow")
        assert "pruned     service/old" in text and "pruned     configmap/held" in text
        assert place.parent()["contains-group-kinds"] == "ConfigMap,Service"
    finally:
        place.kubectl("patch", "configmap/held", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
    outcome = running.wait()
    assert outcome.code == 0, outcome.text
    assert statuses(outcome)["ConfigMap/held"] == "not found"
    assert place.parent()["contains-group-kinds"] == "Service"


def test_what_is_still_there_when_time_is_up(place: Place) -> None:
    held = config_map("held", x="1")
    held["metadata"]["finalizers"] = ["example.com/slow"]
    place.good(held)
    running = place.start(service("web"), own_clock=True)
    try:
        running.wait_for("finalizer example.com/slow")
        running.time_passes()
        outcome = running.wait()
        assert outcome.code == 3, outcome.text
        assert statuses(outcome)["ConfigMap/held"] == "terminating"
        assert place.parent()["contains-group-kinds"] == "ConfigMap,Service", "the next run looks after it"
    finally:
        place.kubectl("patch", "configmap/held", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
    place.good(service("web"))
    assert place.parent()["contains-group-kinds"] == "Service"


def test_a_cancellation_says_what_was_not_pruned(place: Place, proxy: Proxy) -> None:
    place.good(config_map("a", x="1"), service("old"))
    rule = proxy.rule(really("/services/old$"), stall())
    running = place.start(service("web"), env=through(proxy))
    poll(lambda: rule.used, "the deletion")
    running.signal(signal.SIGTERM)
    outcome = running.wait()
    assert outcome.code == 143, outcome.text
    assert actions(outcome)["Service/old"] == "unknown"
    assert "not sent: configmap/a" in outcome.text and place.is_there("configmap/a")
    assert place.parent()["contains-group-kinds"] == "ConfigMap,Service"


def test_a_set_goes_with_its_namespace(step: Step, place: Place, kubectl: Kubectl) -> None:
    name = f"{place.namespace}-all"
    path = write(place.folder / "all.yaml", obj("v1", "Namespace", name), config_map("a", name, x="1"))
    words = ("apply", "-f", path, "-n", name, *PRUNE)
    outcome = step(*words)
    assert outcome.code == 0, outcome.text
    (place.folder / "all.yaml").write_text("")
    outcome = step(*words, "--allow-empty", "--prune-data", report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/a": "pruned", f"Namespace/{name}": "pruned"}
    assert "the parent of the set, went with its namespace" in outcome.text
    assert not kubectl("get", "namespace", name, "--ignore-not-found").stdout


def test_a_custom_resource_goes_before_its_definition(place: Place, kubectl: Kubectl) -> None:
    group = f"{place.namespace}.example.com"
    outcome = place.good(definition(group), custom(group, "w", spec={"a": 1}), config_map("a", x="1"))
    assert place.parent()["contains-group-kinds"] == (
        f"ConfigMap,CustomResourceDefinition.apiextensions.k8s.io,Widget.{group}"
    )
    kept = place.good(config_map("a", x="1"))
    assert actions(kept)["Widget/w"] == "pruned"
    assert f"customresourcedefinition/widgets.{group} is not pruned: all its custom resources would go" in kept.text
    outcome = place.good(config_map("a", x="1"), options=(*PRUNE, "--prune-data"))
    assert actions(outcome)[f"CustomResourceDefinition/widgets.{group}"] == "pruned"
    assert not kubectl("get", f"crd/widgets.{group}", "--ignore-not-found").stdout


def test_from_python(place: Place, cluster: Cluster) -> None:
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=place.namespace) as api:
        path = write(place.folder / "r.yaml", config_map("a", x="1"), config_map("b", x="1"))
        assert api.release(path, prune=True, applyset="shop").exit_code == 0
        result = api.release(write(place.folder / "r.yaml", config_map("a", x="1")), prune=True, applyset="shop")
    assert {entry.name: entry.action for entry in result.objects} == {"a": "unchanged", "b": "pruned"}


class TestPreview:
    def test_a_dry_run_lists_what_would_go(self, place: Place) -> None:
        place.good(config_map("a", x="1"), annotated(config_map("b", x="1"), "helm.sh/resource-policy", "keep"))
        outcome = place.run(service("web"), options=(*PRUNE, "--dry-run"))
        assert outcome.code == 0, outcome.text
        assert actions(outcome) == {"Service/web": "created", "ConfigMap/a": "pruned"}
        assert re.search(r"configmap/a +would be pruned", outcome.text), outcome.text
        assert f"configmap/{place.namespace}/b is not pruned: helm.sh/resource-policy is keep" in outcome.text
        assert place.is_there("configmap/a") and place.parent()["contains-group-kinds"] == "ConfigMap"
        fresh = place.run(service("web"), options=("--prune", "--applyset", "new", "--dry-run"))
        assert fresh.code == 0 and not place.is_there("secret/new"), fresh.text

    def test_a_diff_shows_what_would_go(self, place: Place, proxy: Proxy) -> None:
        keys = obj("v1", "Secret", "keys", stringData={"password": "correct-horse-battery"})
        place.good(config_map("a", x="1"), config_map("b", tone="high"), keys)
        outcome = place.run(config_map("a", x="1"), verb="diff", options=(*PRUNE, "--exit-code"), env=through(proxy))
        assert outcome.code == 1, outcome.text
        assert "would be pruned" in outcome.stdout and "-  tone: high" in outcome.stdout, outcome.stdout
        assert "-  password: '***'" in outcome.stdout and "correct" not in outcome.text
        assert "2 would be pruned" in outcome.stderr
        assert {one.method for one in proxy.requests} == {"GET"}, "nothing but reads"
        assert place.is_there("configmap/b")
        place.good(config_map("a", x="1"))
        same = place.run(config_map("a", x="1"), verb="diff", options=(*PRUNE, "--exit-code"))
        assert same.code == 0 and "nothing would be pruned" in same.stderr, same.text

    def test_apply_shows_it_before_it_goes(self, place: Place) -> None:
        place.good(config_map("a", x="1"), config_map("b", tone="high"))
        outcome = place.good(config_map("a", x="1"), options=(*PRUNE, "--diff"))
        assert "-  tone: high" in outcome.stdout and actions(outcome)["ConfigMap/b"] == "pruned"


class TestRollback:
    OPTIONS = (*PRUNE, "--rollback-on-failure", "--no-preflight")

    def test_a_refusal_brings_back_what_was_pruned(self, place: Place, proxy: Proxy, played: object) -> None:
        place.good(deployment("web"), deployment("old"), config_map("a", x="1"), config_map("b", x="1"))
        before = {words: place.live(words) for words in ("deployment/old", "configmap/b")}
        proxy.rule(really("/configmaps/a$"), forbid("denied the request: it is still used"))
        outcome = place.run(deployment("web", "shop/web:2"), options=self.OPTIONS, env=through(proxy))
        assert outcome.code == 6, outcome.text
        assert actions(outcome)["Deployment/old"] == "pruned"
        assert outcome.report is not None
        taken = {f"{one['kind']}/{one['name']}": one.get("rolled_back") for one in outcome.report["objects"]}
        assert taken["Deployment/old"] == "restored" and taken["Deployment/web"] == "restored", taken
        image = place.live("deployment/web")["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == "shop/web:1"
        for words, was in before.items():
            now = place.live(words)
            assert now["metadata"]["labels"] == was["metadata"]["labels"]
            assert now.get("data") == was.get("data")
            owners = [entry["manager"] for entry in now["metadata"]["managedFields"] if not entry.get("subresource")]
            assert "k8s-step" in owners
        assert place.parent()["contains-group-kinds"] == "ConfigMap,Deployment.apps"
        healed = place.good(deployment("web"))
        pruned = {name for name, action in actions(healed).items() if action == "pruned"}
        assert pruned == {"Deployment/old", "ConfigMap/a", "ConfigMap/b"}

    def test_data_does_not_come_back_and_that_is_said(self, place: Place, proxy: Proxy, played: object) -> None:
        disk = annotated(claim("disk", "unprovisioned"), "k8s-step/wait", "false")
        place.good(disk, job("migrate", "shop/job-ok:1"), service("old"), config_map("a", x="1"))
        proxy.rule(really("/configmaps/a$"), forbid("denied the request: it is still used"))
        outcome = place.run(service("web"), options=(*self.OPTIONS, "--prune-data"), env=through(proxy))
        assert outcome.code == 1, outcome.text
        assert outcome.report is not None
        entries = {f"{one['kind']}/{one['name']}": one for one in outcome.report["objects"]}
        assert entries["PersistentVolumeClaim/disk"]["rolled_back"] == "failed"
        assert entries["PersistentVolumeClaim/disk"]["rollback_message"].startswith("its data is gone")
        assert entries["Job/migrate"]["rolled_back"] == "kept", "it is not run again"
        assert entries["Service/old"]["rolled_back"] == "restored" and place.is_there("service/old")
        assert entries["Service/web"]["rolled_back"] == "deleted"
        assert "the rollback is not complete: look after persistentvolumeclaim" in outcome.text

    def test_a_stateful_set_comes_back_without_its_claims_and_that_is_said(
        self, place: Place, proxy: Proxy, played: object
    ) -> None:
        place.good(claiming(workload("StatefulSet", "db", "shop/db:1"), "Delete"), config_map("a", x="1"))
        proxy.rule(really("/configmaps/a$"), forbid("denied the request: it is still used"))
        outcome = place.run(service("web"), options=(*self.OPTIONS, "--prune-data"), env=through(proxy))
        assert outcome.code == 1, outcome.text
        database = objects(outcome)["StatefulSet/db"]
        assert (database["action"], database["rolled_back"]) == ("pruned", "failed")
        assert database["rollback_message"] == "created anew, but its claims and their data are gone"
        assert place.is_there("statefulset/db")
        assert "the rollback is not complete: look after statefulset" in outcome.text

    def test_what_a_finalizer_holds_comes_back_though_the_answer_to_its_deletion_was_lost(
        self, place: Place, proxy: Proxy
    ) -> None:
        """The try after that is refused: the object has changed since it was read, by our own deletion."""
        held = config_map("held", x="1")
        held["metadata"]["finalizers"] = ["example.com/slow"]
        place.good(held, config_map("a", x="1"))
        uid = place.live("configmap/held")["metadata"]["uid"]
        lost = proxy.rule(really("/configmaps/held$"), cut_after())
        proxy.rule(really("/configmaps/a$"), forbid("denied the request: it is still used"))
        run = place.start(service("web"), options=self.OPTIONS, env=through(proxy))
        run.wait_for("rolling back")
        free = ("patch", "configmap/held", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
        place.kubectl(*free)
        outcome = run.wait()
        now = place.live("configmap/held") if place.is_there("configmap/held") else {}
        assert (outcome.code, lost.used, actions(outcome)["ConfigMap/held"]) == (6, 1, "pruned"), outcome.text
        assert outcome.report is not None
        taken = {f"{one['kind']}/{one['name']}": one.get("rolled_back") for one in outcome.report["objects"]}
        assert taken["ConfigMap/held"] == "restored", outcome.text
        assert now["data"] == {"x": "1"} and now["metadata"]["uid"] != uid
        place.kubectl(*free)

    def test_a_release_that_fails_has_pruned_nothing(self, place: Place, played: object) -> None:
        place.good(deployment("web"), config_map("a", x="1"))
        uid = place.live("configmap/a")["metadata"]["uid"]
        options = (*PRUNE, "--rollback-on-failure")
        outcome = place.run(deployment("web", "shop/crash:1"), config_map("b", x="1"), options=options)
        assert outcome.code == 6, outcome.text
        assert place.live("configmap/a")["metadata"]["uid"] == uid
        assert "labels" in place.live("deployment/web")["metadata"] and not place.is_there("configmap/b")


class TestPermissions:
    def printed(self, place: Place, *made: Object, options: tuple[str, ...] = ()) -> Any:
        outcome = place.run(*made, verb="permissions", options=(*PRUNE, *options))
        return split(printed(outcome), place.namespace)

    def test_the_role_is_enough(self, place: Place, cluster: Cluster, played: object) -> None:
        rules, cluster_rules = self.printed(place, config_map("a", x="1"), deployment("old"))
        assert not cluster_rules
        runner = as_runner(cluster, cluster.token(place.namespace, rules=rules))
        outcome = place.run(config_map("a", x="1"), deployment("old"), env=runner)
        assert outcome.code == 0, outcome.text
        rules, _ = self.printed(place, config_map("a", x="2"))
        runner = as_runner(cluster, cluster.token(place.namespace, rules=rules))
        checked = place.run(config_map("a", x="2"), verb="permissions", options=(*PRUNE, "--check"), env=runner)
        assert checked.code == 0, checked.text
        outcome = place.run(config_map("a", x="2"), env=runner)
        assert outcome.code == 0 and "not waiting" not in outcome.text, outcome.text
        assert actions(outcome) == {"ConfigMap/a": "configured", "Deployment/old": "pruned"}

    def test_what_is_missing_is_told(self, place: Place, cluster: Cluster) -> None:
        place.good(config_map("a", x="1"), config_map("b", x="1"))
        rules, _ = self.printed(place, config_map("a", x="1"))
        for verb in ("list", "delete"):
            rest = dict(without_each(rules))[f"{verb} configmaps"]
            runner = as_runner(cluster, cluster.token(place.namespace, f"no-{verb}", rules=rest))
            outcome = place.run(config_map("a", x="2"), env=runner)
            assert outcome.code == 4 and f'cannot {verb} resource "configmaps"' in outcome.text, outcome.text
            assert "k8s-step permissions --prune prints a Role" in outcome.text
            assert place.live("configmap/a")["data"] == {"x": "1"}, "nothing was written"
            checked = place.run(config_map("a", x="2"), verb="permissions", options=(*PRUNE, "--check"), env=runner)
            assert checked.code == 4 and f"this token may not {verb} configmaps" in checked.text

    def test_a_token_without_secrets(self, place: Place, cluster: Cluster) -> None:
        maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}
        runner = as_runner(cluster, cluster.token(place.namespace, rules=[maps]))
        refused = place.run(config_map("a", x="1"), env=runner)
        assert refused.code == 4 and "--applyset configmaps/NAME needs no right to Secrets" in refused.text
        outcome = place.run(config_map("a", x="1"), options=("--prune", "--applyset", "configmaps/shop"), env=runner)
        assert outcome.code == 0, outcome.text

    def test_a_rollback_needs_more(self, place: Place, cluster: Cluster, proxy: Proxy, played: object) -> None:
        made = [config_map("a", x="1"), service("old"), config_map("b", x="1")]
        place.good(*made)
        words = ("--rollback-on-failure",)
        rules, _ = self.printed(place, config_map("a", x="2"), options=words)
        proxy.rule(really("/configmaps/b$"), forbid("denied the request: it is still used"))
        runner = as_runner(cluster, cluster.token(place.namespace, rules=rules), proxy.url)
        outcome = place.run(config_map("a", x="2"), options=(*PRUNE, *words), env=runner)
        assert outcome.code == 6, outcome.text
        assert place.is_there("service/old") and place.live("configmap/a")["data"] == {"x": "1"}

    def test_data_is_listed_and_not_deleted(self, place: Place) -> None:
        disk = claim("disk", "unprovisioned")
        for options, verbs in (((), ["get", "list", "watch"]), (("--prune-data",), ["get", "list", "watch", "delete"])):
            rules, _ = self.printed(place, disk, options=options)
            (own,) = [
                one for one in rules if one["resources"] == ["persistentvolumeclaims"] and "resourceNames" not in one
            ]
            assert own["verbs"] == verbs
        parent = [one for one in rules if one["resources"] == ["secrets"]]
        assert parent == [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": ["shop"],
                "verbs": ["get", "create", "patch"],
            }
        ]


class TestKubectl:
    """Sets that kubectl keeps, and sets that kubectl and the step keep in turn."""

    AS = ("--applyset-as", "kubectl")

    def by_kubectl(self, place: Place, *made: Object, options: tuple[str, ...] = (), check: bool = True) -> str:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(made)})
        answer = place._kubectl(
            *("-n", place.namespace, "apply", "--prune", "--applyset", "shop", *options, "-f", "-"),
            input=text,
            check=check,
        )
        return answer.stdout + answer.stderr

    @pytest.fixture(autouse=True)
    def alpha(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECTL_APPLYSET", "true")

    def test_a_set_of_kubectls_is_left_to_it(self, place: Place) -> None:
        self.by_kubectl(place, config_map("a", x="1"), config_map("b", x="1"))
        outcome = place.run(config_map("a", x="2"))
        assert outcome.code == 4, outcome.text
        assert (
            "the set is kubectl's, and left to it (--applyset-as kubectl keeps it by kubectl's rules)" in outcome.text
        )
        assert place.live("configmap/a")["data"] == {"x": "1"} and place.is_there("configmap/b")

    def test_a_set_of_ours_is_left_alone_by_kubectl(self, place: Place) -> None:
        place.good(config_map("a", x="1"), config_map("b", x="1"))
        said = self.by_kubectl(place, config_map("a", x="2"), check=False)
        assert "tooling" in said and "k8s-step" in said, said
        assert place.is_there("configmap/b")
        refused = place.run(config_map("a", x="1"), options=(*PRUNE, *self.AS))
        assert refused.code == 4 and "the set is k8s-step's" in refused.text

    @pytest.mark.parametrize(
        "options", [(), ("--server-side", "--force-conflicts")], ids=["client-side", "server-side"]
    )
    def test_both_take_turns(self, place: Place, options: tuple[str, ...]) -> None:
        ours = (*PRUNE, *self.AS, *(("--adopt", "kubectl") if options else ()))
        self.by_kubectl(place, config_map("a", x="1"), config_map("b", x="1"), service("web"), options=options)
        theirs = place.live("secret/shop")
        outcome = place.good(config_map("a", x="2"), service("web"), options=ours)
        assert actions(outcome) == {
            "ConfigMap/a": "configured",
            "Service/web": actions(outcome)["Service/web"],
            "ConfigMap/b": "pruned",
        }
        now = place.live("secret/shop")
        assert now["metadata"]["annotations"] == theirs["metadata"]["annotations"], "as kubectl would leave it"
        assert now["metadata"]["labels"] == theirs["metadata"]["labels"]
        owners = [entry["manager"] for entry in now["metadata"]["managedFields"]]
        assert owners == ["kubectl-applyset"]
        said = self.by_kubectl(place, config_map("a", x="3"), options=options)
        assert "service/web pruned" in said, said
        assert place.live("configmap/a")["data"] == {"x": "3"} and not place.is_there("service/web")
        assert place.parent()["contains-group-kinds"] == "ConfigMap"
        outcome = place.good(config_map("c", x="1"), options=ours)
        assert actions(outcome) == {"ConfigMap/c": "created", "ConfigMap/a": "pruned"}
        said = self.by_kubectl(place, config_map("d", x="1"), options=options)
        assert "configmap/c pruned" in said, said

    def test_both_leave_the_same_behind(self, place: Place, cluster: Cluster, played: object) -> None:
        theirs = Place(place.step, place._kubectl, cluster.namespace(f"{place.namespace}-too"), place.folder)
        account, role = obj("v1", "ServiceAccount", "a"), obj(f"{RBAC}/v1", "Role", "a", rules=[])
        steps: list[list[Object]] = [
            [config_map("a", x="1"), config_map("b", x="1"), deployment("web")],
            [config_map("b", x="2"), account, service("web")],
            [config_map("b", x="2"), account, role],
            [role, config_map("c", x="1")],
            [deployment("web"), config_map("c", x="1")],
        ]
        kinds = "configmaps,services,serviceaccounts,roles,deployments"
        try:
            for made in steps:
                self.by_kubectl(theirs, *made)
                place.good(*made, options=(*PRUNE, *self.AS))
                left = [
                    each.kubectl("get", kinds, "-o", "name", "-l", f"{PART_OF}={each.id()}").split()
                    for each in (theirs, place)
                ]
                assert left[0] == left[1]
                assert len(left[0]) == len(made)
                assert theirs.parent() | {"tooling": ""} == place.parent() | {"tooling": ""}
        finally:
            cluster.delete_namespace(theirs.namespace)

    def test_a_set_that_the_step_makes_for_kubectl(self, place: Place) -> None:
        place.good(config_map("a", x="1"), config_map("b", x="1"), options=(*PRUNE, *self.AS))
        assert place.parent()["tooling"].startswith("kubectl/v")
        said = self.by_kubectl(place, config_map("b", x="1"), options=("--server-side", "--force-conflicts"))
        assert "configmap/a pruned" in said, said

    def test_both_write_the_same_parent(self, place: Place) -> None:
        made = (config_map("a", x="1"), service("web"))
        self.by_kubectl(place, *made)
        theirs = place.live("secret/shop")
        place.good(*made, options=("--prune", "--applyset", "own", *self.AS, "--applyset-adopt"))
        ours = place.live("secret/own")
        for one in (ours, theirs):
            for key in ("name", "uid", "resourceVersion", "creationTimestamp", "managedFields"):
                one["metadata"].pop(key)
            assert one["metadata"]["labels"].pop("applyset.kubernetes.io/id").endswith("-v1")
            assert re.fullmatch(
                r"kubectl/v1\.\d+\.\d+", one["metadata"]["annotations"].pop("applyset.kubernetes.io/tooling")
            )
        assert ours == theirs

    def test_a_parent_of_old_kubectls(self, place: Place) -> None:
        self.by_kubectl(place, config_map("a", x="1"), service("web"))
        annotations = {KINDS: None, "applyset.kubernetes.io/contains-group-resources": "configmaps,services"}
        patch = json.dumps({"metadata": {"annotations": annotations}})
        place.kubectl("patch", "secret/shop", "--type", "merge", "--field-manager", "kubectl-applyset", "-p", patch)
        outcome = place.good(config_map("a", x="1"), options=(*PRUNE, *self.AS))
        assert actions(outcome)["Service/web"] == "pruned"
        assert place.parent()["contains-group-kinds"] == "ConfigMap"
