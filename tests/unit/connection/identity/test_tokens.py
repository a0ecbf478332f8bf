"""What is said of a token that can't be one. No token is quoted."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.connection.identity.tokens import looks_like, none_given


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


JWT = ".".join(_encoded(json.dumps(part)).rstrip("=") for part in ({"alg": "RS256"}, {"iss": "x"}, "sign"))


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (f'"{JWT}"', "in quotes"),
        (f"'{JWT}'", "in quotes"),
        ("***", "asterisks"),
        ("••••••••", "asterisks"),
        ("$KUBE_TOKEN", "name of a variable"),
        ("${KUBE_TOKEN}", "name of a variable"),
        ("$(KUBE_TOKEN)", "name of a variable"),
        ("%KUBE_TOKEN%", "name of a variable"),
        ("${{ secrets.KUBE_TOKEN }}", "name of a variable"),
        ("null", "a word for nothing"),
        (f"Bearer {JWT}", "the word Bearer"),
        ("-----BEGIN CERTIFICATE-----\nMII\n", "a certificate or a key"),
        ('{"token": "abc"}', "JSON"),
        ("apiVersion: v1\nkind: Config", "a kubeconfig"),
        ("/var/run/secrets/token", "a path"),
        ("./token.txt", "a path"),
        ("~/token", "a path"),
        ("C:\\secrets\\token", "a path"),
        (_encoded(JWT), "base64 of a token"),
        (_encoded(JWT + "\n"), "base64 of a token"),
        (_encoded("abcdef.0123456789abcdef"), "base64 of a token"),
    ],
)
def test_what_is_no_token(token: str, words: str) -> None:
    told = looks_like(token) or ""
    assert words in told
    assert token not in told


def test_a_file_in_the_working_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("here")
    (folder / "token.txt").write_text(JWT)
    monkeypatch.chdir(folder)
    assert "--token-file" in (looks_like("token.txt") or "")
    assert looks_like("other.txt") is None


@pytest.mark.parametrize("token", [JWT, "abcdef.0123456789abcdef", "k8s-aws-v1.aHR0cHM6Ly9zdHM", "ya29.a0AfB_byC", "x"])
def test_what_may_be_one(token: str) -> None:
    assert looks_like(token) is None


@given(st.binary(min_size=24, max_size=48))
def test_random_tokens_are_not_taken_for_base64_of_one(value: bytes) -> None:
    told = looks_like(base64.b64encode(value).decode())
    assert told is None or all(0x20 < byte < 0x7F for byte in value.strip()) or "path" in told


def test_which_variables_were_empty() -> None:
    names = ("INPUT_TOKEN", "K8S_TOKEN")
    assert none_given({"K8S_TOKEN": " ", "OTHER": ""}, names).startswith("no token was given: K8S_TOKEN is empty; ")
    assert "INPUT_TOKEN and K8S_TOKEN are empty" in none_given({"K8S_TOKEN": "", "INPUT_TOKEN": ""}, names)
    assert "fork's pull request" in none_given({"K8S_TOKEN": ""}, names)
    assert none_given({}, names).endswith("neither --token nor K8S_TOKEN, nor any other credential, is set")
