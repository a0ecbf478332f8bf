"""``render``: what would be sent, as documents that kubectl reads back as the same objects, without a server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import ROOT
from tests.integration.objects import SHOP, config_map, deployment, obj, write

SHARED = ROOT.parent / "shared" / "manifests"


def manifests() -> list[Path]:
    shared = [SHARED / name for name in ("online-boutique.yaml", "guestbook.yaml", "ingress-nginx-kind.yaml")]
    return [SHOP, *(path for path in shared if path.exists())]


def read_by_kubectl(kubectl: Kubectl, text: str) -> dict[tuple[str, str], object]:
    """The objects that kubectl sees, by kind and name, without sending them."""
    answer = kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", input=text).stdout
    items, rest = [], answer.lstrip()
    while rest:
        one, end = json.JSONDecoder().raw_decode(rest)
        items += one["items"] if one["kind"] == "List" else [one]
        rest = rest[end:].lstrip()
    return {(item["kind"], item["metadata"]["name"]): item for item in items}


@pytest.mark.parametrize("output", ["yaml", "json"])
@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.stem)
def test_kubectl_reads_the_same_objects(path: Path, output: str, step: Step, kubectl: Kubectl) -> None:
    outcome = step("render", "-f", str(path), "-o", output, env={"KUBECONFIG": None})
    assert outcome.code == 0, outcome.text
    wanted = read_by_kubectl(kubectl, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path.read_text()))
    found = read_by_kubectl(kubectl, outcome.stdout)
    assert wanted.keys() == found.keys()
    assert [key for key in wanted if key[0] != "Secret" and wanted[key] != found[key]] == []


def test_values_and_images_are_filled_in_and_the_order_is_that_of_sending(step: Step, tmp_path: Path) -> None:
    made = deployment(image="shop/web:1")
    made["metadata"]["labels"] = {"team": "${TEAM}"}
    path = write(tmp_path / "release.yaml", made, config_map(a="b"), obj("v1", "Namespace", "shop"))
    outcome = step("render", "-f", path, "--var", "TEAM=web", "--image", "shop/web=shop/web:2")
    assert outcome.code == 0, outcome.text
    kinds = [line for line in outcome.stdout.splitlines() if line.startswith("kind:")]
    assert kinds == ["kind: Namespace", "kind: ConfigMap", "kind: Deployment"]
    assert "    team: web" in outcome.stdout and "image: shop/web:2" in outcome.stdout
    assert f"# Source: {path}:1" in outcome.stdout


def test_texts_that_look_like_something_else_keep_their_quotes(step: Step, tmp_path: Path, kubectl: Kubectl) -> None:
    data = {
        str(number): text for number, text in enumerate(["yes", "y", "0o755", "1e3", "12:30:45", "=", "a\nb\n", ""])
    }
    path = write(tmp_path / "release.json", config_map(**data))
    Path(path).write_text(json.dumps(config_map(**data)))
    outcome = step("render", "-f", path)
    assert outcome.code == 0, outcome.text
    found = read_by_kubectl(kubectl, outcome.stdout)["ConfigMap", "settings"]
    assert isinstance(found, dict) and found["data"] == data


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_secrets_are_masked_and_that_is_said(output: str, step: Step, tmp_path: Path) -> None:
    secret = obj("v1", "Secret", "keys", stringData={"password": "correct-horse"}, data={"pin": "MTIz"})
    copied = deployment()
    copied["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "P", "value": "correct-horse"}]
    outcome = step("render", "-f", write(tmp_path / "release.yaml", secret, copied), "-o", output)
    assert outcome.code == 0, outcome.text
    assert "correct-horse" not in outcome.text and "MTIz" not in outcome.text
    assert "the values of 1 Secret are masked" in outcome.stderr
    if output == "json":
        masked = json.loads(outcome.stdout)["items"][0]
        assert (masked["stringData"], masked["data"]) == ({"password": "***"}, {"pin": "***"})


def test_a_mistake_is_told_with_its_line(step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="${NOBODY_KNOWS}"))
    outcome = step("render", "-f", path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"{path}:6" in outcome.stderr and "NOBODY_KNOWS" in outcome.stderr


CONFIG = """\
metadata:
containers:
replicas: 2
  "receivers":
apps
"""


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_a_secret_that_reads_like_a_manifest_breaks_none(
    output: str, step: Step, tmp_path: Path, kubectl: Kubectl
) -> None:
    words = {"a": "succeeded", "b": "current", "c": "apps", "d": "data", "e": "spec", "f": "labels", "config": CONFIG}
    named = config_map("receivers", receivers="one of the receivers", settings=CONFIG)
    path = write(tmp_path / "release.yaml", obj("v1", "Secret", "keys", stringData=words), named, deployment())
    outcome = step("render", "-f", path, "-o", output, report=True)
    assert outcome.code == 0, outcome.text
    found = read_by_kubectl(kubectl, outcome.stdout)
    unmasked = read_by_kubectl(kubectl, Path(path).read_text())
    assert found["Deployment", "web"] == unmasked["Deployment", "web"]
    assert found["Secret", "keys"] == {**found["Secret", "keys"], "stringData": dict.fromkeys(words, "***")}
    shown = found["ConfigMap", "receivers"]
    assert shown["data"] == {"receivers": "one of the receivers", "settings": "***\n"}
    assert outcome.report["result"] == "succeeded"
    assert [entry["apiVersion"] for entry in outcome.report["objects"]] == ["v1", "v1", "apps/v1"]


def test_a_secret_value_that_equals_a_name_is_not_masked_and_that_is_said(step: Step, tmp_path: Path) -> None:
    values = {"POSTGRES_USER": "production", "POSTGRES_DB": "web", "HOST": "registry.example", "PASSWORD": "hunter2-h"}
    web = deployment("web", image="registry.example/shop/web:1")
    web["metadata"]["namespace"] = "production"
    note = config_map(said="production at registry.example with hunter2-h", namespace="production")
    path = write(tmp_path / "release.yaml", obj("v1", "Secret", "keys", stringData=values), web, note)
    outcome = step("render", "-f", path, "-o", "json", report=True)
    assert outcome.code == 0, outcome.text
    items = json.loads(outcome.stdout)["items"]
    assert [item["stringData"] for item in items if item["kind"] == "Secret"] == [dict.fromkeys(values, "***")]
    assert [item["data"]["said"] for item in items if item["kind"] == "ConfigMap"] == [
        "production at registry.example with ***"
    ]
    assert outcome.report["objects"][-1]["namespace"] == "production"
    (told,) = (line for line in outcome.stderr.splitlines() if "not masked" in line)
    assert "POSTGRES_USER of secret/keys, HOST of secret/keys" in told and "PASSWORD" not in told
