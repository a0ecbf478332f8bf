"""``get`` against the real control plane: what it names, and how it lays that out, is what kubectl does."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on
from tests.integration.objects import config_map, custom, definition, deployment, obj, pod, service, through
from tests.unit.report.layout.test_yamltext import TRICKY

MAPS = {
    "bare": {},
    "web-1": {"app": "web", "tier": "front"},
    "web-2": {"app": "web", "tier": "back"},
    "api": {"app": "api", "tier": "back"},
    "cache": {"app": "cache"},
    "empty": {"app": ""},
    "dotted": {"example.com/part-of": "shop", "tier": "front"},
}


def as_words(value: object) -> str | None:
    """A row's name."""
    return " ".join(value) if isinstance(value, tuple) else None


def labelled(made: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def create(kubectl: Kubectl, namespace: str, *objects: dict[str, Any]) -> None:
    kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all(objects))


@pytest.fixture(scope="module")
def furnished(cluster: Cluster) -> Iterator[str]:
    """A namespace with seven labelled ConfigMaps (and the one every namespace has), a Deployment, pods, a Service.

    One of the pods no node takes, so that they differ in their fields.
    """
    space = cluster.namespace(f"get-{secrets.token_hex(4)}")
    base = f"/api/v1/namespaces/{space}"
    for name, labels in MAPS.items():
        cluster.create(f"{base}/configmaps", labelled(config_map(name, key="value"), labels))
    cluster.create(f"{base}/pods", pod("lonely", "app:1", "Never", nodeSelector={"no": "such"}))
    cluster.create(f"{base}/services", service("web"))
    deployments = f"/apis/apps/v1/namespaces/{space}/deployments"
    cluster.create(deployments, deployment("web", "app:1", replicas=2))
    poll(lambda: ready(cluster, f"{deployments}/web") == 2, "two ready pods", 60)
    yield space
    cluster.leave_namespace(space)


def ready(cluster: Cluster, path: str) -> int:
    return int(cluster.request("GET", path).body["status"].get("readyReplicas") or 0)


def lines(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.text
    return outcome.stdout.splitlines()


def same_names(step: Step, kubectl: Kubectl, namespace: str, *words: str) -> list[str]:
    """What both name for the same words."""
    ours = lines(step("get", *words, "-n", namespace, "-o", "name"))
    theirs = kubectl("-n", namespace, "get", *words, "-o", "name").stdout.splitlines()
    assert sorted(ours) == sorted(theirs)
    return ours


def cells(text: str) -> list[list[str]]:
    """Cell by cell, without the age in a table, which goes on."""
    found = []
    at = None
    for row in (line.split() for line in text.splitlines()):
        at = row.index("AGE") if "AGE" in row else at
        found.append([cell for place, cell in enumerate(row) if place != at])
    return found


# -- S1.2: one, in a namespace, cluster-wide


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("cm/api",), 1),
        (("configmap", "api", "cache"), 2),
        (("v1/configmaps/api",), 1),
        (("cm/api", "deployment.apps/web"), 2),
        (("cm",), 8),
        (("ConfigMap,deploy,svc",), 10),
        (("deployments.v1.apps",), 1),
    ],
    ids=as_words,
)
def test_named_and_listed(words: Sequence[str], count: int, step: Step, kubectl: Kubectl, furnished: str) -> None:
    ours = lines(step("get", *words, "-n", furnished, "-o", "name"))
    # kubectl itself doesn't read version/kind.
    known = [word.removeprefix("v1/").replace("configmaps/", "configmap/") for word in words]
    theirs = kubectl("-n", furnished, "get", *known, "-o", "name").stdout.splitlines()
    assert sorted(ours) == sorted(theirs)
    assert len(ours) == count


def test_all_namespaces(step: Step, furnished: str, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, labelled(config_map("far"), {"app": "web"}))
    shown = lines(step("get", "cm", "-A", "-l", "app=web"))
    assert shown[0].split() == ["NAMESPACE", "NAME", "DATA", "AGE"]
    rows = {tuple(line.split()[:2]) for line in shown[1:]}
    assert {(furnished, "web-1"), (furnished, "web-2"), (namespace, "far")} <= rows


def test_cluster_wide_kinds(step: Step, kubectl: Kubectl, furnished: str) -> None:
    assert f"namespace/{furnished}" in lines(step("get", "ns", "-o", "name"))
    assert same_names(step, kubectl, furnished, "ns", furnished) == [f"namespace/{furnished}"]


