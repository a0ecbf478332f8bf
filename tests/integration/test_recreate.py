"""``k8s-step/on-immutable: recreate``: what can't change is deleted and created anew, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Exchange, Proxy, on
from tests.integration.objects import (
    Object,
    claim,
    claiming,
    config_map,
    deployment,
    job,
    obj,
    service,
    through,
    workload,
    write,
)
from tests.integration.outcomes import actions, objects, statuses
from tests.integration.test_permissions import as_runner, printed, split
from tests.integration.test_rollback import Shop, backs, did_not, went_back

pytestmark = pytest.mark.usefixtures("played")

NOTE = "k8s-step/on-immutable"


def free(made: Object, **spec: Any) -> Object:
    """The object with the annotation, and other values in its spec."""
    made = json.loads(json.dumps(made))
    made["metadata"].setdefault("annotations", {})[NOTE] = "recreate"
    made["spec"] = {**made.get("spec", {}), **spec}
    return made


def selecting(made: Object, app: str) -> Object:
    """The workload, with another label that it selects."""
    made["spec"]["selector"]["matchLabels"]["app"] = app
    made["spec"]["template"]["metadata"]["labels"]["app"] = app
    return made


def database(**more: Any) -> Object:
    return free(workload("StatefulSet", "db", "shop/db:1", spec={"replicas": 2, **more}))


@pytest.fixture
def shop(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, kubectl, namespace, tmp_path)


def test_a_job_of_another_template_is_run_anew(shop: Shop) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")), config_map(a="1"))
    before = shop.uid("job/migrate")
    outcome = shop.release(free(job("migrate", "shop/job-ok:2")), config_map(a="1"), options=())
    assert outcome.code == 0, outcome.text
    assert (actions(outcome)["Job/migrate"], statuses(outcome)["Job/migrate"]) == ("replaced", "current")
    assert shop.uid("job/migrate") != before
    assert "job.batch/migrate is deleted and created anew, as spec.template can't be changed in place" in outcome.stderr
    again = shop.release(free(job("migrate", "shop/job-ok:2")), config_map(a="1"), options=())
    assert set(actions(again).values()) == {"unchanged"}, again.text


def test_a_single_object_without_a_preflight_is_tried_out_all_the_same(shop: Shop) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")))
    outcome = shop.release(free(job("migrate", "shop/job-ok:2")), options=("--no-preflight",))
    assert outcome.code == 0 and actions(outcome) == {"Job/migrate": "replaced"}, outcome.text


def test_a_deployment_of_another_selector_and_a_service_of_another_address(shop: Shop) -> None:
    shop.good(free(deployment()), free(service("web")))
    outcome = shop.release(selecting(free(deployment()), "shop"), free(service("web"), clusterIP="None"), options=())
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"replaced"} and set(statuses(outcome).values()) == {"current"}
    assert shop.kubectl("get", "service/web", "-o", "jsonpath={.spec.clusterIP}") == "None"


def test_the_pods_of_a_stateful_set_live_on(shop: Shop) -> None:
    shop.good(database())
    pods, before = shop.pods(), shop.uid("statefulset/db")
    outcome = shop.release(database(serviceName="other"), options=())
    assert outcome.code == 0 and actions(outcome) == {"StatefulSet/db": "replaced"}, outcome.text
    assert shop.pods() == pods and shop.uid("statefulset/db") != before


@pytest.mark.parametrize(
    ("manifest", "by"), [("names a number", "an autoscaler"), ("names none", "an autoscaler"), ("names none", "hand")]
)
def test_no_pod_goes_of_what_others_have_scaled(manifest: str, by: str, shop: Shop) -> None:
    shop.good(database())
    if by == "an autoscaler":
        target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"}
        spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10}
        scaler = obj("autoscaling/v2", "HorizontalPodAutoscaler", "db", spec=spec)
        shop.kubectl("create", "-f", write(shop.folder / "scaler.yaml", scaler))
    shop.kubectl("scale", "statefulset/db", "--replicas", "3")
    shop.kubectl("rollout", "status", "statefulset/db")
    pods, new = shop.pods(), database(serviceName="other")
    if manifest == "names none":
        del new["spec"]["replicas"]
    shown = shop.step("diff", "-f", write(shop.folder / "new.yaml", new), "-n", shop.namespace).stdout
    assert "serviceName: other" in shown and "replicas" not in shown
    outcome = shop.release(new, options=())
    assert outcome.code == 0 and actions(outcome) == {"StatefulSet/db": "replaced"}, outcome.text
    assert len(pods) == 3 and shop.pods() == pods
    shop.good(new)
    assert shop.pods() == pods and shop.kubectl("get", "statefulset/db", "-o", "jsonpath={.spec.replicas}") == "3"


def test_pods_that_the_new_stateful_set_would_not_find_go(shop: Shop) -> None:
    shop.good(database())
    pods = shop.pods()
    outcome = shop.release(selecting(database(), "sql"), options=())
    assert outcome.code == 0 and actions(outcome) == {"StatefulSet/db": "replaced"}, outcome.text
    assert len(shop.pods()) == 2 and not shop.pods() & pods


def test_without_the_annotation_it_is_named_and_nothing_changes(shop: Shop) -> None:
    shop.good(job("migrate", "shop/job-ok:1"), config_map(a="1"))
    outcome = shop.release(job("migrate", "shop/job-ok:2"), config_map(a="2"), options=())
    assert outcome.code == 4 and set(actions(outcome).values()) == {"none"}, outcome.text
    assert "a Job's template can't change: the annotation k8s-step/on-immutable: recreate" in outcome.stderr


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (claim("data", "fast"), "a PersistentVolumeClaim is not deleted to be created anew: its volume may hold data"),
        (
            obj("v1", "Namespace", "other"),
            "a Namespace is not deleted to be created anew: it may hold",
        ),
    ],
)
def test_what_holds_data_may_not_have_the_annotation(shop: Shop, proxy: Proxy, made: Object, told: str) -> None:
    outcome = shop.release(free(made), options=(), env=through(proxy))
    assert outcome.code == 2 and not proxy.writes, outcome.text
    assert f"{NOTE}: {told}" in outcome.stderr and "release.yaml:" in outcome.stderr


def test_what_another_controls_is_not_deleted(shop: Shop) -> None:
    shop.good(config_map("owner", a="1"), free(job("migrate", "shop/job-ok:1")))
    before = shop.uid("job/migrate")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": shop.uid("configmap/owner")}
    patch = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    shop.kubectl("patch", "job/migrate", "--type", "merge", "-p", json.dumps(patch))
    outcome = shop.release(free(job("migrate", "shop/job-ok:2")), options=())
    assert outcome.code == 4 and shop.uid("job/migrate") == before, outcome.text
    assert "ConfigMap owner controls it, so it is not deleted here" in outcome.stderr


def test_a_manifest_that_is_wrong_besides_deletes_nothing(shop: Shop) -> None:
    shop.good(free(deployment()))
    before = shop.uid("deployment/web")
    outcome = shop.release(selecting(free(deployment(replicas=-1)), "shop"), options=())
    assert outcome.code == 4 and shop.uid("deployment/web") == before, outcome.text
    assert "spec.replicas" in outcome.stderr


def test_a_dry_run_and_a_diff_show_it(shop: Shop, proxy: Proxy) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")), config_map(a="1"))
    made = free(job("migrate", "shop/job-ok:2")), config_map(a="1")
    outcome = shop.release(*made, options=("--dry-run",), env=through(proxy))
    assert outcome.code == 0 and not proxy.writes, outcome.text
    assert actions(outcome) == {"Job/migrate": "replaced", "ConfigMap/settings": "unchanged"}
    assert "job.batch/migrate would be created anew, as spec.template can't be changed in place" in outcome.stderr
    shown = shop.step("diff", "-f", str(shop.folder / "release.yaml"), "--exit-code", env=through(proxy))
    assert shown.code == 1 and not proxy.writes, shown.text
    assert "would be replaced: deleted and created anew, as spec.template can't be changed in place" in shown.stdout
    changed = [line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[1:2] == " "]
    assert [line.split()[-1] for line in changed] == ["shop/job-ok:1", "shop/job-ok:2"], shown.stdout


def test_a_rollback_brings_the_old_ones_back(shop: Shop) -> None:
    made = [free(deployment()), free(service("web")), database(), config_map(a="1")]
    shop.good(*made)
    before = {kind: shop.state(kind) for kind in ("deployments", "services", "statefulsets", "configmaps")}
    pods = shop.kubectl("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.uid}")
    outcome = shop.release(
        selecting(free(deployment()), "shop"),
        free(service("web"), clusterIP="None"),
        database(serviceName="other"),
        config_map(a="2"),
        deployment("bad", "shop/pull-fail:1"),
    )
    went_back(outcome)
    assert backs(outcome) == {
        "Deployment/web": "restored",
        "Service/web": "restored",
        "StatefulSet/db": "restored",
        "ConfigMap/settings": "restored",
        "Deployment/bad": "deleted",
    }
    for kind, was in before.items():
        now = shop.state(kind)
        for one in (*was, *now):
            for name in ("uid", "creationTimestamp"):
                one["metadata"].pop(name)
        assert now == was
    assert shop.kubectl("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.uid}") == pods


def test_a_rollback_leaves_a_stateful_set_that_would_take_the_claims_along(shop: Shop) -> None:
    """The claims were the old one's, and the new one, of other pods, has become their owner."""
    shop.good(claiming(database(), "Retain"))
    before, *_ = shop.claim("data-db-0")
    run = shop.hold(claiming(selecting(database(), "sql"), "Delete"))
    shop.own("statefulset/db", "data-db-0")
    now = shop.uid("statefulset/db")
    outcome = shop.fail(run)
    did_not(outcome)
    assert backs(outcome)["StatefulSet/db"] == "failed"
    assert "the one in its place stays: its claims, and their data, would go with it" in outcome.stderr
    assert shop.claim("data-db-0") == (before, True, [now]) and shop.uid("statefulset/db") == now


