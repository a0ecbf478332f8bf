"""The next move that an error names: each row fails if its hint is left out. Run as users do, on a loopback server."""

from __future__ import annotations

import base64
import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from k8s_step.cli import run
from tests.unit.loopback import Exchange, Handler, Loopback

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {tone: soft}\n"
GET = ("get", "cm/settings")


@dataclass(frozen=True)
class Row:
    """One call and the hint it ends with. ``answer`` plays the server, ``files`` are beside the call."""

    argv: tuple[str, ...]
    hint: str
    environ: Mapping[str, str] = field(default_factory=dict)
    answer: Handler | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return {**body, "details": {"kind": "configmaps", "name": "settings", **details}}


def refusing(code: int, reason: str = "", message: str = "no", method: str = "") -> Handler:
    """Refuses requests of this method, all without one; an object stands for the answer to the others."""

    def handler(exchange: Exchange) -> None:
        if exchange.method == (method or exchange.method):
            exchange.reply(code, status(code, reason, message))
        else:
            exchange.reply(200, live())

    return handler


def live(**more: Any) -> dict[str, Any]:
    metadata = {"name": "settings", "namespace": "default", "uid": "u", "resourceVersion": "7", "managedFields": []}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, **more}, "data": {"tone": "soft"}}


def in_html(exchange: Exchange) -> None:
    exchange.reply(418, b"<html>", content_type="text/html")


def no_http(exchange: Exchange) -> None:
    exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    exchange.close()


def kubeconfig(user: str = "{token: abcdefgh}", cluster: str = "server: http://127.0.0.1:9") -> str:
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {user}}}]\n"
    )


def twice(text: str) -> str:
    return base64.b64encode(base64.b64encode(text.encode())).decode()


def exec_plugin(command: str, **more: str) -> str:
    fields = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never", **more}
    return f"{{exec: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}}}"


