"""The practice server, spoken to as the step speaks to it: plain HTTP, and watches instead of waits."""

import http.client
import json
import threading
from contextlib import closing
from urllib.parse import urlencode, urlsplit

import pytest

from k8s_step.practice import PracticeServer, store

APPLY = "application/apply-patch+yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
CI = {"fieldManager": "ci"}
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "shop/web:typo": '
    'failed to resolve reference "shop/web:typo": shop/web:typo: not found'
)


class Practice:
    """A client of the practice server; every wait is a watch with an end."""

    def __init__(self, url):
        self.address = urlsplit(url).netloc

    def call(self, method, path, body=None, content_type=APPLY, **query):
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"{path}?{urlencode(query)}", data, {"Content-Type": content_type})
            answer = connection.getresponse()
            assert answer.headers["X-K8s-Step-Practice"] == "true"
            text = answer.read().decode()
            return answer.status, json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def apply(self, path, obj, manager="ci", **query):
        return self.call("PATCH", f"{path}/{obj['metadata']['name']}", obj, fieldManager=manager, **query)

    def get(self, path, **query):
        code, answer = self.call("GET", path, **query)
        assert code == 200, answer
        return answer

    def watch(self, path, version, **query):
        """Events as they come, for ten seconds at most."""
        query = {"watch": 1, "timeoutSeconds": 10} | query
        with closing(http.client.HTTPConnection(self.address, timeout=20)) as connection:
            connection.request("GET", f"{path}?{urlencode({'resourceVersion': version} | query)}")
            for line in connection.getresponse():
                yield json.loads(line)

    def until(self, path, version, reached):
        """The first watched object that is as wanted."""
        for event in self.watch(path, version):
            if reached(event["object"]):
                return event["object"]
        raise AssertionError("the watch ended before it was reached")


@pytest.fixture
def practice():
    with PracticeServer(pace=0.02) as server:
        yield Practice(server.url)


def config_map(name="shop", labels=None, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data}


def deployment(image="shop/web:1", replicas=4, **spec):
    containers = [{"name": "web", "image": image, "ports": [{"containerPort": 80}]}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def condition(obj, kind):
    conditions = obj.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == kind), {})


def is_complete(obj):
    current = obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
    return current and condition(obj, "Progressing").get("reason") == "NewReplicaSetAvailable"


def waiting_for(reason):
    def reached(pod):
        statuses = pod.get("status", {}).get("containerStatuses", [])
        return any(item["state"].get("waiting", {}).get("reason") == reason for item in statuses)

    return reached


def roll_out(practice, obj):
    version = practice.apply(DEPLOYMENTS, obj)[1]["metadata"]["resourceVersion"]
    return practice.until(DEPLOYMENTS, version, is_complete)


def test_a_first_apply_creates(practice):
    code, obj = practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))

    assert code == 201
    assert obj["metadata"]["namespace"] == "default"
    (entry,) = obj["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("ci", "Apply")
    assert entry["fieldsV1"] == {"f:metadata": {"f:labels": {}}, "f:data": {"f:COLOUR": {}}}


def test_a_second_identical_apply_changes_nothing(practice):
    _, first = practice.apply(DEPLOYMENTS, deployment())
    first = practice.until(DEPLOYMENTS, first["metadata"]["resourceVersion"], is_complete)
    code, second = practice.apply(DEPLOYMENTS, deployment())

    assert code == 200
    assert second == first


def test_a_changed_apply_bumps_version_and_generation(practice):
    _, first = practice.apply(DEPLOYMENTS, deployment())
    code, second = practice.apply(DEPLOYMENTS, deployment("shop/web:2"))

    assert code == 200
    assert (first["metadata"]["generation"], second["metadata"]["generation"]) == (1, 2)
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


def test_a_label_alone_leaves_the_generation(practice):
    practice.apply(DEPLOYMENTS, deployment())
    labelled = deployment()
    labelled["metadata"]["labels"] = {"team": "shop"}

    assert practice.apply(DEPLOYMENTS, labelled)[1]["metadata"]["generation"] == 1


def test_a_field_no_longer_applied_is_given_up(practice):
    practice.apply(CONFIG_MAPS, config_map(COLOUR="blue", SIZE="xl"))
    _, obj = practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))

    assert obj["data"] == {"COLOUR": "blue"}


def test_a_field_another_manager_owns_too_stays(practice):
    practice.apply(CONFIG_MAPS, config_map(COLOUR="blue", SIZE="xl"))
    practice.apply(CONFIG_MAPS, config_map(SIZE="xl"), manager="other")
    _, obj = practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))

    assert obj["data"] == {"COLOUR": "blue", "SIZE": "xl"}
    assert practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))[1] == obj


