"""The search for secrets in what the step writes finds them."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import CANARY, Step
from tests.leaks import leaks, named, planted

SECRET = "p4ss/w<rd>& more"
MANIFEST = """\
kind: Secret
data: {key: c2VjcmV0IGtleQ==}
stringData: {file: "first line\\nsecond line"}
---
kind: ConfigMap
data: {key: ordinary}
"""
KUBECONFIG = {"kind": "Config", "users": [{"user": {"token": "a-token-1", "client-key-data": "YSBwcml2YXRlIGtleQ=="}}]}


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps({"log": json.dumps({"a": SECRET})}),
        json.dumps({"log": json.dumps({"a": json.dumps(SECRET)})}),
        html.escape(SECRET),
        f"'{SECRET}'",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"ci:{SECRET}".encode()).decode(),
        base64.b64encode(f"admin:{SECRET}".encode()).decode(),
        quote(SECRET, ""),
        json.dumps({"a": SECRET}),
    ],
)
def test_every_form_is_found(shown: str) -> None:
    assert leaks({"stderr": f"error: {shown}\n"}, [SECRET])


def test_each_line_of_a_secret_is_one() -> None:
    assert leaks({"stdout": "| second line"}, ["first line\nsecond line"])


def test_each_text_in_a_document_is_one() -> None:
    document = json.dumps({"auths": {"registry.example": {"password": "hunter2-hunter2", "kind": "ordinary"}}})
    assert leaks({"stdout": "password hunter2-hunter2"}, [document])
    assert leaks({"stdout": base64.b64encode(b"ci:hunter2-hunter2").decode()}, [document])
    assert leaks({"stdout": "ordinary, registry.example"}, [document]) == []


@pytest.mark.parametrize(
    "line", ["containers:", '"receivers": [', "replicas: 2", "name: a-long-name", "- kind: Deployment"]
)
def test_a_line_of_any_manifest_is_none(line: str) -> None:
    assert leaks({"stdout": f"  {line}"}, [f"{line}\npassword: hunter2"]) == []
    assert leaks({"stdout": "  password: hunter2"}, [f"{line}\npassword: hunter2"])


RELEASE = """\
kind: Secret
metadata: {name: keys, namespace: shop-production}
stringData: {user: shop-production, host: frontend, image: shop-front, password: hunter2-hunter2, other: settings}
---
kind: Deployment
metadata: {name: frontend-web}
spec: {containers: [{image: "registry.example/shop-front:1.2"}], secretName: settings}
"""


def test_a_value_that_equals_a_name_is_none(tmp_path: Path) -> None:
    arguments = ["apply", "-f", "-"]
    names = named(arguments, {}, RELEASE, tmp_path)
    assert {"shop-production", "frontend-web", "registry.example", "shop-front", "settings"} <= names
    found = planted(arguments, {"K8S_TOKEN": "frontend-web"}, RELEASE, tmp_path)
    assert found == {"frontend", "hunter2-hunter2", "frontend-web"}
    assert leaks({"stdout": "deployment/frontend-web, registry.example"}, ["frontend"], names) == []
    assert leaks({"stdout": "deployment/frontend-web at frontend"}, ["frontend"], names)
    assert leaks({"stdout": "deployment/frontend-web"}, ["frontend-web"], names), "a token is one whatever it equals"


def test_what_is_masked_is_no_leak() -> None:
    told = "::add-mask::p4ss/w<rd>& more\nerror: ***\n"
    assert leaks({"stderr": told, "stdout": "nothing of it"}, [SECRET]) == []


def test_what_a_run_is_given(tmp_path: Path) -> None:
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "shop.yaml").write_text(MANIFEST)
    (tmp_path / "config").write_text(json.dumps(KUBECONFIG))
    environ = {"KUBECONFIG": "config", "K8S_TOKEN": "another-token", "DB_PASSWORD": "hunter2-hunter2"}
    found = planted(["apply", "-f", "k8s", "--token", "third-token"], environ, "", tmp_path)
    secrets = {"secret key", "first line\nsecond line"}
    tokens = {"a-token-1", "a private key", "another-token", "hunter2-hunter2", "third-token"}
    assert found == secrets | tokens
    assert "secret key" in planted(["apply", "-f", "-"], {}, MANIFEST, tmp_path)


PROGRAMS = {
    "stdout": "print(os.environ['K8S_TOKEN'])",
    "stderr": "print(os.environ, file=sys.stderr)",
    "report": "open('report.json', 'w').write(os.environ['K8S_TOKEN'])",
    "summary": "open('summary', 'w').write(os.environ['K8S_TOKEN'])",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_step_that_leaks_is_found_out(program: str, tmp_path: Path) -> None:
    step = Step(tmp_path, None, ("-c", f"import os, sys; {program}"))
    environ = {"K8S_TOKEN": "tok-123456", "K8S_REPORT": "report.json", "GITHUB_STEP_SUMMARY": "summary"}
    assert step(env=environ).code == 0
    with pytest.raises(AssertionError, match="secrets came out of"):
        step.close()


def test_a_step_that_keeps_them_is_not(tmp_path: Path) -> None:
    step = Step(tmp_path, None, ("-c", f"import os; print(os.environ['UNRELATED_PASSWORD'] == {CANARY!r})"))
    assert step(env={"K8S_TOKEN": "tok-123456"}).stdout == "True\n"
    with pytest.raises(AssertionError, match="secrets came out of"):
        step.close("True")
