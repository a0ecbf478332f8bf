from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_step.errors import InputError
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.ownership.applied import (
    has_same_content,
    is_applied,
    without_counts,
    without_servers_own,
    without_status,
)

# Everything but lone surrogates, which are no text.
texts = st.text(st.characters(exclude_categories=("Cs",)))
# PyYAML reads 1e22 as text where go-yaml reads a number, so floats are left to the test below.
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
@example("\ud83d\ude00 \U0001f600 é \x00\x01\x1f\x7f\x80\x85\x9f  \ufeff \ufffe\uffff \U0001fffe")
@example({"~": "yes", "012": "- a", "a: b": "#", "": "? x", "<<": "*alias", "@": "`", "%": "!tag &anchor"})
@example({"key": "two\nlines\r\n\ttab\\ \"quoted\" 'single' {{ ${X} }}"})
def test_a_body_is_the_same_as_json_and_as_yaml(value: Any) -> None:
    try:
        body = encode(value)
    except InputError:
        assert any("\ud800" <= letter <= "\udfff" for letter in json.dumps(value, ensure_ascii=False))
        return
    assert json.loads(body) == value
    assert yaml.load(body, yaml.CSafeLoader) == value
    assert b"\n" not in body


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_value(value: float) -> None:
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        encode({"a": value})


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "\udfff\ud800"])
def test_bytes_that_are_no_text_are_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="no Unicode"):
        encode({"data": {"key": text}})


def test_patch_types_are_content_types() -> None:
    assert [each.name for each in PatchType] == ["STRATEGIC", "MERGE", "JSON", "APPLY"]
    assert PatchType.APPLY == "application/apply-patch+yaml"


MANIFEST = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "finalizers": ["example.com/a"]},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "app",
                        "image": "web:1",
                        "args": ["-v", "--port=80"],
                        "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
                        "resources": {"limits": {"cpu": "500m"}},
                    },
                    {"name": "side", "image": "side:1"},
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
    },
}
FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"example.com/a"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"app"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {
                            'k:{"containerPort":53,"protocol":"UDP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:protocol": {},
                            },
                            'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                        },
                        "f:resources": {"f:limits": {"f:cpu": {}}},
                    },
                    'k:{"name":"side"}': {".": {}, "f:name": {}, "f:image": {}},
                },
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            },
        },
    },
}


def entry(fields: Any, **more: Any) -> dict[str, Any]:
    common = {"manager": "k8s-step", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1"}
    return {**common, "fieldsV1": fields, **more}


def live() -> dict[str, Any]:
    """As the server returns it: with defaults, and with what others wrote."""
    given: dict[str, Any] = copy.deepcopy(MANIFEST)
    given["metadata"] |= {
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-11-22T10:00:00Z",
    }
    given["metadata"]["labels"]["team"] = "checkout"
    given["spec"] |= {"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10}
    containers = given["spec"]["template"]["spec"]["containers"]
    for each in containers:
        each["imagePullPolicy"] = "IfNotPresent"
    containers[0]["ports"][0]["protocol"] = "TCP"
    containers.insert(1, {"name": "injected", "image": "mesh:1"})
    given["status"] = {"replicas": 2}
    others = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {}}
    given["metadata"]["managedFields"] = [others, entry(copy.deepcopy(FIELDS))]
    return given


def test_the_same_manifest_again_need_not_be_sent() -> None:
    assert is_applied(live(), MANIFEST, "k8s-step")


def at(given: Any, path: str) -> tuple[Any, Any]:
    *way, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    for part in way:
        given = given[part]
    return given, last


CONTAINERS = "spec/template/spec/containers"
CHANGES = [
    ("spec/replicas", 3),
    ("spec/replicas", 2.0),
    ("spec/replicas", "2"),
    ("spec/selector/matchLabels/app", "api"),
    ("metadata/labels/app", "api"),
    ("metadata/labels/new", "x"),
    ("metadata/annotations", {"a": "b"}),
    ("metadata/finalizers", ["example.com/a", "example.com/b"]),
    ("metadata/finalizers", ["example.com/b"]),
    ("metadata/finalizers", []),
    (f"{CONTAINERS}/0/image", "web:2"),
    (f"{CONTAINERS}/0/args/1", "--port=81"),
    (f"{CONTAINERS}/0/args", ["-v"]),
    (f"{CONTAINERS}/0/env", [{"name": "A", "value": "1"}]),
    (f"{CONTAINERS}/0/ports/0/protocol", "UDP"),
    (f"{CONTAINERS}/0/ports/0/containerPort", 8080),
    (f"{CONTAINERS}/0/resources/limits/cpu", "0.5"),
    (f"{CONTAINERS}/0/resources", {}),
    (f"{CONTAINERS}/1/name", "other"),
    ("spec/template/spec/volumes/0/emptyDir", {"medium": "Memory"}),
    ("spec/template/spec/volumes/0", {"name": "tmp"}),
    ("spec/template/spec/volumes", "none"),
    ("spec/paused", None),
    ("apiVersion", "apps/v1beta2"),
]


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_a_manifest_that_says_otherwise_is_sent(path: str, value: Any) -> None:
    changed = copy.deepcopy(MANIFEST)
    parent, last = at(changed, path)
    parent[last] = value
    assert not is_applied(live(), changed, "k8s-step")


@pytest.mark.parametrize(
    "path",
    ["metadata/labels", "spec/replicas", f"{CONTAINERS}/1", f"{CONTAINERS}/0/ports/1", "spec/template/spec/volumes"],
)
def test_a_manifest_that_says_less_is_sent_so_that_fields_are_given_up(path: str) -> None:
    changed = copy.deepcopy(MANIFEST)
    parent, last = at(changed, path)
    del parent[last]
    assert not is_applied(live(), changed, "k8s-step")


def test_a_new_order_is_sent() -> None:
    changed: Any = copy.deepcopy(MANIFEST)
    changed["spec"]["template"]["spec"]["containers"].reverse()
    assert not is_applied(live(), changed, "k8s-step")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/replicas", 5),  # kubectl scale
        (f"{CONTAINERS}/0/image", "web:hotfix"),  # kubectl set image
        ("metadata/labels/app", "x"),
        ("metadata/finalizers", []),
        ("spec/selector", {"matchLabels": {"app": "web", "tier": "b"}}),
        (f"{CONTAINERS}/0/args", ["-v", "--port=80", "--debug"]),
        ("spec", None),
    ],
)
def test_what_others_changed_since_is_sent_again(path: str, value: Any) -> None:
    given = live()
    parent, last = at(given, path)
    parent[last] = value
    assert not is_applied(given, MANIFEST, "k8s-step")