def test_list_items_are_merged_by_their_key(practice):
    with_sidecar = deployment()
    with_sidecar["spec"]["template"]["spec"]["containers"].append({"name": "log", "image": "shop/log:1"})
    practice.apply(DEPLOYMENTS, with_sidecar)
    other = deployment()
    other["spec"]["template"]["spec"]["containers"] = [{"name": "log", "env": [{"name": "LEVEL", "value": "info"}]}]
    _, obj = practice.apply(DEPLOYMENTS, other, manager="other")
    containers = {item["name"]: item for item in obj["spec"]["template"]["spec"]["containers"]}

    assert containers["log"] == {"name": "log", "image": "shop/log:1", "env": [{"name": "LEVEL", "value": "info"}]}
    assert containers["web"]["image"] == "shop/web:1"


def test_a_list_item_no_longer_applied_is_given_up(practice):
    with_sidecar = deployment()
    with_sidecar["spec"]["template"]["spec"]["containers"].append({"name": "log", "image": "shop/log:1"})
    practice.apply(DEPLOYMENTS, with_sidecar)
    _, obj = practice.apply(DEPLOYMENTS, deployment())

    assert [item["name"] for item in obj["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_a_dry_run_is_answered_and_not_kept(practice):
    code, obj = practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"), dryRun="All")

    assert (code, obj["data"]) == (201, {"COLOUR": "blue"})
    assert practice.call("GET", f"{CONFIG_MAPS}/shop")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "code", "message"),
    [
        ("GET", f"{CONFIG_MAPS}/none", None, {}, 404, 'configmaps "none" not found'),
        ("GET", f"{DEPLOYMENTS}/none", None, {}, 404, 'deployments.apps "none" not found'),
        ("DELETE", f"{CONFIG_MAPS}/none", None, {}, 404, 'configmaps "none" not found'),
        ("GET", "/apis/none.example/v1/things", None, {}, 404, "could not find the requested resource"),
        ("GET", "/", None, {}, 404, "could not find the requested resource"),
        ("PUT", f"{CONFIG_MAPS}/shop", {}, {}, 405, "does not play PUT"),
        ("PATCH", f"{CONFIG_MAPS}/shop", config_map(), {}, 422, "fieldManager: Required value"),
        (
            "PATCH",
            f"{CONFIG_MAPS}/other",
            config_map(),
            CI,
            400,
            "does not match the name on the URL",
        ),
        ("PATCH", f"{DEPLOYMENTS}/web", deployment(image=""), CI, 422, "containers[0].image"),
        (
            "PATCH",
            f"{DEPLOYMENTS}/web",
            deployment(selector=None),
            CI,
            422,
            "spec.selector: Required",
        ),
        ("PATCH", f"{DEPLOYMENTS}/web", deployment(template=7), CI, 400, "cannot read this"),
        (
            "PATCH",
            "/api/v1/namespaces/no/configmaps/shop",
            config_map(),
            CI,
            404,
            'namespaces "no"',
        ),
        ("GET", CONFIG_MAPS, None, {"labelSelector": "a in"}, 400, "unable to parse requirement"),
        ("GET", CONFIG_MAPS, None, {"fieldSelector": "data.x=1"}, 400, "field label not supported"),
    ],
)
def test_a_refusal_is_a_status(practice, method, path, body, query, code, message):
    answered, status = practice.call(method, path, body, **query)

    assert (answered, status["kind"], status["code"]) == (code, "Status", code)
    assert message in status["message"]


def test_an_invalid_object_names_its_field_in_the_causes(practice):
    _, status = practice.apply(DEPLOYMENTS, deployment(image=""))

    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.template.spec.containers[0].image"]


def test_a_patch_of_another_type_is_not_taken(practice):
    code, status = practice.call("PATCH", f"{CONFIG_MAPS}/shop", {}, "application/merge-patch+json", fieldManager="ci")

    assert (code, status["reason"]) == (415, "UnsupportedMediaType")


def test_create_refuses_a_name_that_is_taken(practice):
    assert practice.call("POST", CONFIG_MAPS, config_map(), "application/json")[0] == 201
    assert practice.call("POST", CONFIG_MAPS, config_map(), "application/json")[0] == 409


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", {"a", "b", "c"}),
        ("tier=web", {"a"}),
        ("tier==web", {"a"}),
        ("tier!=web", {"b", "c"}),
        ("tier", {"a", "b"}),
        ("!tier", {"c"}),
        ("tier in (web, db)", {"a", "b"}),
        ("tier notin (web)", {"b", "c"}),
        ("tier in (web,db),tier!=db", {"a"}),
    ],
)
def test_label_selectors(practice, selector, names):
    for name, labels in (("a", {"tier": "web"}), ("b", {"tier": "db"}), ("c", {})):
        practice.apply(CONFIG_MAPS, config_map(name, labels))

    chosen = practice.get("/api/v1/configmaps", labelSelector=selector)["items"]
    assert {obj["metadata"]["name"] for obj in chosen} == names


