"""Tokens and Secrets appear nowhere: not on the streams, not in the result files, whatever goes wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, on, status
from tests.integration.objects import Object, config_map, deployment, obj, through, write

PASSWORD, KEY = "correct-horse-battery-staple", "s3cr3t/key+with=signs"
DOCKER = {"auths": {"registry.example": {"username": "ci", "password": "hunter2-hunter2", "auth": "Y2k6aHVudGVyMg=="}}}
TOKEN_RULES = [
    {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "patch", "create"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch", "create"]},
    {"apiGroups": [""], "resources": ["pods", "events", "pods/log"], "verbs": ["get", "list", "watch"]},
]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str = "keys", **fields: Any) -> Object:
    data = {"stringData": {"password": PASSWORD}, "data": {"key": encoded(KEY), "docker": encoded(json.dumps(DOCKER))}}
    return obj("v1", "Secret", name, **{**data, **fields})


HIDDEN = (PASSWORD, encoded(PASSWORD), KEY, encoded(KEY), "hunter2-hunter2", encoded(json.dumps(DOCKER)))


def leaks(folder: Path, text: str, *more: str) -> list[str]:
    """Which of the secrets are in the text or in a result file."""
    files = [path.read_text() for path in (folder / "report.json", folder / "junit.xml") if path.exists()]
    assert files, "there are result files to look into"
    return [hidden for hidden in (*HIDDEN, *more) if any(hidden in one for one in (text, *files))]


CASES: dict[str, tuple[list[Object], int]] = {
    "goes well": ([secret(), config_map(a="b")], 0),
    "a bad key": ([secret(data={"bad key!": encoded(KEY)})], 4),
    "no base64": ([secret(data={"key": f"{PASSWORD}!"})], 4),
    "an unknown field": ([secret(stringdata={"password": PASSWORD})], 4),
    "a value of a wrong type": ([secret(stringData={"password": {"nested": PASSWORD}})], 4),
    "a wrong type": ([secret(type="kubernetes.io/tls")], 4),
    "twice the same": ([secret(), secret()], 2),
}


@pytest.mark.parametrize("log_format", ["plain", "json"])
@pytest.mark.parametrize(("objects", "code"), CASES.values(), ids=CASES)
def test_no_secret_is_told(
    objects: list[Object], code: int, log_format: str, step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    write(tmp_path / "release.yaml", *objects)
    token = cluster.token(namespace, rules=TOKEN_RULES)
    environment = {
        "KUBECONFIG": None,
        "K8S_API": cluster.server,
        "K8S_CA": str(cluster.ca),
        "K8S_TOKEN": token,
        "K8S_REPORT": "report.json",
        "K8S_JUNIT": "junit.xml",
        "K8S_LOG_FORMAT": log_format,
    }
    outcome = step("apply", "-f", "release.yaml", "-n", namespace, env=environment, cwd=tmp_path)
    assert outcome.code in (code, 2) if code else outcome.code == 0, outcome.text
    assert leaks(tmp_path, outcome.text, token, token.split(".")[2]) == []


@pytest.mark.usefixtures("played")
def test_a_program_that_prints_its_password(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The secret comes back in a log line, which the evidence shows."""
    said = f"cannot log in as app with {PASSWORD}\nAuthorization: Basic {encoded(PASSWORD)}\nbye"
    write(tmp_path / "release.yaml", secret(), deployment(image="shop/crash:1", log=said))
    files = ("--report", "report.json", "--junit", "junit.xml")
    outcome = step("apply", "-f", "release.yaml", "-n", namespace, *files, cwd=tmp_path)
    assert outcome.code == 1, outcome.text
    assert "cannot log in as app with" in outcome.stderr and "bye" in outcome.stderr
    assert leaks(tmp_path, outcome.text) == []


