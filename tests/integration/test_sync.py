"""``sync``: objects of one control plane copied to another, as the second API server then has them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import Outcome, poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import config_map, deployment, job, obj
from tests.integration.test_clusters import Planes, planes, results, second

__all__ = ("planes", "second")
pytestmark = pytest.mark.usefixtures("played")


def released(planes: Planes, *objects: dict[str, Any], words: tuple[str, ...] = ()) -> None:
    outcome = planes.run("apply", "-f", planes.release(*objects), *words, on="eu")
    assert outcome.code == 0, outcome.text


def sync(planes: Planes, *words: str, to: str = "us") -> Outcome:
    targets = [word for name in to.split() for word in ("--to-context", name)]
    return planes.run("sync", *words, *targets, "--timeout", "60s", on="eu")


def there(one: Cluster, path: str) -> dict[str, Any]:
    answer = one.request("GET", path)
    assert answer.code == 200, answer.text
    return answer.body


def annotated(made: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], "annotations": {name: value}}}


def actions(outcome: Outcome, name: str) -> dict[str, str]:
    assert outcome.report is not None, outcome.text
    (found,) = (one for one in outcome.report["clusters"] if one["name"] == name)
    return {f"{one['kind']}/{one['name']}": one["action"] for one in found["objects"]}


PORTS = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]}
SERVICE = obj("v1", "Service", "web", spec=PORTS)
SECRET = obj("v1", "Secret", "password", stringData={"password": "correct-horse-battery"})


def test_created_then_unchanged_then_updated(planes: Planes) -> None:
    released(planes, config_map(tag="1"), SERVICE, SECRET, deployment("web"), job("migrate", "shop/job-ok:1"))
    words = ("configmap/settings", "service/web", "secret/password", "deployment/web", "job/migrate")
    first = sync(planes, *words)
    assert first.code == 0, first.text
    assert set(actions(first, "us").values()) == {"created"}
    copied = there(planes.us, f"/api/v1/namespaces/{planes.namespace}/secrets/password")
    origin = there(planes.eu, f"/api/v1/namespaces/{planes.namespace}/secrets/password")
    assert copied["data"] == origin["data"] and copied["metadata"]["uid"] != origin["metadata"]["uid"]
    managers = {entry["manager"] for entry in copied["metadata"]["managedFields"]}
    assert managers == {"k8s-step-sync"}
    again = sync(planes, *words)
    assert again.code == 0 and set(actions(again, "us").values()) == {"unchanged"}, again.text
    released(planes, config_map(tag="2"))
    third = sync(planes, *words)
    assert third.code == 0 and actions(third, "us")["ConfigMap/settings"] == "configured", third.text
    assert planes.data(planes.us) == {"tag": "2"}


def test_a_target_that_is_down_is_its_own_result(planes: Planes) -> None:
    released(planes, config_map(tag="1"))
    outcome = sync(planes, "configmap/settings", to="down us")
    assert outcome.code == 5 and results(outcome) == {"down": "unreachable", "us": "succeeded"}, outcome.text


def test_a_share_without_a_target_reads_nothing(planes: Planes) -> None:
    outcome = sync(planes, "configmap/none", "--shard", "2/2")
    assert (outcome.code, results(outcome)) == (0, {}) and "nothing to do" in outcome.stderr, outcome.text


def test_a_source_that_can_t_be_read_is_no_target_s_result(planes: Planes) -> None:
    outcome = sync(planes, "configmap/none")
    assert outcome.code == 4 and results(outcome) == {"us": "not_begun"}, outcome.text
    assert outcome.report is not None and "none" in outcome.report["message"]


def test_a_conflict_names_the_other_manager(planes: Planes) -> None:
    released(planes, config_map(tag="1"))
    other = planes.release(config_map(tag="other"))
    assert planes.run("apply", "-f", other, "--field-manager", "team", on="us").code == 0
    refused = sync(planes, "configmap/settings")
    assert refused.code == 4 and '.data.tag belongs to "team"' in refused.text, refused.text
    forced = sync(planes, "configmap/settings", "--force-conflicts")
    assert forced.code == 0 and planes.data(planes.us) == {"tag": "1"}, forced.text


def test_shown_and_not_done(planes: Planes) -> None:
    released(planes, config_map(tag="1"), SECRET)
    outcome = sync(planes, "configmap/settings", "secret/password", "--dry-run", "--diff")
    assert outcome.code == 0, outcome.text
    assert re.search(r"""\+ +tag: ['"]1['"]""", outcome.stdout) and "correct-horse-battery" not in outcome.text
    assert planes.data(planes.us) is None


