"""``delete`` against the real control plane: what is chosen goes, nothing else does, and gone means gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Exchange, Proxy, on
from tests.integration.objects import config_map, custom, definition, deployment, obj, pod, through, write
from tests.integration.outcomes import actions, statuses, the_failure

GUARD = "example.com/guard"


def names(kubectl: Kubectl, namespace: str, kinds: str = "configmaps") -> set[str]:
    """What is there, but for what every namespace has."""
    listed = json.loads(kubectl("-n", namespace, "get", kinds, "-o", "json").stdout)["items"]
    return {one["metadata"]["name"] for one in listed} - {"kube-root-ca.crt"}


def guarded(kubectl: Kubectl, namespace: str, *finalizers: str) -> None:
    """A ConfigMap that finalizers hold."""
    made = config_map()
    made["metadata"]["finalizers"] = list(finalizers) or [GUARD]
    kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(made))


def release(kubectl: Kubectl, namespace: str, word: str = "configmap/settings") -> None:
    """Take the finalizers away."""
    body = json.dumps({"metadata": {"finalizers": None}})
    kubectl("-n", namespace, "patch", word, "--type", "merge", "-p", body, check=False)


def is_terminating(kubectl: Kubectl, namespace: str, word: str = "configmap/settings") -> bool:
    shown = kubectl("-n", namespace, "get", word, "-o", "jsonpath={.metadata.deletionTimestamp}", check=False)
    return bool(shown.stdout)


# -- one by one


@pytest.mark.parametrize(
    "words",
    [("configmap/one", "cm/two"), ("cm", "one", "two"), ("v1/configmaps", "one", "two"), ("ConfigMap/one", "cm/two")],
)
def test_by_name(words: tuple[str, ...], step: Step, kubectl: Kubectl, namespace: str) -> None:
    for name in ("one", "two", "three"):
        kubectl("-n", namespace, "create", "configmap", name)
    outcome = step("delete", *words, "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/one": "deleted", "ConfigMap/two": "deleted"}
    assert set(statuses(outcome).values()) == {"not found"}
    assert names(kubectl, namespace) == {"three"}


def test_by_a_variable(step: Step, kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "create", "configmap", "one")
    env = {"INPUT_COMMAND": "delete", "INPUT_OBJECT": "cm/one", "K8S_NAMESPACE": namespace}
    assert step(env=env).code == 0
    assert names(kubectl, namespace) == set()


def test_what_is_not_there_is_told_and_keeps_nothing_from_being_deleted(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("-n", namespace, "create", "configmap", "two")
    path = write(tmp_path / "release.yaml", config_map("one"), config_map("two"))
    outcome = step("delete", "-f", path, "-n", namespace, report=True)
    assert (outcome.code, actions(outcome)) == (4, {"ConfigMap/one": "none", "ConfigMap/two": "deleted"})
    assert f"release.yaml:1: configmap/{namespace}/one: it is not there" in outcome.stderr
    assert "--ignore-not-found" in outcome.stderr

    again = step("delete", "-f", path, "-n", namespace, "--ignore-not-found", report=True)
    assert (again.code, set(actions(again).values())) == (0, {"none"}), again.text


def test_dry_run_changes_nothing(step: Step, kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "create", "configmap", "one")
    for options in (("cm/one",), ("cm", "--all")):
        outcome = step("delete", *options, "-n", namespace, "--dry-run", report=True)
        assert (outcome.code, actions(outcome)["ConfigMap/one"]) == (0, "deleted"), outcome.text
    assert names(kubectl, namespace) == {"one"}


def test_another_object_of_the_name_is_left_alone(step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    kubectl("-n", namespace, "create", "configmap", "one", "--from-literal=made=first")

    def made_anew(exchange: Exchange) -> None:
        kubectl("-n", namespace, "delete", "configmap", "one")
        kubectl("-n", namespace, "create", "configmap", "one", "--from-literal=made=anew")
        exchange.forward()

    proxy.rule(on("DELETE"), made_anew)
    outcome = step("delete", "cm/one", "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"ConfigMap/one": "not found"}), outcome.text
    shown = kubectl("-n", namespace, "get", "cm", "one", "-o", "jsonpath={.data.made}").stdout
    assert shown == "anew"


# -- by file


def test_a_release_goes_in_the_reverse_order(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    own = f"{namespace[:40]}-own"
    made = [obj("v1", "Namespace", own), config_map("settings", own), deployment("web", namespace=own)]
    path = write(tmp_path / "release.yaml", *made)
    assert step("create", "-f", path).code == 0
    outcome = step("delete", "-f", path, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"deleted"}
    kinds = [request.path.split("/")[-2] for request in proxy.writes]
    assert kinds == ["deployments", "configmaps", "namespaces"]
    assert kubectl("get", "namespace", own, check=False).returncode == 1


def test_custom_resources_are_gone_before_their_definition_goes(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    group = f"{re.sub('[^a-z]', '', namespace)[:20]}.example.com"
    widget = custom(group, "one")
    widget["metadata"]["finalizers"] = [GUARD]
    path = write(tmp_path / "release.yaml", definition(group), widget)
    assert step("apply", "-f", path, "-n", namespace).code == 0
    held = step.timed_out("delete", "-f", path, "-n", namespace, after=f"held by finalizer {GUARD}", report=True)
    assert held.code == 3, held.text
    assert set(actions(held).values()) == {"deleted", "none"}, "its definition is still there"
    release(kubectl, namespace, f"widgets.{group}/one")
    done = step("delete", "-f", path, "-n", namespace, "--ignore-not-found", report=True)
    assert done.code == 0, done.text
    assert actions(done)[f"CustomResourceDefinition/widgets.{group}"] == "deleted"


# -- by selector


LABELS = {
    "plain": {},
    "web": {"app": "web", "tier": "front"},
    "api": {"app": "api", "tier": "back"},
    "cache": {"app": "cache", "tier": "back", "old": ""},
}
SELECTORS = [
    "app",
    "!app",
    "app=web",
    "app==web",
    "app!=web",
    "app in (web,api)",
    "app notin (web, api)",
    "tier=back,app!=api",
    "app,!old",
    "app in (web, cache), tier=back",
    "old=",
    "app=nobody",
]


def labelled_maps(kubectl: Kubectl, namespace: str) -> None:
    made = [{**config_map(name), "metadata": {"name": name, "labels": labels}} for name, labels in LABELS.items()]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    kubectl("create", "-n", namespace, "-f", "-", input=listed)


@pytest.mark.parametrize("selector", SELECTORS)
def test_selectors_choose_what_kubectl_chooses(
    selector: str, step: Step, kubectl: Kubectl, namespace: str, twin: str, proxy: Proxy
) -> None:
    for where in (namespace, twin):
        labelled_maps(kubectl, where)
    before = names(kubectl, namespace)
    outcome = step("delete", "cm", "-l", selector, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    kubectl("-n", twin, "delete", "configmaps", "-l", selector)
    assert names(kubectl, namespace) == names(kubectl, twin)
    gone = {name.removeprefix("ConfigMap/") for name in actions(outcome)} - {"kube-root-ca.crt"}
    assert gone == before - names(kubectl, namespace)
    assert len(proxy.writes) == (1 if actions(outcome) else 0), "a collection is deleted in one request"
    if selector == "app=nobody":
        assert "nothing to delete: no configmaps in" in outcome.stderr


def test_several_kinds_and_all_of_them(step: Step, kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "create", "configmap", "one")
    kubectl("-n", namespace, "create", "secret", "generic", "two")
    kubectl("-n", namespace, "create", "serviceaccount", "three")
    outcome = step("delete", "secrets,cm", "--all", "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert {"ConfigMap/one", "Secret/two"} <= set(actions(outcome))
    assert names(kubectl, namespace) | names(kubectl, namespace, "secrets") == set()
    assert "three" in names(kubectl, namespace, "serviceaccounts")


def test_field_selectors(step: Step, kubectl: Kubectl, namespace: str) -> None:
    for name, image in (("good", "x/web"), ("bad", "x/job-fail")):
        kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(pod(name, image, "Never")))
    kubectl("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Failed", "pod/bad", "--timeout=20s")
    outcome = step("delete", "pods", "--field-selector", "status.phase=Failed", "-n", namespace, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Pod/bad": "deleted"}), outcome.text
    assert names(kubectl, namespace, "pods") == {"good"}

    refused = step("delete", "pods", "--field-selector", "spec.colour=red", "-n", namespace)
    assert refused.code == 4
    assert "field label not supported: spec.colour" in refused.stderr and "Traceback" not in refused.text


@pytest.mark.parametrize("why", ["405", "403"])
def test_one_by_one_where_a_collection_cannot_be_deleted(
    why: str, step: Step, cluster: Cluster, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    labelled_maps(kubectl, namespace)
    env = through(proxy)
    if why == "405":
        refusal = faults.status(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )
        proxy.rule(on("DELETE", "configmaps$"), refusal, times=None)
    else:
        verbs = ["get", "list", "watch", "delete"]
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]
        env["K8S_TOKEN"] = cluster.token(namespace, rules=rules)
    outcome = step("delete", "cm", "-l", "tier", "-n", namespace, env=env, report=True)
    assert outcome.code == 0, outcome.text
    assert len(actions(outcome)) == 3
    assert "deleting one by one" in outcome.stderr
    assert names(kubectl, namespace) == {"plain"}


def more_than_a_page(step: Step, namespace: str) -> None:
    items = [{**config_map(f"m{n}"), "metadata": {"name": f"m{n}", "labels": {"many": "1"}}} for n in range(520)]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    made = step("create", "-f", "-", "-n", namespace, input=listed)
    assert made.code == 0, made.text[-500:]


def test_more_than_a_page(step: Step, kubectl: Kubectl, namespace: str) -> None:
    more_than_a_page(step, namespace)
    outcome = step("delete", "cm", "-l", "many", "-n", namespace, report=True)
    assert (outcome.code, len(actions(outcome))) == (0, 520), outcome.text[-500:]
    assert names(kubectl, namespace) == set()


def forgotten(owned: Cluster, namespace: str) -> faults.Action:
    """The page is asked for once the server has forgotten the version that the list is of."""

    def action(exchange: Exchange) -> None:
        owned.create(f"/api/v1/namespaces/{namespace}/configmaps", config_map("since"))
        owned.compact()
        asked = exchange.record
        poll(lambda: owned.request("GET", asked.path, **asked.query).code == 410, "the server to forget")
        exchange.forward()

    return action


@pytest.mark.parametrize("verb", ["status", "delete"])
def test_a_list_that_the_server_forgets(
    verb: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, owned: Cluster
) -> None:
    """The list of ``status -l`` and ``delete -l``: each object once."""
    more_than_a_page(step, namespace)
    proxy.rule(lambda request: "continue" in request.query, forgotten(owned, namespace), 1)
    outcome = step(verb, "cm", "-l", "many", "-n", namespace, env=through(proxy), report=True)
    asked = [(one.code, "continue" in one.query) for one in proxy.requests if one.query.get("limit") == "500"]
    assert asked[:3] == [(200, False), (410, True), (200, True)]
    assert "the rest is read as it is now" in outcome.stderr
    assert (outcome.code, len(statuses(outcome))) == (0, 520), outcome.text[-500:]
    assert len(names(kubectl, namespace) - {"since"}) == (520 if verb == "status" else 0)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_list_that_grows_too_old(goes_on: bool, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    """Whether the server offers the rest as it is now, or the list starts over."""
    more_than_a_page(step, namespace)
    for verb in ("status", "delete"):
        begun = len(proxy.requests)
        proxy.rule(lambda request: "continue" in request.query, faults.expired(goes_on=goes_on), 1)
        outcome = step(verb, "cm", "-l", "many", "-n", namespace, env=through(proxy), report=True)
        assert (outcome.code, len(statuses(outcome))) == (0, 520), outcome.text[-500:]
        asked = [one for one in proxy.requests[begun:] if one.query.get("limit") == "500"]
        assert [(one.code, "continue" in one.query) for one in asked][:3] == [(200, False), (410, True), (200, goes_on)]
    assert names(kubectl, namespace) == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what is to be deleted?"),
        (("pods",), "this names a kind and no object"),
        (("pods", "-l", " "), "this names a kind and no object"),
        (("pods/web", "-l", "app=web"), "an object is named and a selector given as well"),
        (("pods", "web", "-l", "app=web"), "the server serves no kind 'web'"),
        (("-l", "app=web"), "chooses among a kind, and none was named"),
        (("pods", "--all", "-l", "app=web"), "contradict each other"),
        (("pods", "-l", "app~web"), "--selector: 'app~web' is no label's key"),
        (("pods", "-l", "app in (web"), "--selector: 'app in (web' is no label's key"),
        (("pods", "--field-selector", "status.phase"), "--field-selector: 'status.phase' is no field selector"),
        (("-f", "x.yaml", "-l", "app=web"), "not among manifests"),
        (("pods/web", "--cascade", "sometimes"), "is none of background, foreground, orphan"),
        (("pods/web", "--grace-period", "-1"), "not a whole number"),
    ],
)
def test_what_is_left_open_is_refused(words: tuple[str, ...], said: str, step: Step, proxy: Proxy) -> None:
    outcome = step("delete", *words, env=through(proxy))
    assert outcome.code == 2, outcome.text
    assert said in outcome.stderr
    assert proxy.writes == []


# -- until gone


def test_a_finalizer_that_holds_it_is_named_when_time_is_up(step: Step, kubectl: Kubectl, namespace: str) -> None:
    guarded(kubectl, namespace, GUARD, "example.com/other")
    outcome = step.timed_out("delete", "cm/settings", "-n", namespace, after="held by finalizer", report=True)
    assert (outcome.code, statuses(outcome)) == (3, {"ConfigMap/settings": "terminating"})
    failure = the_failure(outcome)
    assert failure["message"] == f"held by finalizer {GUARD}, finalizer example.com/other"
    assert GUARD in outcome.stderr and "controller" in failure["advice"]
    release(kubectl, namespace)


def test_no_wait(step: Step, kubectl: Kubectl, namespace: str) -> None:
    guarded(kubectl, namespace)
    outcome = step("delete", "cm/settings", "-n", namespace, "--no-wait", report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"ConfigMap/settings": "terminating"}), outcome.text
    release(kubectl, namespace)


@pytest.mark.parametrize("way", [("cm/settings",), ("cm", "--field-selector", "metadata.name=settings")])
def test_it_waits_until_it_is_gone(way: tuple[str, ...], step: Step, kubectl: Kubectl, namespace: str) -> None:
    guarded(kubectl, namespace)
    running = step.start("delete", *way, "-n", namespace, report=True)
    running.wait_for(f"held by finalizer {GUARD}")
    release(kubectl, namespace)
    outcome = running.wait()
    assert (outcome.code, statuses(outcome)) == (0, {"ConfigMap/settings": "not found"}), outcome.text
    assert "configmap/settings: gone after" in outcome.stderr


def test_a_successor_of_the_same_name_counts_as_gone(step: Step, kubectl: Kubectl, namespace: str) -> None:
    guarded(kubectl, namespace)
    running = step.start("delete", "cm/settings", "-n", namespace, report=True)
    running.wait_for("held by finalizer")
    release(kubectl, namespace)
    kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=made=anew")
    outcome = running.wait()
    assert (outcome.code, statuses(outcome)) == (0, {"ConfigMap/settings": "not found"}), outcome.text
    assert names(kubectl, namespace) == {"settings"}


def test_the_wait_outlives_a_cut(step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    guarded(kubectl, namespace)
    proxy.rule(on("GET", watch=True), faults.cut_watch(), times=2)
    running = step.start("delete", "cm/settings", "-n", namespace, env=through(proxy), report=True)
    poll(lambda: len(proxy.matching(on("GET", watch=True))) >= 3, "the watch to be resumed")
    release(kubectl, namespace)
    assert running.wait().code == 0


def test_a_token_that_may_not_look_has_the_servers_word(
    step: Step, cluster: Cluster, kubectl: Kubectl, namespace: str
) -> None:
    guarded(kubectl, namespace)
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["delete"]}])
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    outcome = step("delete", "cm/settings", "-n", namespace, env=env, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "deleted"}), outcome.text
    assert "not waiting for configmaps" in outcome.stderr
    assert is_terminating(kubectl, namespace)
    release(kubectl, namespace)

    refused = step("delete", "secret/x", "-n", namespace, env=env)
    assert refused.code == 4 and "cannot delete" in refused.stderr


def test_pods_are_given_their_grace(step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(pod("one", "x/web")))
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    options = ("-n", namespace, "--grace-period", "7")
    outcome = step("delete", "pod/one", *options, env=through(proxy), report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Pod/one": "not found"}), outcome.text
    (request,) = proxy.writes
    assert request.json["gracePeriodSeconds"] == 7


# -- what it owns


def owned(kubectl: Kubectl, namespace: str) -> set[str]:
    return names(kubectl, namespace, "replicasets") | names(kubectl, namespace, "pods")


def a_deployment(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment(replicas=2))
    assert step("create", "-f", path, "-n", namespace).code == 0


def test_foreground_leaves_nothing_when_it_is_done(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    a_deployment(step, namespace, tmp_path)
    outcome = step("delete", "deploy/web", "-n", namespace, "--cascade", "foreground", report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "not found"}), outcome.text
    assert owned(kubectl, namespace) == set()


def test_orphan_keeps_what_it_owns(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    a_deployment(step, namespace, tmp_path)
    before = owned(kubectl, namespace)
    outcome = step("delete", "deploy/web", "-n", namespace, "--cascade", "orphan", report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "not found"}), outcome.text
    assert owned(kubectl, namespace) == before
    listed = json.loads(kubectl("-n", namespace, "get", "replicasets", "-o", "json").stdout)["items"]
    assert all("ownerReferences" not in one["metadata"] for one in listed)


def test_background_is_the_default_and_what_it_owns_follows(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    a_deployment(step, namespace, tmp_path)
    outcome = step("delete", "deploy/web", "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    (request,) = proxy.writes
    assert request.json["propagationPolicy"] == "Background"
    poll(lambda: not owned(kubectl, namespace), "ReplicaSet and pods to follow")


def test_cancelled_while_it_waits(step: Step, kubectl: Kubectl, namespace: str) -> None:
    guarded(kubectl, namespace)
    running = step.start("delete", "cm/settings", "-n", namespace, report=True)
    running.wait_for("held by finalizer")
    running.signal(15)
    outcome = running.wait(60)
    assert (outcome.code, statuses(outcome)) == (143, {"ConfigMap/settings": "terminating"}), outcome.text
    release(kubectl, namespace)
