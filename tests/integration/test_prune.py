"""``apply --prune --applyset``: what the manifests no longer hold goes once all is current, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step
from tests.integration.objects import Object, config_map, custom, definition, deployment, job, obj, service, write
from tests.integration.outcomes import actions, statuses

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
    claim = obj(
        "v1",
        "PersistentVolumeClaim",
        "data",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""},
    )
    place.good(config_map("a", x="1"), annotated(claim, "k8s-step/wait", "false"))
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
        assert f"never pruned: configmap/a of {place.id()}" in outcome.text, outcome.text
        assert "--prune --applyset NAME" in outcome.text
    assert "labels" not in place.live("configmap/a")["metadata"]
    assert "never pruned" not in place.run(config_map("a", x="1"), options=()).text


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


def test_other_namespaces_are_part_of_the_set(step: Step, place: Place, kubectl: Kubectl, cluster: Any) -> None:
    other = cluster.namespace(f"{place.namespace}-too")
    env = {"KUBECONFIG": str(place.folder / "config")}
    kubectl("config", "view", "--raw", "--flatten")
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
    for one in config["contexts"]:
        one["context"]["namespace"] = place.namespace
    (place.folder / "config").write_text(json.dumps(config))
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


def test_a_parent_whose_namespace_is_not_known(step: Step, place: Place, kubectl: Kubectl) -> None:
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
    for one in config["contexts"]:
        one["context"].pop("namespace", None)
    (place.folder / "config").write_text(json.dumps(config))
    path = write(place.folder / "r.yaml", config_map("a", place.namespace, x="1"))
    outcome = step("apply", "-f", path, *PRUNE, env={"KUBECONFIG": str(place.folder / "config")})
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


def test_a_jobs_run_is_no_reason_to_keep_it(place: Place, played: object) -> None:
    place.good(job("migrate", "shop/migrate:1"), config_map("a", x="1"))
    outcome = place.good(config_map("a", x="1"))
    assert actions(outcome)["Job/migrate"] == "pruned"