def test_a_namespace_that_is_asked_for(planes: Planes) -> None:
    released(planes, config_map(tag="1"))
    space = f"{planes.namespace}-copy"
    missing = sync(planes, "configmap/settings", "--to-namespace", space)
    assert missing.code == 4, missing.text
    made = sync(planes, "configmap/settings", "--to-namespace", space, "--create-namespace")
    assert made.code == 0 and actions(made, "us")[f"Namespace/{space}"] == "created", made.text
    assert there(planes.us, f"/api/v1/namespaces/{space}/configmaps/settings")["data"] == {"tag": "1"}
    planes.us.delete_namespace(space)


def test_what_can_t_change_stays(planes: Planes) -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    binding = obj("rbac.authorization.k8s.io/v1", "RoleBinding", "jane", roleRef=role, subjects=[subject])
    released(planes, binding)
    other = {**binding, "roleRef": {**role, "name": "writer"}, "subjects": []}
    assert planes.run("apply", "-f", planes.release(other), on="us").code == 0
    outcome = sync(planes, "rolebinding/jane", "--force-conflicts")
    assert outcome.code == 0 and "keeps what can't change, and differs in roleRef" in outcome.stderr, outcome.text
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{planes.namespace}/rolebindings/jane"
    kept = there(planes.us, path)
    assert kept["roleRef"]["name"] == "writer" and kept["subjects"] == [subject]


def test_what_can_t_change_stays_of_every_kind(planes: Planes) -> None:
    """As they are at the target already: sealed, of another class, with another template, headless."""

    def made(which: int) -> list[dict[str, Any]]:
        sealed = {**config_map("sealed", tag=str(which)), "immutable": True}
        size = {"requests": {"storage": f"{which}Gi"}}
        claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": f"class-{which}", "resources": size}
        ports = {"ports": [{"port": 80}], **({"clusterIP": "None"} if which == 1 else {})}
        runs = job("migrate", f"shop/job-ok:{which}")
        runs["spec"] |= {"completionMode": "Indexed", "completions": 1}
        runs["spec"] |= {"backoffLimitPerIndex": 1} if which == 1 else {}
        return [
            sealed,
            obj("v1", "PersistentVolumeClaim", "data", spec=claim),
            obj("v1", "Service", "db", spec=ports),
            runs,
        ]

    words = ("configmap/sealed", "pvc/data", "service/db", "job/migrate")
    released(planes, *made(1), words=("--no-wait",))
    first = sync(planes, *words)
    assert first.code == 0 and set(actions(first, "us").values()) == {"created"}, first.text
    assert planes.run("delete", *words, on="eu").code == 0
    released(planes, *made(2), words=("--no-wait",))
    outcome = sync(planes, *words)
    assert outcome.code == 0, outcome.text
    for told in (
        "configmap/{}/sealed keeps what can't change, and differs in data",
        "persistentvolumeclaim/{}/data keeps what can't change, and differs in spec.storageClassName, spec.resources",
        "service/{}/db keeps what can't change, and differs in spec.clusterIP",
        "job/{}/migrate keeps what can't change, and differs in spec.template, spec.backoffLimitPerIndex",
    ):
        assert told.format(planes.namespace) in outcome.stderr, outcome.text
    assert planes.data(planes.us, "sealed") == {"tag": "1"}
    again = sync(planes, *words)
    assert again.code == 0 and set(actions(again, "us").values()) == {"unchanged"}, again.text