def test_custom_resources(step: Step, kubectl: Kubectl, namespace: str) -> None:
    group = f"{namespace[:7]}.example.com"
    kubectl("create", "-f", "-", input=json.dumps(definition(group)))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}")
    try:
        create(kubectl, namespace, custom(group, "one"), custom(group, "two"))
        found = same_names(step, kubectl, namespace, f"widgets.{group}")
        assert found == [f"widget.{group}/one", f"widget.{group}/two"]
        outcome = step("get", f"widgets.{group}", "-n", namespace, "-o", "protobuf", "--output-file", "x")
        assert outcome.code == 4
        assert "gives no protobuf of this" in outcome.stderr
    finally:
        kubectl("delete", "crd", f"widgets.{group}", "--wait=false")


def test_what_is_not_there_keeps_the_rest_from_nothing(step: Step, furnished: str) -> None:
    outcome = step("get", "cm", "api", "nope", "-n", furnished, "-o", "name")
    assert outcome.code == 4
    assert outcome.stdout == "configmap/api\n"
    assert f'configmap/{furnished}/nope: configmaps "nope" not found' in outcome.stderr


@pytest.mark.parametrize(("words", "place"), [(("jobs",), " in {} namespace"), (("jobs", "-A", "-l", "no=one"), "")])
@pytest.mark.parametrize("form", ["table", "name", "jsonl"])
def test_an_empty_list_is_no_failure(words: Sequence[str], place: str, form: str, step: Step, furnished: str) -> None:
    outcome = step("get", *words, "-n", furnished, "-o", form)
    assert (outcome.code, outcome.stdout) == (0, "")
    assert f"No resources found{place.format(furnished)}." in outcome.stderr


# -- S1.3: label selectors


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ("app", 5),
        ("!app", 3),
        ("app=web", 2),
        ("app==web", 2),
        ("app=", 1),
        ("app!=web", 6),
        ("app in (web, api)", 3),
        ("app in (web,)", 3),
        ("app notin (web, api)", 5),
        ("tier,app notin (web)", 2),
        ("app in (web,api),tier!=front,tier", 2),
        ("example.com/part-of=shop,tier = front", 1),
        ("app=web,app=api", 0),
    ],
)
def test_label_selectors(selector: str, count: int, step: Step, kubectl: Kubectl, furnished: str) -> None:
    assert len(same_names(step, kubectl, furnished, "configmaps", "-l", selector)) == count


@pytest.mark.parametrize("selector", ["app in web", "app=we b", "=web", "app in ()", "a b"])
def test_a_bad_label_selector_is_not_sent(selector: str, step: Step, proxy: Proxy, furnished: str) -> None:
    outcome = step("get", "cm", "-l", selector, "-n", furnished, env=through(proxy))
    assert (outcome.code, outcome.stdout, proxy.requests) == (2, "", [])
    assert "--selector" in outcome.stderr


# -- S1.4: field selectors


@pytest.mark.parametrize(
    ("kind", "selector", "count"),
    [
        ("cm", "metadata.name=api", 1),
        ("cm", "metadata.name!=api", 7),
        ("cm", "metadata.name==api", 1),
        ("pods", "spec.nodeName=", 1),
        ("pods", "status.phase=Pending", 1),
        ("pods", "status.phase!=Pending,spec.restartPolicy=Always", 2),
        ("pods", "status.phase=Running,metadata.name=lonely", 0),
    ],
)
def test_field_selectors(kind: str, selector: str, count: int, step: Step, kubectl: Kubectl, furnished: str) -> None:
    assert len(same_names(step, kubectl, furnished, kind, "--field-selector", selector)) == count


def test_fields_and_labels_together(step: Step, kubectl: Kubectl, furnished: str) -> None:
    words = ("cm", "-l", "app=web", "--field-selector", "metadata.name!=web-1")
    assert same_names(step, kubectl, furnished, *words) == ["configmap/web-2"]


def test_a_field_one_cannot_choose_by_gets_the_servers_words(step: Step, kubectl: Kubectl, furnished: str) -> None:
    words = ("pods,cm", "--field-selector", "status.phase=Running")
    outcome = step("get", *words, "-n", furnished, "-o", "name")
    assert outcome.code == 4
    assert "configmaps in" in outcome.stderr and '"status.phase" is not a known field selector' in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert len(outcome.stdout.splitlines()) == 2, "the kind that can be chosen by it is listed all the same"


# -- S1.11: pages


def lists(proxy: Proxy, kind: str = "configmaps") -> list[dict[str, str]]:
    return [one.query for one in proxy.requests if one.path.endswith(f"/{kind}")]