def test_a_server_that_repeats_what_it_was_sent(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    write(tmp_path / "release.yaml", secret())
    words = f'admission webhook denied it: password "{PASSWORD}" is weak, key {encoded(KEY)} is known, '
    words += "token tok-123456, header c29tZS1rZXk="
    proxy.rule(on("GET"), status(404, "NotFound", "not found"), times=None)
    proxy.rule(on("PATCH"), status(422, "Invalid", words), times=None)
    environment = through(proxy, K8S_TOKEN="tok-123456", K8S_HEADERS="X-Api-Key: Basic c29tZS1rZXk=")
    files = ("--report", "report.json", "--junit", "junit.xml")
    outcome = step("apply", "-f", "release.yaml", "-n", namespace, *files, env=environment, cwd=tmp_path)
    assert outcome.code == 4, outcome.text
    assert "is weak" in outcome.stderr
    assert leaks(tmp_path, outcome.text, "tok-123456", "c29tZS1rZXk=") == []


def test_a_value_out_of_the_environment_in_a_secret(step: Step, namespace: str, tmp_path: Path) -> None:
    write(tmp_path / "release.yaml", obj("v1", "Secret", "keys", stringData={"password": "${DB_PASSWORD}"}))
    write(tmp_path / "wrong.yaml", config_map("Wrong_${DB_PASSWORD}", a="b"))
    environment = {"DB_PASSWORD": PASSWORD, "K8S_REPORT": "report.json"}
    files = ("-f", "release.yaml", "-f", "wrong.yaml")
    outcome = step("apply", *files, "-n", namespace, env=environment, cwd=tmp_path)
    assert outcome.code in (2, 4), outcome.text
    assert leaks(tmp_path, outcome.text) == []


WORDS = (
    "succeeded",
    "current",
    "apps",
    "Deployment",
    "configured",
    "created",
    "unchanged",
    "release.yaml",
    "ConfigMap",
)


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("log_format", ["plain", "json", "github", "gitlab"])
def test_what_programs_read_is_never_masked(log_format: str, step: Step, namespace: str, tmp_path: Path) -> None:
    """Values of a Secret that equal results, kinds, groups, files, the namespace, and a part of a name."""
    values = {f"word-{number}": word for number, word in enumerate(WORDS)}
    made = [secret("keys", stringData={**values, "user": namespace, "part": "shop", "password": PASSWORD}, data={})]
    made += [config_map("shop-settings", said=f"user {namespace}, password {PASSWORD}"), deployment("shop-web")]
    write(tmp_path / "release.yaml", *made)
    environment = {
        "K8S_REPORT": "report.json",
        "K8S_JUNIT": "junit.xml",
        "K8S_DOTENV": "step.env",
        "GITHUB_ACTIONS": "true" if log_format in ("github", "json") else None,
        "INPUT_COMMAND": "apply" if log_format == "github" else None,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    given = ("-f", "release.yaml", "-n", namespace, "--log-format", log_format)
    outcome = step("apply", *given, env=environment, cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["result"] == "succeeded"
    shown = [(one["apiVersion"], one["kind"], one["namespace"], one["name"]) for one in report["objects"]]
    assert shown == [(one["apiVersion"], one["kind"], namespace, one["metadata"]["name"]) for one in made]
    assert {(one["action"], one["status"], one["file"]) for one in report["objects"]} == {
        ("created", "current", "release.yaml")
    }
    assert f"deployment/{namespace}/shop-web" in (tmp_path / "step.env").read_text()
    assert "K8S_STEP_RESULT=succeeded" in (tmp_path / "step.env").read_text()
    if environment["GITHUB_ACTIONS"]:
        assert f"deployment/{namespace}/shop-web" in (tmp_path / "output").read_text()
    masks = [line for line in outcome.text.splitlines() if line.startswith("::add-mask::")]
    assert not [line for line in masks if line.removeprefix("::add-mask::") in (*WORDS, namespace)]
    assert "***" not in "".join(line for line in outcome.text.splitlines(keepends=True) if line not in masks)
    assert outcome.stderr.count("not masked, because") == 1
    assert "user of secret/keys" in outcome.stderr
    assert leaks(tmp_path, outcome.text.replace(f"::add-mask::{PASSWORD}", "")) == []


@pytest.mark.usefixtures("played")
def test_a_log_line_that_is_escaped_twice_or_cut(step: Step, namespace: str, tmp_path: Path) -> None:
    odd = 'p4ss "w\\rd"\twith\nlines & ünïcode'
    entry = json.dumps({"level": "error", "body": json.dumps({"password": odd})})
    said = f"{entry}\nAuthorization: Basic {encoded('ci:abcd')}\nkey {KEY[:15]}... is unknown\nbye"
    keys = secret(stringData={"odd": odd, "short": "abcd", "key": KEY}, data={})
    write(tmp_path / "release.yaml", keys, deployment(image="shop/crash:1", log=said))
    files = ("--report", "report.json", "--junit", "junit.xml")
    outcome = step("apply", "-f", "release.yaml", "-n", namespace, *files, cwd=tmp_path)
    assert outcome.code == 1 and "bye" in outcome.stderr, outcome.text
    hidden = ("p4ss", "ünïcode", "u00fcn", "with\\", encoded("ci:abcd")[4:], KEY[:9])
    assert leaks(tmp_path, outcome.text, *hidden) == []
    assert "level" in outcome.stderr and "is unknown" in outcome.stderr
