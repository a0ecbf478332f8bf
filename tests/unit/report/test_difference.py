"""What a diff shows, what it leaves out, and that it never shows a Secret."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from k8s_step.objects.reference import Reference
from k8s_step.redaction import Redactor, SecretValue
from k8s_step.report.difference import Difference, difference

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def obj(kind: str = "ConfigMap", *, version: int = 1, annotations: dict[str, str] | None = None, **fields: Any) -> Any:
    metadata = {
        "name": "settings",
        "namespace": "shop",
        "uid": "11111111-2222",
        "resourceVersion": str(version),
        "generation": version,
        "creationTimestamp": "2026-11-22T10:00:00Z",
        "managedFields": [{"manager": "k8s-step", "time": str(version)}],
        **({"annotations": annotations} if annotations else {}),
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "status": {"seen": version}, **fields}


def compared(live: Any, merged: Any, manifest: Any = None) -> Difference:
    reference = Reference.to(merged, "k8s/settings.yaml", 3)
    return difference(reference, "configured" if live else "created", live, merged, manifest or merged)


def changes(found: Difference) -> list[str]:
    return [line for line in found.lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_change_reads_as_a_unified_diff_with_its_place() -> None:
    found = compared(obj(data={"a": "1", "b": "2"}), obj(version=2, data={"a": "1", "b": "3"}))
    assert found.title == "configmap/shop/settings (k8s/settings.yaml:3) would be configured"
    assert found.lines[:2] == ("--- live/v1/ConfigMap/shop/settings", "+++ merged/v1/ConfigMap/shop/settings")
    assert changes(found) == ['-  b: "2"', '+  b: "3"']


def test_what_the_server_keeps_for_itself_is_no_difference() -> None:
    assert compared(obj(data={"a": "1"}), obj(version=2, data={"a": "1"})).lines == ()


def test_a_new_object_is_all_added() -> None:
    found = compared(None, obj(data={"a": "1"}))
    assert found.lines[0] == "--- /dev/null"
    assert found.lines[2] == "@@ -0,0 +1,7 @@"
    assert changes(found) == [
        "+apiVersion: v1",
        "+data:",
        '+  a: "1"',
        "+kind: ConfigMap",
        "+metadata:",
        "+  name: settings",
        "+  namespace: shop",
    ]


def test_addresses_that_a_dry_run_draws_are_left_out_unless_asked_for() -> None:
    ports = [{"port": 80, "nodePort": 31111}, {"port": 81, "nodePort": 30081}]
    merged = obj("Service", spec={"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ports": ports})
    manifest = {"spec": {"ports": [{"port": 80}, {"port": 81, "nodePort": 30081}]}}
    assert changes(compared(None, merged, manifest))[-5:] == [
        "+spec:",
        "+  ports:",
        "+  - port: 80",
        "+  - nodePort: 30081",
        "+    port: 81",
    ]
    asked = {"spec": {**manifest["spec"], "clusterIP": "10.0.0.9"}}
    assert "+  clusterIP: 10.0.0.9" in changes(compared(None, merged, asked))


def test_the_uid_that_a_dry_run_draws_is_left_out_wherever_it_stands() -> None:
    labels = {"job-name": "x", "controller-uid": "11111111-2222"}
    found = compared(None, obj("Job", spec={"template": {"metadata": {"labels": labels}}}))
    assert "11111111-2222" not in "\n".join(found.lines)
    assert "+        job-name: x" in found.lines


@pytest.mark.parametrize("live", [True, False], ids=["changed", "new"])
def test_no_secret_is_shown_nor_how_long_it_is(live: bool) -> None:
    long, short = encoded("a much longer password"), encoded("pw")
    before = obj("Secret", data={"kept": encoded("stays"), "changed": long, "gone": short}) if live else None
    after = obj("Secret", data={"kept": encoded("stays"), "changed": short, "new": long})
    found = compared(before, after)
    text = "\n".join(found.lines)
    for value in (long, short, encoded("stays"), "stays", "password"):
        assert value not in text
    if live:
        expected = ["-  changed: '*** (before)'", "-  gone: '***'", "+  changed: '*** (after)'", "+  new: '***'"]
        assert sorted(changes(found)) == sorted(expected)
        assert "   kept: '***'" in found.lines
    else:
        assert "+  changed: '***'" in found.lines


def test_a_secret_that_stays_is_no_difference() -> None:
    assert compared(obj("Secret", data={"a": "Yg=="}), obj("Secret", version=2, data={"a": "Yg=="})).lines == ()


def test_text_that_is_not_yet_encoded_is_masked_too() -> None:
    found = compared(None, obj("Secret", stringData={"password": "open sesame"}))
    assert "+  password: '***'" in found.lines and "sesame" not in "\n".join(found.lines)


@pytest.mark.parametrize("data", ["open sesame", ["open sesame"]])
def test_a_secret_of_the_wrong_shape_is_masked_too(data: Any) -> None:
    found = compared(obj("Secret", data={"a": "b3BlbiBzZXNhbWU="}), obj("Secret", data=data))
    assert "sesame" not in "\n".join(found.lines) and "b3Blbi" not in "\n".join(found.lines)


def test_what_kubectl_noted_of_a_secret_is_masked_where_it_goes_and_left_out_where_it_stays() -> None:
    note = {LAST_APPLIED: json.dumps({"stringData": {"a": "open sesame"}})}
    live = obj("Secret", annotations={**note, "team": "web"}, data={"a": "Yg=="})
    same = compared(live, obj("Secret", annotations={**note, "team": "api"}, data={"a": "Yg=="}))
    assert changes(same) == ["-    team: web", "+    team: api"]
    assert LAST_APPLIED not in "\n".join(same.lines)
    gone = compared(live, obj("Secret", annotations={"team": "web"}, data={"a": "Yg=="}))
    assert changes(gone) == [f"-    {LAST_APPLIED}: '***'"]
    other = {LAST_APPLIED: json.dumps({"stringData": {"a": "another"}})}
    changed = compared(live, obj("Secret", annotations={**other, "team": "web"}, data={"a": "Yg=="}))
    assert changes(changed) == []


REFERENCE = Reference("v1", "ConfigMap", "shop", "settings")


def masking(*values: str) -> Redactor:
    made = Redactor()
    made.add_values([SecretValue(value) for value in values])
    return made


def masked_changes(before: Any, after: Any, *values: str) -> list[str]:
    return changes(difference(REFERENCE, "configured", before, after, after, redactor=masking(*values)))


def test_known_values_are_masked_before_there_are_lines() -> None:
    before = obj("ConfigMap", data={"receivers": "one", "text": 'a\n"receivers":\nb\n'})
    after = obj("ConfigMap", data={"receivers": "hunter2", "text": 'a\n"receivers":\nc\n'})
    assert masked_changes(before, after, '"receivers":', "receivers", "hunter2", "data", "text") == [
        "-  receivers: one",
        "+  receivers: '***'",
        "-    b",
        "+    c",
    ]


def test_texts_that_differ_only_in_what_is_masked_are_told_apart() -> None:
    same = {"d": "hunter1"}
    before = obj(data={"a": "with hunter1", "b": "stays\nhunter1\nstays\n", "c": ["hunter1", "x"], **same})
    after = obj(data={"a": "with hunter2", "b": "stays\nhunter2\nstays\n", "c": ["hunter2"], **same})
    assert masked_changes(before, after, "hunter1", "hunter2") == [
        "-  a: with *** (before)",
        "+  a: with *** (after)",
        "-    *** (before)",
        "+    *** (after)",
        "-  - '*** (before)'",
        "-  - x",
        "+  - '*** (after)'",
    ]


def test_lines_that_can_not_be_told_apart() -> None:
    before, after = obj("ConfigMap", data={"a": "x one\ntwo"}), obj("ConfigMap", data={"a": "x another"})
    assert masked_changes(before, after, "one\ntwo", "another") == ["-  a: x *** (before)", "+  a: x *** (after)"]


def test_a_name_in_the_head_stays() -> None:
    made = difference(REFERENCE, "created", None, obj(), {}, redactor=masking("settings", "ConfigMap", "shop"))
    assert made.lines[1] == "+++ merged/v1/ConfigMap/shop/settings"
    assert {"+kind: ConfigMap", "+  name: settings", "+  namespace: shop"} <= set(made.lines)