@pytest.mark.parametrize("form", ["table", "name", "jsonl", "yaml"])
def test_pages(form: str, step: Step, proxy: Proxy, furnished: str) -> None:
    words = ("get", "cm", "-n", furnished, "-o", form)
    paged = step(*words, "--limit", "3", env=through(proxy))
    asked = lists(proxy)
    whole = step(*words)
    assert (paged.code, cells(paged.stdout)) == (0, cells(whole.stdout)), paged.text
    assert [query["limit"] for query in asked] == ["3", "3", "3"]
    assert ["continue" in query for query in asked] == [False, True, True]
    assert "3 read, 5 to go" in paged.stderr


def test_500_at_a_time(step: Step, proxy: Proxy, furnished: str) -> None:
    assert step("get", "cm", "-n", furnished, env=through(proxy)).code == 0
    assert lists(proxy) == [{"limit": "500", "includeObject": "None"}]


@pytest.mark.parametrize("form", ["table", "name", "jsonl", "json"])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_list_that_grows_too_old(goes_on: bool, form: str, step: Step, proxy: Proxy, furnished: str) -> None:
    too_old = faults.expired(goes_on=goes_on)
    proxy.rule(lambda request: len(lists(proxy)) == 3 and "continue" in request.query, too_old, 1)
    words = ("get", "cm", "-n", furnished, "-o", form)
    outcome = step(*words, "--limit", "2", env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert cells(outcome.stdout) == cells(step(*words).stdout), "each once"
    assert ("the rest is read as it is now" if goes_on else "starting over") in outcome.stderr
    starts = sum("continue" not in query for query in lists(proxy))
    assert starts == (1 if goes_on else 2)


def test_a_list_that_is_always_too_old(step: Step, proxy: Proxy, furnished: str) -> None:
    proxy.rule(lambda request: "continue" in request.query, faults.expired(goes_on=False), None)
    outcome = step("get", "cm", "-n", furnished, "--limit", "2", env=through(proxy))
    assert outcome.code == 4
    assert "too old" in outcome.stderr
    assert len(lists(proxy)) == 8, "three times over, and no more"


def test_faults_on_the_way(step: Step, proxy: Proxy, furnished: str) -> None:
    for fault in (faults.cut_midway(), faults.throttle(0), faults.html(502)):
        proxy.rule(on("GET", "/configmaps$"), fault, 1)
    outcome = step("get", "cm", "-n", furnished, "-o", "name", "--limit", "3", env=through(proxy))
    assert len(lines(outcome)) == 8


# -- S1.12: tables


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("kinds", ["pods", "deployments", "configmaps", "svc", "pods,deploy,svc,jobs"])
def test_tables(kinds: str, form: str, step: Step, kubectl: Kubectl, furnished: str) -> None:
    ours = "\n".join(lines(step("get", kinds, "-n", furnished, "-o", form)))
    theirs = kubectl("-n", furnished, "get", kinds, *(("-o", "wide") if form == "wide" else ())).stdout
    assert cells(ours) == cells(theirs)


def test_a_table_of_names(step: Step, kubectl: Kubectl, furnished: str) -> None:
    ours = "\n".join(lines(step("get", "cm", "web-1", "api", "-n", furnished)))
    assert cells(ours) == cells(kubectl("-n", furnished, "get", "cm", "web-1", "api").stdout)
    assert ours.count("NAME") == 1


# -- S1.13: YAML and JSON


@pytest.mark.parametrize("words", [("cm/api",), ("cm", "api", "cache"), ("deploy,svc",), ("jobs",)], ids=as_words)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_documents(words: Sequence[str], form: str, step: Step, kubectl: Kubectl, furnished: str) -> None:
    ours = step("get", *words, "-n", furnished, "-o", form)
    assert ours.code == 0, ours.text
    theirs = kubectl("-n", furnished, "get", *words, "-o", form).stdout
    assert ours.stdout == theirs


def test_texts_are_quoted_as_kubectl_quotes_them(
    step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str
) -> None:
    """But for two words that other readers of YAML take for something else, and long lines, which it folds."""
    data = {f"k{number:02}": text for number, text in enumerate(TRICKY) if text not in ("=", "<<")}
    data |= {
        "date": "2026-11-22T10:00:00Z",
        "empty": "",
        "lead": " x",
        "lines": "a\nb\n",
        "end": "x ",
    }
    cluster.create(f"/api/v1/namespaces/{namespace}/configmaps", config_map("tricky", **data))
    ours = step("get", "cm/tricky", "-n", namespace, "-o", "yaml")
    assert ours.stdout == kubectl("-n", namespace, "get", "cm/tricky", "-o", "yaml").stdout, ours.text


def test_lines_of_json(step: Step, kubectl: Kubectl, furnished: str) -> None:
    ours = [json.loads(line) for line in lines(step("get", "cm,svc", "-n", furnished, "-o", "jsonl"))]
    theirs = json.loads(kubectl("-n", furnished, "get", "cm,svc", "-o", "json").stdout)["items"]

    def ordered(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(objects, key=lambda one: one["metadata"]["uid"])

    assert ordered(ours) == ordered(theirs)


@pytest.mark.parametrize("words", [("secret/login",), ("secrets",)], ids=as_words)
@pytest.mark.parametrize("form", ["json", "yaml", "jsonl", "table", "wide", "name"])
def test_secrets_stay_secret(words: Sequence[str], form: str, step: Step, kubectl: Kubectl, namespace: str) -> None:
    secret = obj("v1", "Secret", "login", stringData={"password": "correct-horse"})
    kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(secret))
    outcome = step("get", *words, "-n", namespace, "-o", form, report=True)
    assert outcome.code == 0, outcome.text
    assert "login" in outcome.stdout
    for shown in ("correct-horse", base64.b64encode(b"correct-horse").decode()):
        assert shown not in outcome.text + json.dumps(outcome.report)
    assert ("masked here" in outcome.stderr) == (form in ("json", "yaml", "jsonl"))


@pytest.mark.parametrize("words", [("cm", "-l", "app=web"), ("cm/web-1",)], ids=as_words)
def test_protobuf_into_a_file(words: Sequence[str], step: Step, furnished: str, tmp_path: Path) -> None:
    path = tmp_path / "objects.pb"
    outcome = step("get", *words, "-n", furnished, "-o", "protobuf", "--output-file", str(path))
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.text
    written = path.read_bytes()
    assert written.startswith(b"k8s\x00"), "the magic number of the API's protobuf"
    assert b"web-1" in written and (b"web-2" in written) == (words[0] == "cm") and b"cache" not in written


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cm", "-o", "protobuf"), 2, "go together"),
        (("cm", "--output-file", "x"), 2, "go together"),
        (("cm,svc", "-o", "protobuf", "--output-file", "x"), 2, "one kind or one object"),
        (("secrets", "-o", "protobuf", "--output-file", "x"), 2, "can't be masked"),
        (("cm", "-o", "protobuf", "--output-file", "no/such/folder/x"), 2, "can't be written"),
        (("cm/nope", "-o", "protobuf", "--output-file", "x"), 4, '"nope" not found'),
        (("cm", "--field-selector", "a=b", "-o", "protobuf", "--output-file", "x"), 4, "not a known field selector"),
    ],
    ids=as_words,
)
def test_protobuf_is_refused(words: Sequence[str], code: int, said: str, step: Step, furnished: str) -> None:
    outcome = step("get", *words, "-n", furnished)
    assert (outcome.code, outcome.stdout) == (code, ""), outcome.text
    assert said in outcome.stderr