@pytest.mark.parametrize(
    "managed",
    [
        None,
        [],
        [entry(FIELDS, manager="kubectl")],
        [entry(FIELDS, operation="Update")],
        [entry(FIELDS, apiVersion="apps/v1beta2")],
        [entry(FIELDS, subresource="scale")],
        [entry(None)],
        [entry({"f:spec": {}})],
        [entry({"i:0": {}})],
    ],
)
def test_only_our_own_fields_prove_anything(managed: Any) -> None:
    given = live()
    given["metadata"]["managedFields"] = managed
    assert not is_applied(given, MANIFEST, "k8s-step")


def test_fields_of_another_manager_of_ours_do_not() -> None:
    assert not is_applied(live(), MANIFEST, "pipeline-b")


NAMES = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "shop"}}


def test_one_that_is_but_a_name_owns_nothing_and_has_no_entry() -> None:
    given = {**NAMES, "metadata": {**NAMES["metadata"], "labels": {"a": "b"}, "managedFields": None}}
    assert is_applied(given, NAMES, "k8s-step")


def test_unless_it_owned_something_before() -> None:
    given: Any = copy.deepcopy(NAMES)
    given["metadata"]["managedFields"] = [entry({"f:metadata": {"f:labels": {"f:a": {}}}}, apiVersion="v1")]
    assert not is_applied(given, NAMES, "k8s-step")


def test_sets_of_numbers_and_truths_are_told_apart() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "X", "spec": {"set": [1]}}
    given = {
        **manifest,
        "spec": {"set": [True]},
        "metadata": {"managedFields": [entry({"f:spec": {"f:set": {"v:1": {}}}})]},
    }
    assert not is_applied(given, manifest, "k8s-step")


keys = st.sampled_from(["a", "b", "c"])
leaves = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "1"])
specs = st.dictionaries(keys, leaves | st.dictionaries(keys, leaves, min_size=1, max_size=2), max_size=3)


def fields_of(value: Any) -> dict[str, Any]:
    return {f"f:{key}": fields_of(each) for key, each in value.items()} if isinstance(value, dict) else {}


@given(specs, specs, specs)
def test_what_need_not_be_sent_would_change_nothing(owned: Any, present: Any, wanted: Any) -> None:
    """With a plain merge for a server: where we call it applied, applying gives the object that is there."""
    common = {"apiVersion": "apps/v1", "kind": "X"}
    metadata = {"managedFields": [entry({"f:spec": fields_of(owned)} if owned else {})]}
    if is_applied({**common, "metadata": metadata, "spec": present}, {**common, "spec": wanted}, "k8s-step"):
        assert json.dumps(merged(present, wanted), sort_keys=True) == json.dumps(present, sort_keys=True)
        assert wanted.keys() == owned.keys()


def merged(present: Any, wanted: Any) -> Any:
    if not isinstance(present, dict) or not isinstance(wanted, dict):
        return wanted
    return {**present, **{key: merged(present.get(key), value) for key, value in wanted.items()}}