def test_a_rollback_that_leaves_the_pods_leaves_the_claims(shop: Shop) -> None:
    shop.good(claiming(database(), "Retain"))
    before, pods = shop.claim("data-db-0"), shop.pods()
    run = shop.hold(claiming(database(serviceName="other"), "Delete"))
    shop.own("statefulset/db", "data-db-0")
    outcome = shop.fail(run)
    went_back(outcome)
    assert backs(outcome)["StatefulSet/db"] == "restored" and shop.pods() == pods
    assert shop.claim("data-db-0") == before


def test_a_rollback_does_not_run_a_job_again(shop: Shop) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")))
    outcome = shop.release(free(job("migrate", "shop/job-fail:1")))
    went_back(outcome)
    assert backs(outcome) == {"Job/migrate": "kept"}
    assert "what a Job has done stays done, so the one before is not run again" in outcome.stderr


def test_what_holds_it_is_told_and_so_is_that_it_is_not_there(shop: Shop) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")), config_map(a="1"))
    shop.kubectl("patch", "job/migrate", "--type", "merge", "-p", '{"metadata": {"finalizers": ["test.example/hold"]}}')
    run = shop.start(free(job("migrate", "shop/job-ok:2")), config_map(a="1"), options=(), own_clock=True)
    run.wait_for("waiting for 1 object")
    run.time_passes()
    outcome = run.wait(120)
    shop.kubectl("patch", "job/migrate", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
    assert outcome.code == 3, outcome.text
    assert "finalizer test.example/hold" in outcome.text
    assert "deleted, and not yet created anew: job.batch/migrate; run this again" in outcome.stderr
    assert objects(outcome)["Job/migrate"]["action"] == "deleted"


def test_a_race_is_lost_to_whoever_creates_it_first(shop: Shop, proxy: Proxy) -> None:
    """Deleted and created anew by somebody else, between the look and the deletion: that one stays."""
    shop.good(free(service("web")))

    def outrun(exchange: Exchange) -> None:
        shop.kubectl("delete", "service/web")
        shop.kubectl("create", "service", "clusterip", "web", "--clusterip", "None", "--tcp", "80")
        exchange.forward()

    rule = proxy.rule(lambda request: on("DELETE", "services/web$")(request) and "dryRun" not in request.query, outrun)
    outcome = shop.release(free(service("web"), clusterIP="None"), options=("--force-conflicts",), env=through(proxy))
    assert rule.used == 1 and outcome.code == 0, outcome.text
    assert "kubectl-create created it anew meanwhile: the manifest was applied over that" in outcome.stderr


def test_the_printed_role_is_enough_and_without_delete_nothing_changes(shop: Shop, cluster: Cluster) -> None:
    shop.good(free(job("migrate", "shop/job-ok:1")))
    made = free(job("migrate", "shop/job-ok:2"))
    path = write(shop.folder / "next.yaml", {**made, "metadata": {**made["metadata"], "namespace": shop.namespace}})
    rules, _ = split(printed(shop.step("permissions", "-f", path, "-n", shop.namespace)), shop.namespace)
    less = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "delete"]} for rule in rules]
    before = shop.uid("job/migrate")
    refused = shop.step("apply", "-f", path, env=as_runner(cluster, cluster.token(shop.namespace, rules=less)))
    assert refused.code == 4 and "cannot delete resource" in refused.stderr, refused.text
    assert "nothing was changed" in refused.stderr and shop.uid("job/migrate") == before
    outcome = shop.step("apply", "-f", path, env=as_runner(cluster, cluster.token(shop.namespace, rules=rules)))
    assert outcome.code == 0 and "note: may not" not in outcome.stderr, outcome.text
    assert shop.uid("job/migrate") != before


def test_an_unknown_value_is_a_mistake(shop: Shop) -> None:
    made = free(job("migrate", "shop/job-ok:1"))
    made["metadata"]["annotations"][NOTE] = "replace"
    outcome = shop.release(made, options=())
    assert outcome.code == 2 and f"{NOTE}: 'replace' is not known (\"recreate\" is)" in outcome.stderr, outcome.text