# -- words and options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what is to be read?"),
        (("cm/api", "-l", "app=web"), "a selector given as well"),
        (("cm", "api", "--field-selector", "metadata.name=api"), "a selector given as well"),
        (("cm/api", "-A"), "in one namespace"),
        (("podz",), "close to it: pod, pods"),
        (("cm", "-o", "xml"), "'xml' is none of"),
        (("cm", "--limit", "0"), "not a whole number above 0"),
    ],
    ids=as_words,
)
def test_what_is_asked_for_must_make_sense(words: Sequence[str], said: str, step: Step, furnished: str) -> None:
    outcome = step("get", *words, "-n", furnished)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.stderr


def test_by_variables(step: Step, furnished: str) -> None:
    env = {"INPUT_COMMAND": "get", "INPUT_OBJECT": "cm, deploy", "INPUT_SELECTOR": "app=web", "K8S_OUTPUT": "name"}
    found = lines(step(env={**env, "K8S_NAMESPACE": furnished}))
    assert {"configmap/web-1", "configmap/web-2"} <= set(found)


def test_several_kinds_are_asked_for_at_once(step: Step, proxy: Proxy, furnished: str) -> None:
    assert step("get", "cm,svc,deploy,pods", "-n", furnished, env=through(proxy)).code == 0
    assert len(proxy.requests) == 4, "and no discovery"


def test_what_is_forbidden_keeps_the_rest_from_nothing(step: Step, proxy: Proxy, furnished: str) -> None:
    proxy.rule(on("GET", "/services$"), faults.forbid(), None)
    outcome = step("get", "svc,cm", "-n", furnished, "-o", "name", env=through(proxy))
    assert outcome.code == 4
    assert len(outcome.stdout.splitlines()) == 8
    assert "is forbidden" in outcome.stderr