def test_a_job_that_runs_at_each_release_is_not_run_by_a_sync(planes: Planes) -> None:
    manual = job("by-hand", "shop/job-ok:1")
    manual["spec"] |= {"manualSelector": True, "selector": {"matchLabels": {"of": "by-hand"}}}
    manual["spec"]["template"]["metadata"] = {"labels": {"of": "by-hand"}}
    runs = [annotated(one, "k8s-step/run", "always") for one in (job("migrate", "shop/job-ok:1"), manual)]
    released(planes, config_map(tag="1"), *runs)
    words = ("job/migrate", "job/by-hand", "configmap/settings")
    first = sync(planes, *words)
    assert first.code == 0 and set(actions(first, "us").values()) == {"created"}, first.text
    paths = [f"/apis/batch/v1/namespaces/{planes.namespace}/jobs/{name}" for name in ("migrate", "by-hand")]
    copies = [there(planes.us, path)["metadata"] for path in paths]
    assert all(one["annotations"]["k8s-step/run"] == "always" for one in copies)
    released(planes, config_map(tag="2"))
    again = sync(planes, *words, "--diff")
    assert again.code == 0, again.text
    assert actions(again, "us") == {
        "Job/migrate": "unchanged",
        "Job/by-hand": "unchanged",
        "ConfigMap/settings": "configured",
    }
    assert [there(planes.us, path)["metadata"]["uid"] for path in paths] == [one["uid"] for one in copies]
    anew = planes.run("apply", "-f", planes.release(*runs), on="us")
    assert anew.code == 0 and anew.report is not None, anew.text
    assert [one["action"] for one in anew.report["objects"]] == ["replaced", "replaced"]


def test_a_sync_deletes_nothing_to_create_it_anew(planes: Planes) -> None:
    def quota(scope: str) -> dict[str, Any]:
        made = obj("v1", "ResourceQuota", "pods", spec={"hard": {"pods": "9"}, "scopes": [scope]})
        return annotated(made, "k8s-step/on-immutable", "recreate")

    released(planes, quota("Terminating"))
    assert planes.run("apply", "-f", planes.release(quota("NotTerminating")), on="us").code == 0
    path = f"/api/v1/namespaces/{planes.namespace}/resourcequotas/pods"
    before = there(planes.us, path)
    refused = sync(planes, "resourcequota/pods", "--force-conflicts")
    assert refused.code == 4 and "it can't change once the object is there" in refused.text, refused.text
    assert there(planes.us, path)["metadata"]["uid"] == before["metadata"]["uid"]


def test_what_belongs_to_its_cluster(planes: Planes) -> None:
    labelled = {**config_map(tag="1"), "metadata": {"name": "settings", "labels": {"app": "web"}}}
    released(planes, deployment("web"), labelled)
    named = sync(planes, "configmap/kube-root-ca.crt")
    assert named.code == 2 and "can't be copied" in named.text, named.text
    released(planes, {**SERVICE, "metadata": {"name": "web", "labels": {"app": "web"}}})
    path = f"/api/v1/namespaces/{planes.namespace}/endpoints/web"
    poll(lambda: planes.eu.request("GET", path).code == 200, "the Service's Endpoints")
    # As before Kubernetes 1.33, without the controller's label.
    older = obj("v1", "Endpoints", "older", subsets=[{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}])
    released(planes, older, words=("--field-manager", "kube-controller-manager"))
    for name in ("web", "older"):
        made = sync(planes, f"endpoints/{name}")
        assert made.code == 2 and "its Service makes it" in made.text, made.text
    chosen = sync(planes, "pods,configmaps", "-l", "app=web")
    assert chosen.code == 0 and "is left out: replicaset/web-" in chosen.stderr, chosen.text
    assert actions(chosen, "us") == {"ConfigMap/settings": "created"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("configmap/settings", "--to-context", "eu"), "this is where it comes from"),
        (("configmaps", "--to-context", "us"), "which configmaps?"),
        (("--to-context", "us"), "what is to be copied?"),
        (("configmap/settings",), "the clusters to copy to are to be named in one way"),
        (("configmap/settings", "--to-context", "nowhere"), "there is no context 'nowhere'"),
    ],
)
def test_mistakes(planes: Planes, words: tuple[str, ...], told: str) -> None:
    released(planes, config_map(tag="1"))
    outcome = planes.run("sync", *words, on="eu")
    assert outcome.code == 2 and told in outcome.text, outcome.text