def test_a_watch_tells_what_came_after_its_version_and_no_more(practice):
    practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))
    version = practice.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    practice.apply(CONFIG_MAPS, config_map(COLOUR="red"))
    practice.call("DELETE", f"{CONFIG_MAPS}/shop")
    events = practice.watch(CONFIG_MAPS, version)

    assert [next(events)["type"] for _ in range(2)] == ["MODIFIED", "DELETED"]


def test_a_watch_without_a_version_begins_with_what_there_is(practice):
    practice.apply(CONFIG_MAPS, config_map(COLOUR="blue"))

    event = next(practice.watch(CONFIG_MAPS, ""))
    assert (event["type"], event["object"]["data"]) == ("ADDED", {"COLOUR": "blue"})


def test_a_streamed_list_says_where_it_ends(practice):
    practice.apply(CONFIG_MAPS, config_map())
    events = practice.watch(CONFIG_MAPS, "", sendInitialEvents="true", allowWatchBookmarks="true")

    assert [next(events)["type"] for _ in range(2)] == ["ADDED", "BOOKMARK"]


def test_what_leaves_a_watchs_selection_is_deleted_for_it(practice):
    _, obj = practice.apply(CONFIG_MAPS, config_map(labels={"colour": "blue"}))
    practice.apply(CONFIG_MAPS, config_map())

    version = obj["metadata"]["resourceVersion"]
    assert next(practice.watch(CONFIG_MAPS, version, labelSelector="colour=blue"))["type"] == "DELETED"


