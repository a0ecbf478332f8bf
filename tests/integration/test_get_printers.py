"""What ``get`` prints by templates, columns, order, labels and subresources, beside what kubectl prints of the same."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Sequence

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import config_map, custom, definition, deployment, obj, pod, service, through


@pytest.fixture(scope="module")
def furnished(cluster: Cluster) -> Iterator[str]:
    """A namespace with three pods, one of them without a node, two Deployments, a Service, ConfigMaps and quotas."""
    space = cluster.namespace(f"print-{secrets.token_hex(4)}")
    base = f"/api/v1/namespaces/{space}"
    for name, number in (("c", "10"), ("a", "9"), ("b", "x")):
        made = config_map(name, number=number, text="one\ntwo")
        made["metadata"]["labels"] = {"number": number, "app": "web"} if name != "b" else {}
        cluster.create(f"{base}/configmaps", made)
    cluster.create(f"{base}/pods", pod("lonely", "app:1", "Never", nodeSelector={"no": "such"}))
    cluster.create(f"{base}/services", service("web"))
    deployments = f"/apis/apps/v1/namespaces/{space}/deployments"
    cluster.create(deployments, deployment("web", "app:1", replicas=2))
    cluster.create(deployments, deployment("none", "app:1", replicas=0))
    poll(lambda: cluster.get(f"{deployments}/web")["status"].get("readyReplicas") == 2, "two ready pods", 60)
    # Last: a quota refuses pods that name no limits.
    for name, memory in (("big", "1Gi"), ("small", "900M"), ("tiny", "2e3")):
        cluster.create(
            f"{base}/resourcequotas", obj("v1", "ResourceQuota", name, spec={"hard": {"limits.memory": memory}})
        )
    yield space
    cluster.leave_namespace(space)


def printed(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.text
    return outcome.stdout


TEMPLATES = [
    "{.items[*].metadata.name}",
    '{range .items[*]}{.kind}/{.metadata.name}{"\\t"}{.metadata.labels}{"\\n"}{end}',
    "{.items[0].data}",
    "{.items[-1:].data.number}|{.kind}|{.apiVersion}|{.metadata}",
    '{.items[?(@.metadata.name=="a")].data.text}',
    "{.items[*]['metadata.name', 'data.number']}",
    "{.items[*].metadata.managedFields[*].manager}",
    "{.missing}",
    "text alone",
]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("words", [("cm", "-l", "number"), ("cm", "a", "b"), ("cm", "-l", "no=such"), ("cm,quota",)])
def test_templates_over_lists(
    template: str, words: Sequence[str], step: Step, kubectl: Kubectl, furnished: str
) -> None:
    flags = (*words, "-n", furnished, "-o", f"jsonpath={template}")
    theirs = kubectl("get", *flags, check=False)
    ours = step("get", *flags)
    assert (ours.code == 0) == (theirs.returncode == 0), ours.text
    if ours.code == 0:
        assert ours.stdout.removesuffix("\n") == theirs.stdout.removesuffix("\n")


@pytest.mark.parametrize(
    "template", ["{.metadata.name}", "{.spec.template.spec.containers[0].image}", "{.status.conditions}"]
)
def test_templates_over_one(template: str, step: Step, kubectl: Kubectl, furnished: str) -> None:
    flags = ("deploy/web", "-n", furnished, "-o", f"jsonpath={template}")
    assert printed(step("get", *flags)).removesuffix("\n") == kubectl("get", *flags).stdout


COLUMNS = [
    "NAME:.metadata.name",
    "NAME:metadata.name,KIND:{.kind},N:{.data.number}",
    "A long header:.metadata.name,LABELS:.metadata.labels,NONE:.metadata.nothing",
    "N:.metadata.name,N:.metadata.name",
]


@pytest.mark.parametrize("spec", COLUMNS)
@pytest.mark.parametrize("more", [(), ("--no-headers",)])
@pytest.mark.parametrize("words", [("cm", "-l", "number"), ("cm/a",), ("cm", "-l", "no=such"), ("cm", "a", "c")])
def test_columns(
    words: Sequence[str], more: Sequence[str], spec: str, step: Step, kubectl: Kubectl, furnished: str
) -> None:
    flags = (*words, "-n", furnished, "-o", f"custom-columns={spec}", *more)
    assert printed(step("get", *flags)) == kubectl("get", *flags).stdout


def test_columns_of_lists_within_objects(step: Step, kubectl: Kubectl, furnished: str) -> None:
    spec = "NAME:.metadata.name,IMAGES:.spec.containers[*].image,SPEC:.spec.nodeSelector,TOLERATIONS:.spec.tolerations"
    flags = ("pods", "-n", furnished, "-o", f"custom-columns={spec}")
    assert printed(step("get", *flags)) == kubectl("get", *flags).stdout


def test_columns_of_an_empty_text(step: Step, kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(config_map("bare", empty="", full="x")))
    spec = "EMPTY:.data.empty,NONE:.data.nothing,FULL:.data.full"
    flags = ("cm", "bare", "-n", namespace, "-o", f"custom-columns={spec}")
    assert printed(step("get", *flags)).splitlines() == kubectl("get", *flags).stdout.splitlines()


def test_a_cell_is_one_line(step: Step, furnished: str) -> None:
    outcome = step("get", "cm/a", "-n", furnished, "-o", "custom-columns=TEXT:.data.text")
    assert printed(outcome) == "TEXT\none two\n"


ORDERS = [
    ("cm", ".metadata.name"),
    ("cm", "{.metadata.uid}"),
    ("cm", "metadata.resourceVersion"),
    ("quota", ".spec.hard.limits\\.memory"),
    ("deploy", ".spec.replicas"),
]


@pytest.mark.parametrize(("kinds", "path"), ORDERS)
@pytest.mark.parametrize(
    "form", ["table", "name", "jsonpath={.items[*].metadata.name}", "custom-columns=N:.metadata.name"]
)
def test_order(form: str, kinds: str, path: str, step: Step, kubectl: Kubectl, furnished: str) -> None:
    words = (kinds, "-n", furnished, "--sort-by", path)
    theirs = kubectl("get", *words, *(() if form == "table" else ("-o", form))).stdout
    ours = printed(step("get", *words, "-o", form))
    assert [line.split()[0] for line in ours.splitlines() if line] == [
        line.split()[0] for line in theirs.splitlines() if line
    ]


def test_those_without_the_field_come_first(step: Step, furnished: str) -> None:
    outcome = step("get", "cm", "-n", furnished, "--sort-by", ".data.number", "-o", "name", "--limit", "2")
    assert printed(outcome).split() == ["configmap/kube-root-ca.crt", "configmap/a", "configmap/c", "configmap/b"]


def without_age(text: str) -> list[list[str]]:
    rows = [line.split() for line in text.splitlines()]
    at = next((row.index("AGE") for row in rows if "AGE" in row), None)
    return [[cell for place, cell in enumerate(row) if place != at] for row in rows]


@pytest.mark.parametrize("form", [(), ("-o", "wide")])
@pytest.mark.parametrize("words", [("cm",), ("pods,deploy",), ("cm", "a"), ("ns", "default")])
def test_labels(words: Sequence[str], form: Sequence[str], step: Step, kubectl: Kubectl, furnished: str) -> None:
    flags = (*words, "-n", furnished, "--show-labels", *form)
    assert without_age(printed(step("get", *flags))) == without_age(kubectl("get", *flags).stdout)


def test_no_headers(step: Step, kubectl: Kubectl, furnished: str) -> None:
    flags = ("cm", "-n", furnished, "--no-headers")
    ours, theirs = printed(step("get", *flags)), kubectl("get", *flags).stdout
    assert [line.split()[:2] for line in ours.splitlines()] == [line.split()[:2] for line in theirs.splitlines()]


@pytest.mark.parametrize("part", ["status", "scale"])
@pytest.mark.parametrize("form", ["json", "table", "name"])
def test_subresources(part: str, form: str, step: Step, kubectl: Kubectl, furnished: str) -> None:
    flags = ("deploy/web", "-n", furnished, "--subresource", part)
    theirs = kubectl("get", *flags, *(() if form == "table" else ("-o", form))).stdout
    ours = printed(step("get", *flags, "-o", form))
    if form == "json":
        assert json.loads(ours) == json.loads(theirs)
    elif form == "table":
        assert without_age(ours) == without_age(theirs)
    else:
        assert ours.split("/")[-1] == theirs.split("/")[-1]


def test_all_and_a_category_of_custom_resources(step: Step, kubectl: Kubectl, namespace: str, furnished: str) -> None:
    """``all`` is what it is for kubectl. One test for both: what is of ``all`` in one comes and goes in the other."""
    ours = printed(step("get", "all", "-n", furnished, "-o", "name")).splitlines()
    assert ours == kubectl("-n", furnished, "get", "all", "-o", "name").stdout.splitlines()
    assert any(line.startswith("replicaset.apps/web-") for line in ours)
    group = f"{namespace[:7]}.example.com"
    made = definition(group)
    made["spec"]["names"]["categories"] = ["all", f"{namespace[:7]}s"]
    kubectl("create", "-f", "-", input=json.dumps(made))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}")
    try:
        kubectl(
            "-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all([custom(group, "one"), custom(group, "two")])
        )
        words = (f"{namespace[:7]}s,cm", "-n", namespace, "-o", "name")
        ours = printed(step("get", *words)).splitlines()
        assert ours[:2] == [f"widget.{group}/one", f"widget.{group}/two"] and len(ours) == 3
        # the name of a kind comes before that of a category
        assert f"widget.{group}/one" in printed(step("get", "all", "-n", namespace, "-o", "name"))
    finally:
        kubectl("delete", "crd", f"widgets.{group}", "--wait=false")


def test_a_printer_column_without_a_value(step: Step, kubectl: Kubectl, namespace: str) -> None:
    group = f"{namespace[:7]}.example.com"
    made = definition(group, "Gadget")
    paths = {"Phase": ".status.phase", "Size": ".spec.size", "Color": ".spec.color"}
    made["spec"]["versions"][0]["additionalPrinterColumns"] = [
        {"name": name, "type": "string", "jsonPath": path, "priority": int(name == "Color")}
        for name, path in paths.items()
    ]
    kubectl("create", "-f", "-", input=json.dumps(made))
    kubectl("wait", "--for=condition=Established", f"crd/gadgets.{group}")
    try:
        objects = [custom(group, "one", "Gadget"), custom(group, "two", "Gadget", spec={"size": "big"})]
        kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all(objects))
        for form in ((), ("-o", "wide")):
            flags = (f"gadgets.{group}", "-n", namespace, *form)
            assert without_ends(printed(step("get", *flags))) == without_ends(kubectl("get", *flags).stdout)
    finally:
        kubectl("delete", "crd", f"gadgets.{group}", "--wait=false")


def without_ends(text: str) -> list[str]:
    """Its lines without the blanks at their ends."""
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize(
    "form",
    ["jsonpath={.items[*].data.password}", "jsonpath={.items}", "custom-columns=N:.metadata.name,P:.data.password"],
)
def test_secrets_stay_secret(form: str, step: Step, kubectl: Kubectl, namespace: str) -> None:
    secret = obj("v1", "Secret", "login", stringData={"password": "correct-horse"})
    kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(secret))
    for words in (("-o", form), ("-o", form, "--sort-by", ".data.password")):
        outcome = step("get", "secrets", "-n", namespace, *words)
        assert "***" in printed(outcome) and "masked here" in outcome.stderr
        for shown in ("correct-horse", base64.b64encode(b"correct-horse").decode()):
            assert shown not in outcome.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cm", "-o", "jsonpath={.a"), "is no JSONPath"),
        (("cm", "-o", "jsonpath="), "is none of"),
        (("cm", "-o", "jsonpath={metadata.name}"), "a field is .metadata"),
        (("cm", "-o", "custom-columns=NAME"), "is no column"),
        (("cm", "-o", "custom-columns=NAME:{.a}{.b}"), "is no path to a field"),
        (("cm", "--sort-by", "{.a"), "--sort-by: '{.a' is no path to a field"),
        (("cm", "-o", "json", "--show-labels"), "--show-labels"),
        (("cm", "--subresource", "status"), "--subresource"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_asked(
    words: Sequence[str], said: str, step: Step, proxy: Proxy, furnished: str
) -> None:
    outcome = step("get", *words, "-n", furnished, env=through(proxy))
    assert (outcome.code, outcome.stdout, proxy.requests) == (2, "", []), outcome.text
    assert said in outcome.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cm", "-o", "jsonpath={.items[99]}"), "out of bounds"),
        (("cm", "--sort-by", ".no.such"), "no object has a field"),
        (("cm", "--sort-by", ".metadata.labels"), "can't be sorted by"),
        (("cm,deploy", "-o", "name", "--sort-by", ".metadata.labels"), "can't be sorted by"),
    ],
    ids=str,
)
def test_what_does_not_fit_the_objects(words: Sequence[str], said: str, step: Step, furnished: str) -> None:
    outcome = step("get", *words, "-n", furnished)
    assert (outcome.code, outcome.stdout) == (2, ""), outcome.text
    assert said in outcome.stderr and "Traceback" not in outcome.stderr
