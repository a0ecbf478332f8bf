"""``apply --rollback-on-failure``: after the evidence, what this run changed goes back, only that, and truthfully."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.controlplane.plays import PREFIX
from tests.faults.proxy import Exchange, Proxy, cut_after, cut_before, forbid, on, stall, status
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
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.releases import HELD, Releases
from tests.integration.test_permissions import as_runner, printed, split

pytestmark = pytest.mark.usefixtures("played")

OPTION = "--rollback-on-failure"
PASSWORDS = ("correct-horse-1", "battery-staple-2")
_COUNTED = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")


class Shop:
    """A namespace that is released to again and again."""

    def __init__(self, step: Step, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self.step, self.namespace, self.folder = step, namespace, folder
        self._kubectl = kubectl

    def kubectl(self, *words: str, **more: Any) -> str:
        return self._kubectl("-n", self.namespace, *words, **more).stdout

    def start(
        self, *made: Object, options: tuple[str, ...] = (OPTION,), env: Any = None, own_clock: bool = False
    ) -> Running:
        for one in made:
            if one["kind"] not in ("Namespace", "ValidatingWebhookConfiguration", "CustomResourceDefinition"):
                one["metadata"].setdefault("namespace", self.namespace)
        path = write(self.folder / "release.yaml", *made)
        return self.step.start("apply", "-f", path, *options, env=env, report=True, own_clock=own_clock)

    def release(self, *made: Object, options: tuple[str, ...] = (OPTION,), env: Any = None) -> Outcome:
        return self.start(*made, options=options, env=env).wait(120)

    def good(self, *made: Object) -> None:
        outcome = self.release(*made)
        assert outcome.code == 0, outcome.text

    def hold(self, *made: Object, env: Any = None) -> Running:
        """A release that goes on until :meth:`fail`: one of its Deployments is never ready."""
        run = self.start(*made, deployment("held", "shop/never-ready:1"), env=env)
        run.wait_for("waiting for")
        return run

    def fail(self, run: Running) -> Outcome:
        self.kubectl("delete", "deployment/held")
        return run.wait(120)

    def state(self, words: str) -> list[Object]:
        """Objects with their field managers, without what the server and the controllers keep."""
        found = json.loads(self.kubectl("get", words, "-o", "json", "--show-managed-fields"))
        return [_kept(one) for one in (found["items"] if found["kind"] == "List" else [found])]

    def names(self, words: str) -> set[str]:
        return set(self.kubectl("get", words, "-o", "name").split())

    def claim(self, name: str) -> tuple[str, bool, list[str]]:
        """The uid of a claim, whether it is there to stay, and the objects that own it, by uid."""
        metadata = json.loads(self.kubectl("get", f"persistentvolumeclaim/{name}", "-o", "json"))["metadata"]
        owners = [owner["uid"] for owner in metadata.get("ownerReferences", ())]
        return metadata["uid"], "deletionTimestamp" not in metadata, owners

    def uid(self, words: str) -> str:
        return self.kubectl("get", words, "-o", "jsonpath={.metadata.uid}")

    def own(self, words: str, name: str) -> None:
        """Wait until the object owns the claim."""
        poll(lambda: self.claim(name)[2] == [self.uid(words)], f"{words} to own {name}")

    def pods(self) -> set[str]:
        """The pods that are there to stay, by uid."""
        listed = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return {one["metadata"]["uid"] for one in listed if "deletionTimestamp" not in one["metadata"]}


def _kept(found: Object) -> Object:
    metadata = found["metadata"]
    entries = [entry for entry in metadata.pop("managedFields", ()) if not entry.get("subresource")]
    sets = [{key: entry[key] for key in ("manager", "operation", "fieldsV1")} for entry in entries]
    for name in ("resourceVersion", "generation"):
        metadata.pop(name, None)
    for name in _COUNTED:
        metadata.get("annotations", {}).pop(name, None)
    found.pop("status", None)
    return {**found, "managedFields": sorted(sets, key=lambda one: (one["manager"], one["operation"]))}


@pytest.fixture
def shop(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, kubectl, namespace, tmp_path)


def backs(outcome: Outcome) -> dict[str, str]:
    """``{"Deployment/web": "restored"}``, of those that a rollback had to do with."""
    return {name: entry["rolled_back"] for name, entry in objects(outcome).items() if "rolled_back" in entry}


def went_back(outcome: Outcome, released: str = "failed") -> None:
    assert outcome.code == 6, outcome.text
    assert outcome.report is not None
    assert (outcome.report["result"], outcome.report["exit_code"]) == ("rolled_back", 6)
    assert outcome.report["rollback"] == {"released": released, "complete": True}


def did_not(outcome: Outcome, released: str = "failed") -> None:
    assert outcome.code == 1, outcome.text
    assert outcome.report is not None and outcome.report["result"] == "failed"
    assert outcome.report["rollback"] == {"released": released, "complete": False}
    assert "the rollback failed too" in outcome.stderr
    assert "the rollback is not complete: look after" in outcome.stderr


def env_of(made: Object, **values: str) -> Object:
    """The Deployment with these variables."""
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in values.items()]
    return made


def secret(password: str, **data: str) -> Object:
    return obj("v1", "Secret", "keys", stringData={"password": password, **data})


# -- what goes back, and how


def test_what_this_run_changed_and_only_that(
    shop: Shop, step: Step, proxy: Proxy, cluster: Cluster, tmp_path: Path
) -> None:
    old, new = PASSWORDS
    first = env_of(deployment(replicas=2), KEPT="1", DROPPED="1")
    same = config_map("same", a="b")
    shop.good(first, same, config_map(tone="low", pitch="high"), secret(old, gone="later"))
    shop.kubectl("label", "deployment/web", "team=night")
    shop.kubectl("patch", "configmap/settings", "--type=merge", "-p", '{"data": {"added-by": "night"}}')
    before, pods = shop.state("deployments,configmaps,secrets"), shop.pods()

    second = env_of(deployment(image="shop/crash:2", replicas=2), KEPT="2", ADDED="2")
    second["metadata"]["annotations"] = {"release": "2"}
    elsewhere = f"{shop.namespace}-new"
    cluster_wide = [obj("v1", "Namespace", elsewhere), config_map("inside", elsewhere, a="b")]
    created = [service("web"), claim("data", "nobody-provisions"), job("migrate", "shop/job-ok:1"), *cluster_wide]
    changed = [config_map(tone="loud", extra="x"), secret(new, more="x")]
    environment = through(proxy, K8S_JUNIT=str(tmp_path / "junit.xml"))
    try:
        outcome = shop.release(second, same, *changed, *created, env=environment)
        went_back(outcome)
        kept = json.loads(shop.kubectl("get", "namespace", elsewhere, "-o", "json"))
        assert kept["status"]["phase"] == "Active"
        assert shop.kubectl("get", "configmap", "inside", "-n", elsewhere, "--ignore-not-found") == ""
    finally:
        cluster.leave_namespace(elsewhere)

    assert shop.state("deployments,configmaps,secrets") == before
    assert shop.names("services,jobs") == set()
    assert shop.names("persistentvolumeclaims") == {"persistentvolumeclaim/data"}
    assert pods <= shop.pods(), "the old pods were never disturbed"
    assert backs(outcome) == {
        "Deployment/web": "restored",
        "ConfigMap/settings": "restored",
        "Secret/keys": "restored",
        "Service/web": "deleted",
        "Job/migrate": "deleted",
        "ConfigMap/inside": "deleted",
        "PersistentVolumeClaim/data": "kept",
        f"Namespace/{elsewhere}": "kept",
    }
    assert actions(outcome)["Deployment/web"] == "configured" and actions(outcome)["Service/web"] == "created"
    assert statuses(outcome)["Deployment/web"] == "failed"
    failure = the_failure(outcome)
    assert failure["reason"] == "CrashLoopBackOff" and failure["logs"] and failure["events"]
    _in_order(
        outcome.stderr,
        "failed: CrashLoopBackOff",
        "FATAL: password authentication failed",
        "rolling back what this run did to 8 objects",
        f"restored   {shop.namespace}/deployment.apps/web",
        "deployment.apps/web: current after",
        f"deleted    {shop.namespace}/job.batch/migrate",
        f"kept       namespace/{elsewhere}: it may hold what others made",
        "rolled back: deployment.apps/web (CrashLoopBackOff)",
    )
    assert outcome.stderr.count("FATAL: password authentication failed") == 1
    _evidence_came_first(proxy)
    junit = (tmp_path / "junit.xml").read_text()
    assert "rollback: restored" in junit and "rollback: kept: it may hold what others made" in junit
    assert not any(password in text for password in PASSWORDS for text in (outcome.text, str(outcome.report), junit))
    assert not any("/configmaps/same" in request.path for request in proxy.writes)


def _in_order(text: str, *words: str) -> None:
    at = -1
    for each in words:
        found = text.find(each, at + 1)
        assert found > at, f"{each!r} is not there, or too early:\n{text}"
        at = found


def _evidence_came_first(proxy: Proxy) -> None:
    lines = [request.line for request in proxy.requests]
    logs = max(index for index, line in enumerate(lines) if "/log?" in line)
    writes = [index for index, line in enumerate(lines) if line.startswith("PATCH") and "/deployments/web" in line]
    assert len(writes) >= 2 and writes[-1] > logs, lines


def test_a_first_release_is_deleted_again(shop: Shop) -> None:
    database = workload("StatefulSet", "db", "shop/db:1")
    outcome = shop.release(config_map(a="b"), service("web"), deployment(image="shop/pull-fail:1"), database)
    went_back(outcome)
    assert set(backs(outcome).values()) == {"deleted"}
    assert shop.names("deployments,statefulsets,services,replicasets,pods") == set()
    assert shop.names("configmaps") <= {"configmap/kube-root-ca.crt"}


def test_a_stateful_set_that_would_take_older_claims_along_is_kept(shop: Shop) -> None:
    shop.good(claim("data-db-0", "immediate"))
    before, *_ = shop.claim("data-db-0")
    run = shop.hold(claiming(workload("StatefulSet", "db", "shop/db:1"), "Delete"), config_map(a="b"))
    shop.own("statefulset/db", "data-db-0")
    outcome = shop.fail(run)
    assert backs(outcome) == {"StatefulSet/db": "kept", "ConfigMap/settings": "deleted", "Deployment/held": "deleted"}
    assert "its claims, and their data, would go with it" in outcome.stderr
    assert "the claims of its pods are kept" not in outcome.stderr
    went_back(outcome)
    assert shop.claim("data-db-0") == (before, True, [shop.uid("statefulset/db")])


def test_claims_that_a_stateful_set_leaves_behind_keep_nothing(shop: Shop) -> None:
    run = shop.hold(claiming(workload("StatefulSet", "db", "shop/db:1"), "Retain"))
    poll(lambda: shop.names("persistentvolumeclaims") != set(), "the claim of the pod")
    outcome = shop.fail(run)
    went_back(outcome)
    assert backs(outcome)["StatefulSet/db"] == "deleted" and "the claims of its pods are kept" in outcome.stderr
    assert shop.claim("data-db-0")[1:] == (True, [])


def _others(generation: str) -> list[Object]:
    """Kinds of every sort in two versions: one is added to a list of each sort, one taken away, one changed."""
    ports = {"1": [(80, "web"), (443, "tls")], "2": [(80, "http"), (9090, "metrics")]}[generation]
    web = service("web")
    web["spec"]["ports"] = [{"port": port, "name": name} for port, name in ports]
    schedule = {"1": "0 1 * * *", "2": "0 2 * * *"}[generation]
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": f"shop/job-ok:{generation}"}]}
    template = {"spec": {"template": {"spec": pod}}}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"][: int(generation)]}]
    return [
        web,
        obj("batch/v1", "CronJob", "nightly", spec={"schedule": schedule, "jobTemplate": template}),
        obj(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "scaled",
            spec={"scaleTargetRef": scaled, "minReplicas": int(generation), "maxReplicas": 5 + int(generation)},
        ),
        obj("policy/v1", "PodDisruptionBudget", "web", spec={"minAvailable": int(generation), "selector": {}}),
        obj("rbac.authorization.k8s.io/v1", "Role", "reader", rules=rules),
        obj("v1", "ServiceAccount", "runner"),
        obj("v1", "ResourceQuota", "limits", spec={"hard": {"pods": f"{generation}0"}}),
        workload("DaemonSet", "agent", f"shop/agent:{generation}"),
        custom(GROUP, "gear", spec={"teeth": int(generation), "list": [generation], "note" + generation: "x"}),
    ]


GROUP = "rollback.example.com"


def test_every_kind_goes_back(shop: Shop, cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(definition(GROUP)))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{GROUP}")
    first = shop.release(deployment(), *_others("1"), options=("--no-wait",))
    assert first.code == 0, first.text
    kinds = "services,cronjobs,horizontalpodautoscalers,poddisruptionbudgets,roles,resourcequotas,daemonsets"
    words = f"{kinds},widgets.{GROUP}"
    before = shop.state(words)
    outcome = shop.release(deployment(image="shop/pull-fail:2"), *_others("2"))
    went_back(outcome)
    assert shop.state(words) == before
    assert "ServiceAccount/runner" not in backs(outcome)


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_a_stateful_set_is_not_held_up_by_its_broken_pod(policy: str, shop: Shop) -> None:
    """Kubernetes leaves it to a person to delete that pod."""
    spec = {"podManagementPolicy": policy, "replicas": 2}
    shop.good(workload("StatefulSet", "db", "shop/db:1", spec=spec))
    before = shop.state("statefulsets")
    went_back(shop.release(workload("StatefulSet", "db", "shop/crash:2", spec=spec)))
    assert shop.state("statefulsets") == before
    images = shop.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert images.split() == ["shop/db:1", "shop/db:1"]


def test_what_was_taken_from_other_managers_is_handed_back(shop: Shop) -> None:
    """A Deployment made by kubectl create and then edited, of which this step forces fields and lists over."""
    made = env_of(deployment(replicas=1), THEIRS="1", OTHER="1")
    shop.kubectl("create", "-f", "-", input=json.dumps(made))
    shop.kubectl("set", "env", "deployment/web", "OTHER=2")
    shop.kubectl("apply", "--server-side", "--field-manager=tuner", "-f", "-", input=json.dumps(_tuned()))
    shop.kubectl("rollout", "status", "deployment/web")
    before = shop.state("deployments")
    ours = env_of(deployment(image="shop/crash:2", replicas=2), THEIRS="9", OURS="9")
    ours["spec"]["template"]["metadata"]["annotations"] = {"tuned": "no"}
    outcome = shop.release(ours, options=(OPTION, "--force-conflicts"))
    went_back(outcome)
    assert shop.state("deployments") == before


def _tuned() -> Object:
    spec = {"template": {"metadata": {"annotations": {"tuned": "yes"}}}}
    return obj("apps/v1", "Deployment", "web", spec=spec)


def test_what_this_manager_had_patched_goes_back(shop: Shop) -> None:
    """The image was set by ``k8s-step patch``, an update: the next apply takes it over without a word."""
    shop.good(deployment(image="shop/web:1"))
    patched = shop.step("patch", "deployment/web", "--image", "app=shop/web:1.1", "-n", shop.namespace)
    assert patched.code == 0, patched.text
    before = shop.state("deployments")
    went_back(shop.release(deployment(image="shop/crash:2")))
    assert shop.state("deployments") == before


def test_what_others_add_meanwhile_stays(shop: Shop) -> None:
    """Beside ours, in lists and maps that are ours too; here in the pods' template, which makes them a new revision."""
    shop.good(env_of(deployment(), OURS="1"))
    run = shop.hold(env_of(deployment(image="shop/web:2"), OURS="2", NEW="2"))
    shop.kubectl("set", "env", "deployment/web", "THEIRS=1")
    shop.kubectl("label", "deployment/web", "team=night")
    went_back(shop.fail(run))
    (web,) = shop.state("deployment/web")
    (container,) = web["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "shop/web:1" and web["metadata"]["labels"] == {"team": "night"}
    assert {one["name"]: one["value"] for one in container["env"]} == {"OURS": "1", "THEIRS": "1"}


def test_who_scales_meanwhile_keeps_the_replicas(shop: Shop) -> None:
    shop.good(deployment(replicas=1))
    run = shop.hold(deployment(image="shop/web:2", replicas=2))
    shop.kubectl("scale", "deployment/web", "--replicas=3")
    went_back(shop.fail(run))
    spec = json.loads(shop.kubectl("get", "deployment/web", "-o", "json"))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (3, "shop/web:1")


def test_what_would_keep_it_from_going_back_goes_first(shop: Shop, cluster: Cluster) -> None:
    """A webhook that nobody answers to would refuse the write, and a quota the pods: both came with the release."""
    recreate = {"strategy": {"type": "Recreate"}}
    shop.good(deployment(spec=recreate))
    service_of = {"name": "nobody", "namespace": shop.namespace, "path": "/"}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    webhook = {
        "name": "deny.example.com",
        "clientConfig": {"service": service_of},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    kind = "ValidatingWebhookConfiguration"
    hook = {**obj("admissionregistration.k8s.io/v1", kind, shop.namespace), "webhooks": [webhook]}
    quota = obj("v1", "ResourceQuota", "none", spec={"hard": {"pods": "0"}})
    options = (OPTION, "--no-preflight", "--fail-after", "FailedCreate=1s")
    try:
        outcome = shop.release(deployment(image="shop/web:2", spec=recreate), quota, hook, options=options)
    finally:
        cluster.request(
            "DELETE", f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{shop.namespace}"
        )
    went_back(outcome)
    assert the_failure(outcome)["reason"] == "FailedCreate"
    assert set(backs(outcome).values()) == {"deleted", "restored"}
    _in_order(outcome.stderr, "deleted    resourcequota/none", "restored   deployment.apps/web")


# -- what calls for it


def test_a_release_that_times_out(shop: Shop) -> None:
    shop.good(deployment())
    late = deployment(image="shop/never-ready:2")
    late["metadata"]["annotations"] = {"k8s-step/timeout": "5m"}
    run = shop.start(late, options=(OPTION, "--timeout", "90m"), own_clock=True)
    run.wait_for("1 running but not ready")
    run.time_passes(600)
    outcome = run.wait()
    went_back(outcome, "timed_out")
    assert "deployment.apps/web is not current" in outcome.stderr
    assert "rolling back what this run did to 1 object, 1h30m at the most" in outcome.stderr


def test_a_release_that_is_refused_halfway(shop: Shop) -> None:
    shop.good(config_map(tone="low"), deployment())
    before = shop.state("configmaps,deployments")
    bad = deployment(image="shop/web:2", spec={"selector": {"matchLabels": {"app": "other"}}})
    changes = (config_map(tone="loud"), config_map("more", a="b"), bad)
    outcome = shop.release(*changes, options=(OPTION, "--no-preflight"))
    went_back(outcome, "refused")
    assert outcome.report is not None and "selector" in outcome.report["message"]
    assert backs(outcome) == {"ConfigMap/settings": "restored", "ConfigMap/more": "deleted"}
    assert shop.state("configmaps,deployments") == before
    _in_order(outcome.stderr, "selector", "rolling back what this run did to 2 objects", "rolled back: ")


def test_a_write_whose_answer_was_lost_goes_back_too(shop: Shop, proxy: Proxy) -> None:
    """Of one phase, one object is refused; of two others it is not known: one was written, one was not."""
    shop.good(config_map(tone="low"), config_map("other", a="b"))
    before = shop.state("configmaps")
    for name, action in (("settings", cut_after()), ("other", cut_before())):
        path = f"/configmaps/{name}"
        proxy.rule(
            lambda request, path=path: on("PATCH", path)(request) and b"loud" in request.body, action, times=None
        )
    proxy.rule(on("PATCH", "/configmaps/more"), forbid(), times=None)
    made = [config_map(tone="loud"), config_map("other", a="loud"), config_map("more", a="b")]
    outcome = shop.release(*made, options=(OPTION, "--no-preflight", "--timeout", "6s"), env=through(proxy))
    assert outcome.code == 6 and "is forbidden: User cannot do this" in outcome.stderr, outcome.text
    assert backs(outcome) == {"ConfigMap/settings": "restored"}
    assert shop.state("configmaps") == before


def test_what_is_refused_before_the_first_write_needs_no_rollback(shop: Shop) -> None:
    bad = deployment(spec={"selector": {"matchLabels": {"app": "other"}}})
    outcome = shop.release(config_map(tone="loud"), bad)
    assert outcome.code == 4 and "nothing was changed" in outcome.stderr and "rolling back" not in outcome.text
    assert outcome.report is not None and "rollback" not in outcome.report


def test_a_broken_release_that_changed_nothing(shop: Shop) -> None:
    assert shop.release(deployment(image="shop/pull-fail:1"), options=()).code == 1
    outcome = shop.release(deployment(image="shop/pull-fail:1"))
    assert outcome.code == 1 and "nothing to roll back: this run changed nothing" in outcome.stderr


def test_without_following_there_is_nothing_to_see_failure_by(shop: Shop, proxy: Proxy) -> None:
    for options, named in (((OPTION, "--no-wait"), "--no-wait"), (("--no-wait",), "--no-wait"), ((), "K8S_WAIT")):
        more = {"K8S_ROLLBACK_ON_FAILURE": "true"} if OPTION not in options else {}
        more |= {"K8S_WAIT": "false"} if "--no-wait" not in options else {}
        outcome = shop.release(config_map(a="b"), options=options, env=through(proxy, **more))
        assert outcome.code == 2 and f"{named}: a release that is not followed" in outcome.stderr, outcome.text
    assert proxy.requests == []


# -- what is left alone


def test_what_somebody_else_has_changed_since_is_left_to_them(shop: Shop) -> None:
    shop.good(deployment(), deployment("api"), config_map(tone="low"))
    changes = [deployment("api", "shop/web:2"), config_map(tone="loud"), service("web"), service("api")]
    run = shop.start(deployment(image="shop/never-ready:2"), *changes)
    run.wait_for("waiting for")
    shop.kubectl("annotate", "service/api", "team=night")
    shop.kubectl("patch", "service/web", "-p", '{"spec": {"selector": {"app": "night"}}}')
    shop.kubectl("set", "image", "deployment/web", "app=shop/web:3")
    outcome = run.wait(120)
    did_not(outcome)
    assert the_failure(outcome)["reason"] == "Superseded"
    assert backs(outcome) == {
        "Deployment/web": "skipped",
        "Deployment/api": "restored",
        "ConfigMap/settings": "restored",
        "Service/web": "skipped",
        "Service/api": "deleted",
    }
    assert "not rolled back: somebody else has changed it since: " in outcome.stderr
    assert '.spec.template.spec.containers[name="app"].image by kubectl-set' in outcome.stderr
    images = shop.kubectl("get", "deployments", "-o", "jsonpath={.items[*].spec.template.spec.containers[0].image}")
    assert images.split() == ["shop/web:1", "shop/web:3"]


def test_another_run_of_this_step_is_newer(shop: Shop, tmp_path: Path) -> None:
    """It adds to what this run wrote, and changes none of that."""
    shop.good(deployment(), config_map(tone="low"))
    run = shop.hold(deployment(image="shop/web:2"), config_map(tone="loud"))
    path = write(tmp_path / "newer.yaml", config_map(tone="loud", more="x"))
    assert shop.step("apply", "-f", path, "-n", shop.namespace).code == 0
    outcome = shop.fail(run)
    did_not(outcome)
    assert backs(outcome)["ConfigMap/settings"] == "skipped" and backs(outcome)["Deployment/web"] == "restored"
    assert "k8s-step has applied it once more since" in outcome.stderr
    assert shop.kubectl("get", "configmap/settings", "-o", "jsonpath={.data.more}") == "x"


def test_what_somebody_else_has_deleted_or_made_anew_is_left_to_them(shop: Shop) -> None:
    shop.good(config_map(tone="low"))
    run = shop.hold(config_map(tone="loud"), config_map("new", a="b"), config_map("newer", a="b"))
    shop.kubectl("delete", "configmap", "settings", "new", "newer")
    shop.kubectl("create", "configmap", "newer", "--from-literal=a=b")
    outcome = shop.fail(run)
    did_not(outcome)
    expected = {"settings": "skipped", "new": "deleted", "newer": "deleted"}
    assert {name: backs(outcome)[f"ConfigMap/{name}"] for name in expected} == expected
    assert "configmap/newer" in shop.names("configmaps")
    assert "configmap/settings" not in shop.names("configmaps")


def before_it(proxy: Proxy, path: str, work: Callable[[], Any]) -> None:
    """Somebody else does this between the step's look at an object and its write."""

    def action(exchange: Exchange) -> None:
        work()
        exchange.forward()

    proxy.rule(on("PATCH", path), action)


def test_what_others_write_between_a_look_and_a_write_is_theirs(shop: Shop, proxy: Proxy) -> None:
    shop.good(config_map(tone="low"))
    label = ("label", "configmap/settings", "team=night")
    before_it(proxy, "/configmaps/settings", lambda: shop.kubectl(*label))
    new = ("create", "configmap", "new", "--from-literal=mine=1")
    before_it(proxy, "/configmaps/new", lambda: shop.kubectl(*new))
    made = [config_map(tone="loud"), config_map("new", a="b"), deployment(image="shop/pull-fail:1")]
    outcome = shop.release(*made, options=(OPTION, "--no-preflight"), env=through(proxy))
    did_not(outcome)
    expected = {"ConfigMap/settings": "restored", "ConfigMap/new": "skipped", "Deployment/web": "deleted"}
    assert backs(outcome) == expected
    assert "not rolled back: kubectl-create made it at the same time" in outcome.stderr
    (settings,) = shop.state("configmap/settings")
    assert (settings["data"], settings["metadata"]["labels"]) == ({"tone": "low"}, {"team": "night"})


# -- where it fails


def test_a_token_that_may_not_delete(shop: Shop, cluster: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "all.yaml", deployment(), service("web"))
    rules, _ = split(printed(shop.step("permissions", "-f", path, "-n", shop.namespace)), shop.namespace)
    environment = as_runner(cluster, cluster.token(shop.namespace, rules=rules))
    shop.good(deployment())
    outcome = shop.release(deployment(image="shop/pull-fail:2"), service("web"), env=environment)
    did_not(outcome)
    assert backs(outcome) == {"Deployment/web": "restored", "Service/web": "failed"}
    assert re.search(rf"release.yaml:\d+: service/{shop.namespace}/web: rollback failed: ", outcome.stderr)
    assert 'cannot delete resource "services"' in outcome.stderr
    assert outcome.report is not None and "rollback failed" in outcome.report["message"]
    assert "cannot delete" in objects(outcome)["Service/web"]["rollback_message"]


def test_the_printed_role_is_enough(shop: Shop, cluster: Cluster, proxy: Proxy, tmp_path: Path) -> None:
    stateful = [workload("StatefulSet", "db", f"shop/{word}:1") for word in ("db", "crash")]
    made = [config_map(tone="loud"), secret("correct-horse"), service("web"), claim("data", "")]
    path = write(tmp_path / "all.yaml", stateful[0], *made)
    rules, _ = split(printed(shop.step("permissions", OPTION, "-f", path, "-n", shop.namespace)), shop.namespace)
    environment = as_runner(cluster, cluster.token(shop.namespace, rules=rules), proxy.url)
    shop.good(stateful[0], config_map(tone="low"))
    went_back(shop.release(stateful[1], *made, env=environment))
    assert [one.line for one in proxy.requests if one.code == 403] == []


def test_what_was_broken_before_is_broken_again(shop: Shop) -> None:
    assert shop.release(deployment(image="shop/pull-fail:1"), options=()).code == 1
    outcome = shop.release(deployment(image="shop/pull-fail:2"), deployment("api", "shop/web:1"), service("web"))
    did_not(outcome)
    assert backs(outcome) == {"Deployment/web": "failed", "Deployment/api": "deleted", "Service/web": "deleted"}
    message = objects(outcome)["Deployment/web"]["rollback_message"]
    assert "it is as it was before this run, but not current: " in message and "shop/pull-fail:1" in message
    image = shop.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    assert image == "shop/pull-fail:1"


# -- by the terms of the release


def test_as_many_pods_are_enough_as_for_the_release(shop: Shop) -> None:
    release = Releases(shop.step, shop._kubectl, shop.namespace, shop.folder)
    options = (OPTION, "--required", "75%", "--timeout", "60s")
    run = shop.start(deployment(replicas=4, create_delay=HELD), options=options)
    shop.kubectl("annotate", "pods", *release.living(4)[:3], f"{PREFIX}/create-delay-")
    assert run.wait().code == 0, run.text
    went_back(shop.release(deployment(image="shop/pull-fail:2", replicas=4), options=options))


@pytest.mark.parametrize("option", ["--fail-on", "--health"])
def test_what_the_release_would_fail_on_fails_the_rollback(option: str, shop: Shop, cluster: Cluster) -> None:
    """The operator can't go back."""
    group = f"{shop.namespace[:30].strip('-')}.example.com"
    widget, rule = f"widgets.{group}/one", f"widgets.{group} jsonpath={{.status.phase}}=Shut"
    if option == "--health":
        pytest.importorskip("celpy", reason="the extra cel is not installed")
        check = {"apiVersion": f"{group}/v1", "current": "status.phase == 'Open'", "failed": "status.phase == 'Shut'"}
        rule = write(shop.folder / "health.yaml", {"spec": {"healthCheckExprs": [check]}})

    def say(phase: str, generation: int) -> None:
        path = "jsonpath={.metadata.generation}"
        poll(lambda: shop.kubectl("get", widget, "-o", path) == str(generation), f"generation {generation}")
        patch = json.dumps({"status": {"phase": phase, "observedGeneration": generation}})
        shop.kubectl("patch", widget, "--subresource=status", "--type=merge", "-p", patch)

    try:
        shop.good(definition(group))
        shop.good(custom(group, "one", spec={"size": 1}))
        say("Open", 1)
        run = shop.start(custom(group, "one", spec={"size": 2}), options=(OPTION, option, rule))
        say("Shut", 2)
        say("Shut", 3)
        outcome = run.wait()
    finally:
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    did_not(outcome)
    assert backs(outcome) == {"Widget/one": "failed"}
    assert "it is as it was before this run, but not current: " in objects(outcome)["Widget/one"]["rollback_message"]


def test_the_port_that_the_server_chose_comes_back(shop: Shop) -> None:
    shop.good(service("web", "NodePort"))
    before = shop.state("services")
    went_back(shop.release(service("web"), deployment(image="shop/pull-fail:1")))
    assert shop.state("services") == before


def test_what_cannot_be_put_back_is_named(shop: Shop) -> None:
    """A node port is free once the Service has given it up, and another may take it."""
    shop.good(service("web", "NodePort"))
    port = shop.kubectl("get", "service/web", "-o", "jsonpath={.spec.ports[0].nodePort}")
    run = shop.hold(service("web"))
    thief = service("thief", "NodePort")
    thief["spec"]["ports"] = [{"port": 80, "nodePort": int(port)}]
    shop.kubectl("create", "-f", "-", input=json.dumps(thief))
    outcome = shop.fail(run)
    did_not(outcome)
    assert backs(outcome) == {"Deployment/held": "deleted", "Service/web": "failed"}
    assert "port is already allocated" in outcome.stderr


def test_what_this_token_may_not_read_is_not_known(shop: Shop, proxy: Proxy) -> None:
    shop.good(config_map(tone="low"))
    proxy.rule(on("GET", "/configmaps/"), forbid(), times=None)
    made = [config_map(tone="loud"), config_map("more", a="b"), deployment(image="shop/pull-fail:1")]
    outcome = shop.release(*made, env=through(proxy))
    did_not(outcome)
    expected = {"ConfigMap/settings": "failed", "ConfigMap/more": "deleted", "Deployment/web": "deleted"}
    assert backs(outcome) == expected
    assert "this token may not read it, so it is not known what it was" in outcome.stderr


# -- cancelled, cut off


def test_cancelled_releases_are_not_rolled_back(shop: Shop) -> None:
    shop.good(deployment())
    run = shop.start(deployment(image="shop/never-ready:2"), config_map(a="b"))
    run.wait_for("waiting for")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143 and backs(outcome) == {}
    left = f"configmap/{shop.namespace}/settings (created), deployment/{shop.namespace}/web (configured)"
    assert f"not rolled back; what this run changed stays: {left}" in outcome.stderr


def test_cancelled_in_the_middle_of_it(shop: Shop, proxy: Proxy) -> None:
    shop.good(deployment(), config_map(tone="low"))
    run = shop.hold(deployment(image="shop/web:2"), config_map(tone="loud"), env=through(proxy))
    stalled = proxy.rule(on("PATCH", "/deployments/web"), stall())
    shop.kubectl("delete", "deployment/held")
    poll(lambda: stalled.used, "the restoring write", 60)
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    assert backs(outcome) == {
        "ConfigMap/settings": "restored",
        "Deployment/web": "failed",
        "Deployment/held": "failed",
    }
    assert outcome.stderr.count("rollback failed: cancelled before it was known to be done") == 2
    assert outcome.report is not None and outcome.report["rollback"]["complete"] is False


def test_lost_answers_to_its_writes(shop: Shop, proxy: Proxy) -> None:
    shop.good(deployment(), config_map(tone="low"))
    before = shop.state("deployments,configmaps")
    run = shop.hold(deployment(image="shop/web:2"), config_map(tone="loud"), service("web"), env=through(proxy))
    rules = [proxy.rule(on("PATCH", path), cut_after()) for path in ("/deployments/web", "/configmaps/settings")]
    rules.append(proxy.rule(on("DELETE", "/services/web"), cut_after()))
    rules.append(proxy.rule(on("PATCH", "/deployments/web"), status(409, "Conflict", "the object has been modified")))
    went_back(shop.fail(run))
    assert [rule.used for rule in rules] == [1, 1, 1, 1]
    assert shop.state("deployments,configmaps") == before and shop.names("services") == set()


# -- in the words of each system


def test_in_github(shop: Shop, tmp_path: Path) -> None:
    shop.good(deployment())
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {name: str(path) for name, path in files.items()}
    for path in files.values():
        path.touch()
    outcome = shop.release(
        deployment(image="shop/pull-fail:2"), service("web"), env={"GITHUB_ACTIONS": "true", **environment}
    )
    went_back(outcome)
    groups = ("::group::Evidence", "::endgroup::", "::group::Rolling back", "restored", "deleted", "::endgroup::")
    _in_order(outcome.text, "::error file=", *groups)
    summary = files["GITHUB_STEP_SUMMARY"].read_text()
    assert "k8s-step apply: rolled back" in summary and "| restored |" in summary and "| deleted |" in summary
    output = files["GITHUB_OUTPUT"].read_text()
    assert "rolled_back" in output and f"service/{shop.namespace}/web" not in output


def test_as_json_lines(shop: Shop) -> None:
    shop.good(deployment())
    outcome = shop.release(deployment(image="shop/pull-fail:2"), options=(OPTION, "--log-format", "json"))
    went_back(outcome)
    lines = [json.loads(line) for line in outcome.stderr.splitlines()]
    events = [line["event"] for line in lines]
    assert events.index("rolling_back") < events.index("rolled_back") < events.index("finished")
    rolling, rolled = (lines[events.index(name)] for name in ("rolling_back", "rolled_back"))
    assert rolling["released"] == "failed" and rolling["failures"][0]["image"] == "shop/pull-fail:2"
    assert (rolled["object"], rolled["outcome"]) == (f"apps/v1/Deployment/{shop.namespace}/web", "restored")