def test_a_watch_that_times_out_ends_with_a_bookmark(practice):
    _, obj = practice.apply(CONFIG_MAPS, config_map())
    version = obj["metadata"]["resourceVersion"]
    (event,) = practice.watch(CONFIG_MAPS, version, timeoutSeconds=0.01, allowWatchBookmarks="true")

    assert (event["type"], event["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", version)


def test_a_watch_from_before_the_history_is_gone(practice, monkeypatch):
    monkeypatch.setattr(store, "_HISTORY", 1)
    for colour in ("red", "green", "blue"):
        practice.apply(CONFIG_MAPS, config_map(COLOUR=colour))
    (event,) = practice.watch(CONFIG_MAPS, 1)

    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_the_servers_end_ends_a_watch():
    ended = threading.Event()

    def follow(events):
        list(events)
        ended.set()

    with PracticeServer() as server:
        events = Practice(server.url).watch("/api/v1/namespaces", "", timeoutSeconds=600)
        next(events)
        threading.Thread(target=follow, args=(events,), daemon=True).start()
    assert ended.wait(10)


def test_a_good_deployment_becomes_available(practice):
    status = roll_out(practice, deployment())["status"]

    assert status["observedGeneration"] == 1
    assert [status[key] for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")] == [4] * 4
    assert "unavailableReplicas" not in status
    assert [item["status"] for item in status["conditions"]] == ["True", "True"]


def test_an_update_rolls_to_the_new_revision_and_keeps_enough_pods(practice):
    first = roll_out(practice, deployment())
    version = practice.apply(DEPLOYMENTS, deployment("shop/web:2"))[1]["metadata"]["resourceVersion"]
    available = []

    def reached(obj):
        available.append(obj["status"]["availableReplicas"])
        return is_complete(obj)

    second = practice.until(DEPLOYMENTS, version, reached)
    revision = "deployment.kubernetes.io/revision"
    assert (first["metadata"]["annotations"][revision], second["metadata"]["annotations"][revision]) == ("1", "2")
    assert min(available) >= 3
    assert {pod["spec"]["containers"][0]["image"] for pod in practice.get(PODS)["items"]} == {"shop/web:2"}


def test_recreate_never_runs_two_revisions_at_once(practice):
    roll_out(practice, deployment(strategy={"type": "Recreate"}))
    version = practice.get(PODS)["metadata"]["resourceVersion"]
    roll_out(practice, deployment("shop/web:2", strategy={"type": "Recreate"}))
    events = practice.watch(PODS, version)

    assert [next(events)["type"] for _ in range(5)] == ["DELETED"] * 4 + ["ADDED"]


def test_pods_are_tied_to_their_replica_set_and_deployment(practice):
    web = roll_out(practice, deployment(replicas=1))
    (replica_set,) = practice.get("/apis/apps/v1/replicasets")["items"]
    (pod,) = practice.get(PODS)["items"]

    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == web["metadata"]["uid"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    assert pod["metadata"]["labels"] == {
        "app": "web",
        "pod-template-hash": replica_set["metadata"]["labels"]["pod-template-hash"],
    }


def test_an_image_that_is_not_there_keeps_the_old_pods(practice):
    roll_out(practice, deployment())
    version = practice.apply(DEPLOYMENTS, deployment("shop/web:typo"))[1]["metadata"]["resourceVersion"]
    failed = practice.until(PODS, version, waiting_for("ErrImagePull"))
    practice.until(PODS, version, waiting_for("ImagePullBackOff"))
    (status,) = failed["status"]["containerStatuses"]

    assert status["state"]["waiting"]["message"] == NOT_FOUND
    assert failed["status"]["phase"] == "Pending"
    web = practice.get(f"{DEPLOYMENTS}/web")
    assert web["status"]["observedGeneration"] == 2
    assert web["status"]["availableReplicas"] >= 3
    assert web["status"]["updatedReplicas"] < 4
    assert not is_complete(web)


def test_events_tell_of_a_failed_pull(practice):
    version = practice.apply(DEPLOYMENTS, deployment("shop/web:typo", replicas=1))[1]["metadata"]["resourceVersion"]
    pod = practice.until(PODS, version, waiting_for("ImagePullBackOff"))
    events = "/api/v1/namespaces/default/events"
    practice.until(events, version, lambda event: event["message"] == "Error: ImagePullBackOff")
    chosen = f"involvedObject.kind=Pod,involvedObject.name={pod['metadata']['name']},type=Warning"
    warnings = practice.get(events, fieldSelector=chosen)["items"]

    assert {event["reason"] for event in warnings} == {"Failed", "BackOff"}
    assert f'Failed to pull image "shop/web:typo": {NOT_FOUND}' in {event["message"] for event in warnings}
    assert {event["involvedObject"]["fieldPath"] for event in warnings} == {"spec.containers{web}"}


def test_a_crash_loop_restarts_and_keeps_the_crashed_runs_log(practice):
    version = practice.apply(DEPLOYMENTS, deployment("shop/web:crash", replicas=1))[1]["metadata"]["resourceVersion"]

    def at_second_restart(pod):
        statuses = pod.get("status", {}).get("containerStatuses", [])
        return waiting_for("CrashLoopBackOff")(pod) and statuses[0]["restartCount"] == 2

    pod = practice.until(PODS, version, at_second_restart)
    (status,) = pod["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert (pod["status"]["phase"], condition(pod, "Ready")["status"]) == ("Running", "False")
    log = practice.get(f"{PODS}/{pod['metadata']['name']}/log", previous="true", tailLines=1)
    assert log == "FATAL: cannot connect to db:5432: connection refused\n"


def test_a_pod_that_never_crashed_has_no_previous_log(practice):
    roll_out(practice, deployment(replicas=1))
    (pod,) = practice.get(PODS)["items"]
    path = f"{PODS}/{pod['metadata']['name']}/log"

    assert "listening" in practice.get(path)
    code, status = practice.call("GET", path, previous="true")
    assert (code, "previous terminated container" in status["message"]) == (400, True)


def test_a_missed_deadline_is_said(practice):
    web = deployment("shop/web:typo", replicas=1, progressDeadlineSeconds=1)
    version = practice.apply(DEPLOYMENTS, web)[1]["metadata"]["resourceVersion"]
    late = practice.until(
        DEPLOYMENTS, version, lambda obj: condition(obj, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    )

    assert condition(late, "Progressing")["status"] == "False"


def test_deletion_takes_what_is_owned_along(practice):
    roll_out(practice, deployment(replicas=1))
    version = practice.get(PODS)["metadata"]["resourceVersion"]
    practice.call("DELETE", f"{DEPLOYMENTS}/web")

    assert next(practice.watch(PODS, version))["type"] == "DELETED"
    assert practice.get("/apis/apps/v1/replicasets")["items"] == []


def test_a_namespaces_deletion_takes_its_objects_along(practice):
    practice.apply("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    path = "/api/v1/namespaces/shop/configmaps"
    version = practice.apply(path, config_map())[1]["metadata"]["resourceVersion"]
    practice.call("DELETE", "/api/v1/namespaces/shop")

    assert next(practice.watch(path, version))["type"] == "DELETED"


def test_the_server_says_what_it_is(practice):
    assert practice.get("/version")["gitVersion"] == "v1.37.0+practice"
    assert practice.get("/readyz") == "ok"
    assert practice.get("/api")["versions"] == ["v1"]
    assert "apps" in {group["name"] for group in practice.get("/apis")["groups"]}
    assert "deployments" in {resource["name"] for resource in practice.get("/apis/apps/v1")["resources"]}