NOBODY = {"K8S_API": "", "K8S_TOKEN": ""}
CONFIG = {**NOBODY, "KUBECONFIG": "config"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n"
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://SERVER/token?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "abcdefghij"}
PATCH = ("patch", "-f", "web.yaml", "--type", "merge")

LOCAL = {
    "a result file in no folder": Row(
        ("render", "-f", "web.yaml", "--report", "nowhere/x.json"), "is its folder there, and writable?"
    ),
    "a CA that was cut": Row(GET, "was it given without its last lines?", {"K8S_CA": PEM}),
    "a header that is the step's own": Row((*GET, "--header", "Host: x"), "see --token for credentials"),
    "a header that is none": Row((*GET, "--header", "x"), "X-Pipeline: job-42, say"),
    "a kubeconfig encoded twice": Row(
        GET, "encode it once, or give the text itself", {**NOBODY, "K8S_KUBECONFIG": twice(kubeconfig())}
    ),
    "a kubeconfig that is asterisks": Row(
        GET, "a kubeconfig's text, base64 of it, or paths belong there", {**NOBODY, "K8S_KUBECONFIG": "***"}
    ),
    "no cluster at all": Row(GET, "set K8S_API and K8S_TOKEN, or KUBECONFIG", NOBODY),
    "an auth-provider": Row(
        GET, "use an exec plugin, or pass --token", CONFIG, files={"config": kubeconfig("{auth-provider: {name: gcp}}")}
    ),
    "a plugin that would ask": Row(
        GET,
        "Never and IfAvailable work",
        CONFIG,
        files={"config": kubeconfig(exec_plugin("x", interactiveMode="Always"), "server: https://127.0.0.1:9")},
    ),
    "a file that is not there": Row(("render", "-f", "nothing.yaml"), "the working directory is "),
    "a kustomization without a program": Row(
        ("render", "-k", "."), "where one is: kubectl kustomize . | k8s-step apply -f -", {"PATH": "/nowhere"}
    ),
    "GitHub's own expression": Row(
        ("render", "-f", "t.yaml"),
        "pass the value with --var NAME=…",
        files={"t.yaml": CONFIG_MAP.replace("soft", "${{ secrets.TONE }}")},
    ),
    "no manifest": Row(("apply",), "give -f PATH or -k DIR, or INPUT_FILENAME / K8S_FILENAME"),
    "a selector of nothing": Row(("delete", "-l", "app=web"), "pods -l app=web, say"),
    "a selector and a name": Row(("delete", "pod/web", "-l", "app=web"), "KIND/NAME, or KIND -l SELECTOR"),
    "two namespaces for a release": Row(("apply", "-f", "web.yaml", "-n", "a,b"), "get, watch and check take several"),
    "no component": Row(("check",), "--component NAME=SELECTOR, or --metrics"),
    "protobuf on stdout": Row((*GET, "-o", "protobuf"), "the other formats go to stdout"),
    "one object in all namespaces": Row((*GET, "-A"), "-n NAME"),
    "Secrets in protobuf": Row(
        ("get", "secrets", "-o", "protobuf", "--output-file", "out"), "-o yaml masks them", answer=refusing(500)
    ),
}
FROM_THE_SERVER = {
    "a token that is not known": Row(
        GET, "the token or certificate is unknown to this server, or has expired", answer=refusing(401, "Unauthorized")
    ),
    "an answer that is not Kubernetes'": Row(GET, "is a proxy in between?", answer=in_html),
    "no HTTP": Row(GET, "use https:// if that is meant", answer=no_http),
    "an object that is there already": Row(
        ("create", "-f", "web.yaml"),
        "k8s-step apply updates what is there, k8s-step replace overwrites it",
        answer=refusing(409, "AlreadyExists"),
    ),
    "a made up name that is taken": Row(
        ("create", "-f", "made.yaml"),
        "run this again: another name is made up",
        answer=refusing(409, "AlreadyExists"),
        files={"made.yaml": CONFIG_MAP.replace("name:", "generateName:")},
    ),
    "nothing to delete": Row(
        ("delete", "cm/settings"), "--ignore-not-found takes that as deleted", answer=refusing(404, "NotFound")
    ),
    "an undo that may not read": Row(
        ("undo", "deploy/web"),
        "allow get on it, and list on replicasets and controllerrevisions",
        answer=refusing(403, "Forbidden"),
    ),
    "GitHub forbids a token": Row(
        (*GET, "--oidc-audience", "a"),
        "does the job have permissions: id-token: write?",
        {**GITHUB, "K8S_TOKEN": ""},
        refusing(403),
    ),
    "GitHub refuses an audience": Row(
        (*GET, "--oidc-audience", "a"), "does GitHub take that audience?", {**GITHUB, "K8S_TOKEN": ""}, refusing(400)
    ),
    "GitHub does not answer as it should": Row(
        (*GET, "--oidc-audience", "a"),
        "the environment's HTTPS_PROXY and NO_PROXY count for this, and the system's trusted certificates",
        {**GITHUB, "K8S_TOKEN": ""},
        lambda exchange: exchange.reply(200, {}),
    ),
}


@pytest.mark.parametrize("row", [*LOCAL.values(), *FROM_THE_SERVER.values()], ids=[*LOCAL, *FROM_THE_SERVER])
def test_the_next_move_is_named(row: Row, call: Callable[..., str]) -> None:
    assert row.hint in call(row)


TOKEN = "sha256~9Xk29-abcdefghijklmnop"
KEY = '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEv9Xk29/Q==\\n-----END"}'


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("K8S_TOKEN_FILE", TOKEN),
        ("K8S_TOKEN_FILE", TOKEN * 20),
        ("INPUT_TOKEN-FILE", TOKEN),
        ("K8S_KUBECONFIG", TOKEN),
        ("KUBECONFIG", TOKEN),
        ("K8S_CA", TOKEN * 20),
        ("K8S_VARS_FILE", f"PASSWORD={TOKEN}"),
        ("K8S_FILENAME", KEY),
        ("GOOGLE_APPLICATION_CREDENTIALS", KEY),
    ],
)
def test_a_secret_in_place_of_its_files_path_is_not_repeated(
    variable: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yaml").write_text(CONFIG_MAP)
    environ = {"HOME": str(tmp_path), "K8S_TIMEOUT": "5s", variable: text}
    if variable.startswith("GOOGLE"):
        environ["K8S_GKE_CLUSTER"] = "projects/shop/locations/europe-west1/clusters/main"
    elif variable != "KUBECONFIG":
        environ["K8S_API"] = "http://127.0.0.1:9"
    argv = ("apply",) if variable == "K8S_FILENAME" else ("apply", "-f", "web.yaml")
    told = spoken(argv, environ, 2)
    assert "9Xk29" not in told and len([line for line in told.splitlines() if "error: " in line]) == 1, told
    assert variable == "K8S_FILENAME" or variable in told or "--vars-file" in told


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """What a call says, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def said(row: Row, **tls: Any) -> str:
        (tmp_path / "web.yaml").write_text(CONFIG_MAP)
        for name, text in row.files.items():
            (tmp_path / name).write_text(text)
        with Loopback(row.answer or refusing(500), **tls) as server:
            environ = {"HOME": str(tmp_path), "K8S_API": server.url, "K8S_TOKEN": "abcdefgh", "K8S_TIMEOUT": "20s"}
            environ |= {name: value.replace("http://SERVER", server.url) for name, value in row.environ.items()}
            return spoken(row.argv, environ)

    yield said


def spoken(argv: tuple[str, ...], environ: Mapping[str, str], code: int | None = None) -> str:
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        ended = int(run(list(argv), {name: value for name, value in environ.items() if value}))
        assert ended == code if code is not None else ended != 0
        sys.stdout.flush()
        sys.stderr.flush()
    return "".join(stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