def test_without_status() -> None:
    given = live()
    given["metadata"]["managedFields"][1]["time"] = "2026-11-22T10:00:00Z"
    kept = without_status(given, "k8s-step")
    assert "status" not in kept
    assert "resourceVersion" not in kept["metadata"]
    assert [each["manager"] for each in kept["metadata"]["managedFields"]] == ["k8s-step"]
    assert "time" not in kept["metadata"]["managedFields"][0]
    assert given["status"], "the answer itself is left as it is"


@pytest.mark.parametrize("annotations", [{}, {"team": "shop"}], ids=["the only one", "beside another"])
@pytest.mark.parametrize("key", ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"])
def test_what_a_controller_counts_is_no_change(key: str, annotations: dict[str, str]) -> None:
    made = live()
    before = {**made, "metadata": {**made["metadata"], **({"annotations": annotations} if annotations else {})}}
    after = {**made, "metadata": {**made["metadata"], "annotations": {**annotations, key: "1"}}}
    assert without_status(before, "k8s-step") == without_status(after, "k8s-step")
    assert without_counts(before) == without_counts(after) == before
    assert without_counts({"kind": "Shop", "metadata": None}) == {"kind": "Shop", "metadata": {}}


RULES = {"f:spec": {"f:rules": {}}}


@pytest.mark.parametrize(
    ("kind", "fields", "wanted", "spec", "is_current"),
    [
        ("NetworkPolicy", RULES, {"rules": []}, {}, True),
        ("NetworkPolicy", RULES, {"rules": [{}]}, {}, False),
        ("NetworkPolicy", RULES, {"rules": ""}, {}, False),
        ("NetworkPolicy", RULES, {"rules": [{"from": [], "to": None}]}, {"rules": [{}]}, True),
        ("NetworkPolicy", RULES, {"rules": [{"from": {}}]}, {"rules": [{}]}, False),
        ("NetworkPolicy", {"f:spec": {"f:a": {}}}, {"a": 1, "merged": []}, {"a": 1}, True),
        (
            "NetworkPolicy",
            RULES,
            {"rules": {"fieldPath": "a"}},
            {"rules": {"fieldPath": "a", "apiVersion": "v1"}},
            True,
        ),
        (
            "NetworkPolicy",
            RULES,
            {"rules": {"fieldPath": "a"}},
            {"rules": {"fieldPath": "a", "apiVersion": "v2"}},
            False,
        ),
        ("NetworkPolicy", RULES, {"rules": {"resource": "a"}}, {"rules": {"resource": "a", "divisor": "0"}}, True),
        ("NetworkPolicy", {"f:spec": {"f:a": {}}}, {"a": 1, "merged": []}, {"a": 1, "merged": [1]}, False),
        ("Own", RULES, {"rules": [{"from": []}]}, {"rules": [{}]}, False),
        ("Own", {"f:spec": {"f:a": {}}}, {"a": 1, "merged": []}, {"a": 1}, False),
    ],
)
def test_what_the_server_stores_as_nothing_is_there(
    kind: str, fields: Any, wanted: Any, spec: Any, is_current: bool
) -> None:
    """The ``ingress: []`` of a NetworkPolicy, whose generation would rise at each apply."""
    version = "networking.k8s.io/v1"
    entry = {"manager": "k8s-step", "operation": "Apply", "apiVersion": version, "fieldsV1": fields}
    live = {"metadata": {"managedFields": [entry]}, "spec": spec}
    manifest = {"apiVersion": version, "kind": kind, "metadata": {}, "spec": wanted}
    assert is_applied(live, manifest, "k8s-step") == is_current


WRITTEN: dict[str, Any] = {
    "kind": "Shop",
    "metadata": {
        "name": "one",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 2,
        "managedFields": [{"manager": "x"}],
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "selfLink": "/x",
        "labels": {"a": "b"},
    },
    "spec": {"size": 1},
    "status": {"phase": "Ready"},
}


def test_what_only_the_server_writes_is_left_out() -> None:
    wanted = {"kind": "Shop", "metadata": {"name": "one", "labels": {"a": "b"}}, "spec": {"size": 1}}
    assert without_servers_own(WRITTEN) == wanted
    assert without_servers_own({"kind": "Shop", "metadata": None}) == {"kind": "Shop", "metadata": {}}


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [("resourceVersion", "8", True), ("generation", 3, True), ("managedFields", [], True), ("uid", "other", False)],
)
def test_what_each_write_changes_is_no_content(field: str, value: Any, same: bool) -> None:
    other = {**WRITTEN, "metadata": {**WRITTEN["metadata"], field: value}}  # type: ignore[dict-item]
    assert has_same_content(WRITTEN, other) is same


def test_the_status_is_content() -> None:
    assert not has_same_content(WRITTEN, {**WRITTEN, "status": {"phase": "Failed"}})
