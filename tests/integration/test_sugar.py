"""``restart``, ``scale`` and ``undo``: what they make of a workload is what ``kubectl`` makes of its twin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Exchange, Proxy, cut_after, on
from tests.integration.objects import Object, config_map, deployment, through, workload, write
from tests.integration.outcomes import actions, statuses

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
RESTARTED = "kubectl.kubernetes.io/restartedAt"
NOBODYS = ("name", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "annotations")


class Shop:
    """Workloads of a namespace, straight from the server."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def path(self, kind: str, name: str = "") -> str:
        plural = f"/apis/apps/v1/namespaces/{self.namespace}/{kind.lower()}s"
        return f"{plural}/{name}" if name else plural

    def create(self, kind: str, *names: str, **spec: Any) -> None:
        for name in names:
            made = workload(kind, "web", "shop/web:1", spec=spec)
            made["metadata"]["name"] = name
            made["spec"]["selector"]["matchLabels"]["app"] = name
            made["spec"]["template"]["metadata"]["labels"]["app"] = name
            answer = self.cluster.request("POST", self.path(kind), made)
            assert answer.code == 201, answer.text

    def live(self, kind: str, name: str) -> Object:
        answer = self.cluster.request("GET", self.path(kind, name))
        assert answer.code == 200, answer.text
        return dict(answer.body)

    def plain(self, kind: str, name: str) -> Object:
        """The workload without what no two have in common."""
        live = self.live(kind, name)
        metadata = {key: value for key, value in live["metadata"].items() if key not in NOBODYS}
        spec = json.loads(json.dumps(live["spec"]).replace(f'"app": "{name}"', '"app": "-"'))
        annotations = spec["template"]["metadata"].get("annotations", {})
        if RESTARTED in annotations:
            annotations[RESTARTED] = "some time"
        return {"metadata": metadata, "spec": spec}

    def assert_alike(self, kind: str) -> None:
        assert self.plain(kind, "mine") == self.plain(kind, "theirs")

    def release(self, kind: str, name: str, *images: str) -> None:
        """Give it one image after the other: each is a revision of its own in the history, as is the present one."""
        poll(lambda: self.image(kind, name) in self.kept(kind, name), f"a revision of {name} as it is")
        for image in images:
            body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
            content_type = "application/strategic-merge-patch+json"
            assert self.cluster.request("PATCH", self.path(kind, name), body, content_type=content_type).code == 200
            poll(lambda image=image: image in self.kept(kind, name), f"a revision of {name} with {image}")

    def kept(self, kind: str, name: str) -> str:
        """The history as text."""
        history = "replicasets" if kind == "Deployment" else "controllerrevisions"
        path = f"/apis/apps/v1/namespaces/{self.namespace}/{history}"
        found = self.cluster.request("GET", path, labelSelector=f"app={name}").body["items"]
        return json.dumps([{key: one.get(key) for key in ("spec", "data")} for one in found])

    def settle(self, name: str) -> None:
        """Wait until the controller has said its last word on the Deployment, whose version changes no more then."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"

        def is_said() -> bool:
            image, sets = self.image("Deployment", name), self.cluster.get(path, labelSelector=f"app={name}")["items"]
            (newest,) = (one["metadata"]["name"] for one in sets if image in json.dumps(one["spec"]))
            words = f'ReplicaSet "{newest}" has successfully progressed.'
            said = self.live("Deployment", name)["status"].get("conditions", [])
            return any((one["reason"], one["message"]) == ("NewReplicaSetAvailable", words) for one in said)

        poll(is_said, f"the last word on {name}")

    def image(self, kind: str, name: str) -> str:
        return str(self.live(kind, name)["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture
def shop(cluster: Cluster, namespace: str) -> Shop:
    return Shop(cluster, namespace)


def none_or_few(kind: str) -> dict[str, Any]:
    """No pods, where the kind allows that."""
    return {} if kind == "DaemonSet" else {"replicas": 0}


# -- restart


@pytest.mark.parametrize("kind", KINDS)
def test_restart_does_what_kubectl_does_in_one_request(
    kind: str, shop: Shop, step: Step, kubectl: Kubectl, proxy: Proxy
) -> None:
    shop.create(kind, "mine", "theirs", **none_or_few(kind))
    word = kind.lower()
    outcome = step("restart", f"{word}/mine", "-n", shop.namespace, "--no-wait", env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"{kind}/mine": "configured"}), outcome.text
    assert [request.method for request in proxy.requests] == ["PATCH"]
    kubectl("-n", shop.namespace, "rollout", "restart", f"{word}/theirs")
    shop.assert_alike(kind)
    at = shop.live(kind, "mine")["spec"]["template"]["metadata"]["annotations"][RESTARTED]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at)


def test_a_restart_is_followed_to_its_verdict(shop: Shop, step: Step, played: Cluster, tmp_path: Path) -> None:
    releases = write(tmp_path / "web.yaml", deployment(replicas=2), deployment("api", replicas=1))
    assert step("apply", "-f", releases, "-n", shop.namespace).code == 0
    pods = f"/api/v1/namespaces/{shop.namespace}/pods"
    before = {one["metadata"]["uid"] for one in played.request("GET", pods).body["items"]}
    outcome = step("restart", "deploy", "web", "api", "-n", shop.namespace, report=True)
    assert (outcome.code, set(statuses(outcome).values())) == (0, {"current"}), outcome.text
    now = played.request("GET", pods).body["items"]
    ready = {one["metadata"]["uid"] for one in now if not one["metadata"].get("deletionTimestamp")}
    assert len(ready - before) >= 3 and not (ready & before)


def test_a_restart_that_was_done_but_not_answered_is_not_done_twice(shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=0)
    proxy.rule(on("PATCH"), cut_after())
    outcome = step("restart", "deploy/mine", "-n", shop.namespace, "--no-wait", env=through(proxy))
    assert outcome.code == 0, outcome.text
    bodies = [request.body for request in proxy.matching(on("PATCH"))]
    assert len(bodies) == 2 and bodies[0] == bodies[1], "the same time again: the second changes nothing"


def test_what_can_t_be_restarted(step: Step, namespace: str, proxy: Proxy) -> None:
    outcome = step("restart", "cm/x", "deploy/y", "job/z", "-n", namespace, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    assert "a ConfigMap can't be restarted (Deployment, StatefulSet, DaemonSet can)" in outcome.stderr
    assert "a Job can't be restarted" in outcome.stderr and "Deployment can't" not in outcome.stderr


def test_a_paused_deployment_is_said_to_be_paused(shop: Shop, step: Step) -> None:
    shop.create("Deployment", "mine", replicas=0, paused=True)
    outcome = step("restart", "deploy/mine", "-n", shop.namespace, "--no-wait")
    assert outcome.code == 0 and "is paused" in outcome.stderr, outcome.text


def test_of_several_one_that_is_not_there(shop: Shop, step: Step) -> None:
    shop.create("Deployment", "mine", replicas=0)
    outcome = step("restart", "deploy", "mine", "nope", "-n", shop.namespace, report=True)
    assert outcome.code == 4 and f"deployment/{shop.namespace}/nope: it is not there" in outcome.stderr, outcome.text
    assert actions(outcome) == {"Deployment/mine": "configured", "Deployment/nope": "none"}


@pytest.mark.parametrize("verb", [("restart",), ("scale", "--replicas", "1"), ("undo",)], ids=lambda verb: verb[0])
def test_a_dry_run_changes_nothing(verb: tuple[str, ...], shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=0)
    shop.release("Deployment", "mine", "shop/web:2")
    before = shop.live("Deployment", "mine")["spec"]
    outcome = step(*verb, "deploy/mine", "--dry-run", "-n", shop.namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/mine": "configured"}), outcome.text
    assert (proxy.writes, shop.live("Deployment", "mine")["spec"]) == ([], before)


# -- scale


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
def test_scale_does_what_kubectl_does(kind: str, shop: Shop, step: Step, kubectl: Kubectl, proxy: Proxy) -> None:
    shop.create(kind, "mine", "theirs", replicas=0)
    scale = ("scale", f"{kind.lower()}/mine", "--replicas", "1", "-n", shop.namespace, "--no-wait")
    outcome = step(*scale, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"{kind}/mine": "configured"}), outcome.text
    (sent,) = proxy.writes
    assert sent.path.endswith("/mine/scale") and sent.json == {"spec": {"replicas": 1}}
    kubectl("-n", shop.namespace, "scale", f"{kind.lower()}/theirs", "--replicas=1")
    shop.assert_alike(kind)
    proxy.clear()
    again = step(*scale, env=through(proxy), report=True)
    assert (again.code, actions(again)) == (0, {f"{kind}/mine": "unchanged"}), again.text
    assert proxy.writes == []


def test_scaling_is_followed_up_and_down(shop: Shop, step: Step, played: Cluster, tmp_path: Path) -> None:
    assert step("apply", "-f", write(tmp_path / "web.yaml", deployment()), "-n", shop.namespace).code == 0
    for replicas in (3, 0, 2):
        outcome = step("scale", "deploy/web", "--replicas", str(replicas), "-n", shop.namespace, report=True)
        assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
        assert shop.live("Deployment", "web")["status"].get("readyReplicas", 0) == replicas


@pytest.mark.parametrize("held", [0, 2])
def test_current_replicas_hold_it_to_what_is_there(held: int, shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=held)
    scale = ("scale", "deploy/mine", "-n", shop.namespace, "--no-wait", "--replicas", "1")
    refused = step(*scale, "--current-replicas", "5", env=through(proxy))
    assert (refused.code, proxy.writes) == (4, []), refused.text
    assert f"it has {held} replicas, not 5; nothing was changed" in refused.stderr
    assert step(*scale, "--current-replicas", str(held)).code == 0
    assert shop.live("Deployment", "mine")["spec"]["replicas"] == 1


@pytest.mark.parametrize("held", [0, 2])
def test_current_replicas_with_a_token_that_may_not_read_the_scale(
    held: int, shop: Shop, step: Step, cluster: Cluster
) -> None:
    """Only the server compares."""
    shop.create("Deployment", "mine", replicas=held)
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]},
    ]
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca)}
    environment["K8S_TOKEN"] = cluster.token(shop.namespace, "scaler", rules=rules)
    scale = ("scale", "deploy/mine", "-n", shop.namespace, "--no-wait", "--replicas", "1")
    refused = step(*scale, "--current-replicas", "5", env=environment)
    assert refused.code == 4 and shop.live("Deployment", "mine")["spec"]["replicas"] == held, refused.text
    outcome = step(*scale, "--current-replicas", str(held), env=environment)
    assert (outcome.code, shop.live("Deployment", "mine")["spec"]["replicas"]) == (0, 1), outcome.text


def test_somebody_who_scales_in_between_is_not_overruled(shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=0)

    def overtake(exchange: Exchange) -> None:
        path, theirs = f"{shop.path('Deployment', 'mine')}/scale", {"spec": {"replicas": 1}}
        shop.cluster.request("PATCH", path, theirs, content_type="application/merge-patch+json")
        exchange.forward()

    proxy.rule(on("PATCH"), overtake)
    scale = ("scale", "deploy/mine", "-n", shop.namespace, "--replicas", "3", "--current-replicas", "0")
    outcome = step(*scale, env=through(proxy))
    assert outcome.code == 4 and "nothing was changed" in outcome.stderr, outcome.text
    assert shop.live("Deployment", "mine")["spec"]["replicas"] == 1


def test_what_has_no_replicas(shop: Shop, step: Step, kubectl: Kubectl) -> None:
    kubectl("-n", shop.namespace, "create", "-f", "-", input=json.dumps(config_map()))
    outcome = step("scale", "cm/settings", "--replicas", "1", "-n", shop.namespace)
    assert outcome.code == 4 and "a ConfigMap has no subresource scale" in outcome.stderr, outcome.text
    missing = step("scale", "deploy/nope", "--replicas", "1", "-n", shop.namespace)
    assert missing.code == 4 and "it is not there" in missing.stderr, missing.text
    unsaid = step("scale", "deploy/nope", "-n", shop.namespace)
    assert unsaid.code == 2 and "--replicas" in unsaid.stderr, unsaid.text


# -- undo


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("revision", [None, 1])
def test_undo_does_what_kubectl_does(
    kind: str, revision: int | None, shop: Shop, step: Step, kubectl: Kubectl, proxy: Proxy
) -> None:
    shop.create(kind, "mine", "theirs", **none_or_few(kind))
    for name in ("mine", "theirs"):
        poll(lambda name=name: "shop/web:1" in shop.kept(kind, name), f"the first revision of {name}")
        shop.release(kind, name, "shop/web:2", "shop/web:3")
    chosen = ("--to-revision", str(revision)) if revision else ()
    undo = ("undo", f"{kind.lower()}/mine", "-n", shop.namespace, "--no-wait", *chosen)
    outcome = step(*undo, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"{kind}/mine": "configured"}), outcome.text
    image = "shop/web:1" if revision else "shop/web:2"
    assert f"back to revision {revision or 2} ({image})" in outcome.stderr
    done = [one.code for one in proxy.writes if one.code != 422]  # a controller that writes meanwhile has it sent again
    assert done == [200]
    theirs = (f"--to-revision={revision}",) if revision else ()
    kubectl("-n", shop.namespace, "rollout", "undo", f"{kind.lower()}/theirs", *theirs)
    assert shop.image(kind, "mine") == image
    shop.assert_alike(kind)


def test_undo_of_a_broken_release_is_followed_to_its_verdict(
    shop: Shop, step: Step, played: Cluster, tmp_path: Path
) -> None:
    assert step("apply", "-f", write(tmp_path / "web.yaml", deployment(replicas=2)), "-n", shop.namespace).code == 0
    assert step("patch", "deploy/web", "--image", "app=shop/web:pull-fail", "-n", shop.namespace).code == 1
    outcome = step("undo", "deploy/web", "-n", shop.namespace, report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    assert shop.image("Deployment", "web") == "shop/web:1"


def test_a_revision_that_is_not_there(shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=0)
    poll(lambda: "shop/web:1" in shop.kept("Deployment", "mine"), "the first revision")
    none = step("undo", "deploy/mine", "-n", shop.namespace, env=through(proxy))
    assert none.code == 2 and "there is no earlier revision" in none.stderr, none.text
    shop.release("Deployment", "mine", "shop/web:2")
    outcome = step("undo", "deploy/mine", "--to-revision", "7", "-n", shop.namespace, env=through(proxy))
    assert (outcome.code, proxy.writes) == (2, []), outcome.text
    assert "there is no revision 7 (there are 1 (shop/web:1), 2 (shop/web:2))" in outcome.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_a_moment_ago_is_what_is_left(kind: str, shop: Shop, step: Step) -> None:
    """The controller may not have recorded the last change yet, so that the newest revision is the one before it."""
    shop.create(kind, "mine", **none_or_few(kind))
    shop.release(kind, "mine", "shop/web:2")
    body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop/web:3"}]}}}}
    content_type = "application/strategic-merge-patch+json"
    shop.cluster.request("PATCH", shop.path(kind, "mine"), body, content_type=content_type)
    outcome = step("undo", f"{kind.lower()}/mine", "-n", shop.namespace, "--no-wait")
    assert outcome.code == 0, outcome.text
    assert shop.image(kind, "mine") == "shop/web:2", outcome.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_present_revision_is_said_to_be_so(kind: str, shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create(kind, "mine", **none_or_few(kind))
    poll(lambda: "shop/web:1" in shop.kept(kind, "mine"), "the first revision")
    shop.release(kind, "mine", "shop/web:2")
    undo = ("undo", f"{kind.lower()}/mine", "--to-revision", "2", "-n", shop.namespace, "--no-wait")
    outcome = step(*undo, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"{kind}/mine": "unchanged"}), outcome.text
    assert "it already is as in revision 2 (shop/web:2)" in outcome.stderr and proxy.writes == []


def test_a_paused_deployment_is_not_taken_back(shop: Shop, step: Step) -> None:
    shop.create("Deployment", "mine", replicas=0, paused=True)
    outcome = step("undo", "deploy/mine", "-n", shop.namespace)
    assert outcome.code == 2 and "it is paused" in outcome.stderr, outcome.text


def test_what_can_t_be_taken_back(step: Step, namespace: str, proxy: Proxy) -> None:
    outcome = step("undo", "replicaset/x", "-n", namespace, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    assert "a ReplicaSet can't be taken back" in outcome.stderr


def test_an_undo_whose_answer_was_lost_is_looked_for(shop: Shop, step: Step, proxy: Proxy) -> None:
    shop.create("Deployment", "mine", replicas=0)
    poll(lambda: "shop/web:1" in shop.kept("Deployment", "mine"), "the first revision")
    shop.release("Deployment", "mine", "shop/web:2")
    shop.settle("mine")
    proxy.rule(on("PATCH"), cut_after())
    outcome = step("undo", "deploy/mine", "-n", shop.namespace, "--no-wait", env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/mine": "configured"}), outcome.text
    assert len(proxy.writes) == 1 and shop.image("Deployment", "mine") == "shop/web:1"
