"""Whether a text that stands where a secret's file is named may be repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8s_step.errors import InputError
from k8s_step.redaction import Redactor
from k8s_step.redaction.secretfile import SecretFile, is_content, is_path, is_there

JWT = f"eyJhbGciOiJSUzI1NiJ9.{'eyJpc3MiOiJr' * 4}.{'c2lnbmF0dXJl' * 4}"
KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEv/Q==\n-----END"})
SECRETS = {
    "a short token": "sha256~9Xk29-abcdefghijklmnop",
    "a JWT": JWT,
    "a JWT longer than a file's name": f"{JWT}{'c2lnbmF0dXJl' * 30}",
    "a service account's key": KEY,
    "a key on lines": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIJ/Y\n-----END EC PRIVATE KEY-----",
    "a key without its line breaks": "-----BEGIN EC PRIVATE KEY----- MHcCAQEEIJ/Y -----END EC PRIVATE KEY-----",
    "base64 with a slash": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "a header": "Bearer abc/def",
    "a password": "hunter2",
    "a NUL": "a\0b",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_no_path_and_is_learnt(text: str) -> None:
    file, redactor = SecretFile(text, "K8S_TOKEN_FILE", Path("/some/folder")), Redactor()
    assert not is_path(text) and not file.is_path and file.name == "K8S_TOKEN_FILE"
    with pytest.raises(InputError, match=r"^K8S_TOKEN_FILE names no file") as caught:
        file.check(redactor)
    assert text not in str(caught.value) + repr(file) and "\n" not in str(caught.value)
    assert len(text) < 16 or text not in redactor.mask(f"it is {text}")


@pytest.mark.parametrize(
    "text", ["/run/secrets/token", "./token", "secrets/token", "~/token", "gha-creds-8f2a.json", ".env", "prod.yaml"]
)
def test_a_path_may_be_missing(text: str) -> None:
    assert is_path(text)
    SecretFile(text, "K8S_TOKEN_FILE").check()


def test_what_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("x")
    assert is_path("token") and is_path("token", tmp_path) and not is_path("token", tmp_path / "other")


@pytest.mark.parametrize("text", ["kind: Secret\nstringData: {a: b}", '{"kind": "Secret"}', "x" * 256, "a\0b"])
def test_content_is_told_from_names_of_any_kind(text: str) -> None:
    assert is_content(text) and not is_there(Path(text))


@pytest.mark.parametrize("text", ["k8s", "my folder", "*.yaml", "[ab].yaml", "-"])
def test_a_name_of_any_kind_is_no_content(text: str) -> None:
    assert not is_content(text)
