"""The same files given to the real kubectl and to us must give the same request bodies.

kubectl talks to a loopback server that answers just enough discovery for ConfigMaps and keeps what it is sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.documents import EventParser, PureParser, SourceText, parse
from k8s_step.manifests.files import Sources
from k8s_step.manifests.manifest import load
from k8s_step.manifests.templating.templates import Values
from tests.unit.manifests.test_documents import MEANINGS
from tests.unit.manifests.test_scalars import KEYS, VALUES

KUBECTL = Path(sys.executable).with_name("kubectl")
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}}
RESOURCES = [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["create", "get", "patch"]}]
ANSWERS = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": RESOURCES},
    "/api/v1/namespaces/default/configmaps/x": CONFIG_MAP,
}


class Recorder(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.partition("?")[0])
        self.answer(200 if answer else 404, answer or {"kind": "Status", "apiVersion": "v1", "code": 404})

    def do_PATCH(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, CONFIG_MAP)

    def do_POST(self):
        self.do_PATCH()

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


class Kubectl:
    """Runs kubectl against the recorder; bodies are as sent, so numbers are compared digit by digit."""

    def __init__(self, server: ThreadingHTTPServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def run(self, *args: str) -> tuple[int, list[str], str]:
        self._server.bodies = []
        url = f"http://127.0.0.1:{self._server.server_port}"
        environment = {"HOME": str(self._folder), "KUBECONFIG": "/dev/null"}
        command = [str(KUBECTL), "--server", url, "--cache-dir", str(self._folder / "cache"), *args]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        return done.returncode, [body.decode() for body in self._server.bodies], done.stderr

    def patch(self, text: str) -> tuple[int, list[str], str]:
        file = self._folder / "patch.yaml"
        file.write_bytes(text.encode())
        return self.run("patch", "configmap", "x", "--type", "merge", "--patch-file", str(file))


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Kubectl(server, tmp_path_factory.mktemp("kubectl"))
    server.shutdown()
    thread.join()


def ours(text: str, parser: Any = EventParser) -> Any:
    (document,) = parse(SourceText("patch.yaml", text), parser)
    return document.build()


def same(body: str, value: Any) -> bool:
    return json.loads(body) == value and as_text(json.loads(body)) == as_text(value)


def as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("parser", [EventParser, PureParser])
def test_scalars(kubectl, parser):
    """Every row of the unit test's table in one request."""
    plain = [text for text in VALUES if "\n" not in text]
    text = "rows:\n" + "".join(f"- {scalar}\n" for scalar in plain if scalar != "-")
    code, bodies, stderr = kubectl.patch(text)
    assert (code, stderr) == (0, "")
    sent, read = json.loads(bodies[0])["rows"], ours(text, parser)["rows"]
    differences = [(a, b) for a, b in zip(sent, read, strict=True) if as_text(a) != as_text(b)]
    assert differences == []


@pytest.mark.parametrize("text", KEYS)
def test_keys(kubectl, text):
    code, bodies, _ = kubectl.patch(f"{text}: v\n")
    assert code == 0
    assert same(bodies[0], ours(f"{text}: v\n"))
    assert list(json.loads(bodies[0])) == [KEYS[text]]


SINGLE = [
    f"# kubectl sends what begins with a brace as it is\n{text}" if text.startswith("{") else text
    for text, documents in MEANINGS.items()
    if len(documents) == 1 and "---" not in text and isinstance(documents[0], dict) and "\\/" not in text
]


@pytest.mark.parametrize("text", SINGLE)
def test_documents(kubectl, text):
    code, bodies, stderr = kubectl.patch(text)
    assert (code, stderr) == (0, "")
    assert same(bodies[0], ours(text)), bodies[0]


@pytest.mark.parametrize(
    "text",
    [
        'a: "\\q"\n',
        "a: .inf\n",
        "a: -.inf\n",
        "a: .nan\n",
        "? {a: 1}\n: b\n",
        "? [a]\n: b\n",
        "~: a\n",
        "18446744073709551615: a\n",
        "a: *b\n",
        "a: &a [*a]\n",
        "<<: 1\n",
        "a: !!int x\n",
        "a: !!binary x\n",
        "a:\n\tb: 1\n",
        "a: b: c\n",
        "a: [1\n",
        "a: @x\n",
    ],
)
def test_what_kubectl_refuses_is_refused(kubectl, text):
    code, bodies, stderr = kubectl.patch(text)
    assert (code, bodies) == (1, []), stderr
    with pytest.raises(InputError, match=r"^patch\.yaml:\d+: "):
        ours(text)


def test_an_unquoted_expression_in_a_flow_mapping_is_ours_alone(kubectl):
    assert kubectl.patch("a: {b: ${C}}\n")[0] == 1
    assert ours("a: {b: ${C}}\n") == {"a": {"b": "${C}"}}


def test_equal_keys_are_refused_though_kubectl_takes_the_last(kubectl):
    code, bodies, _ = kubectl.patch("a: 1\na: 2\n")
    assert (code, json.loads(bodies[0])) == (0, {"a": 2})
    with pytest.raises(InputError, match=r'patch\.yaml:2: the key "a" is already there'):
        ours("a: 1\na: 2\n")


def created(kubectl, file):
    """The objects kubectl posts, without the namespace it adds."""
    code, bodies, stderr = kubectl.run("create", "--validate=false", "-f", str(file))
    assert (code, stderr) == (0, "")
    sent = [json.loads(body) for body in bodies]
    assert {one["metadata"].pop("namespace") for one in sent} == {"default"}
    return sent


STREAM = """\
# the first document is empty
--- # a comment after the separator
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {yes: "1", k: block}
---
---
apiVersion: v1
kind: List
items:
- &one
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: b, annotations: &notes {a: "1"}}
- <<: *one
  metadata: {name: c, annotations: *notes}
---
null
---
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}
"""


SEPARATORS = ["---\n\ufeff", "--- # next\n\ufeff", "---\n\ufeff# next\n", "---\n\ufeff---\n", "---\r\n\ufeff"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_byte_order_marks_of_files_put_together(kubectl, tmp_path, separator):
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"
    file = tmp_path / "all.yaml"
    file.write_bytes(f"\ufeff{separator.join(one.format(name) for name in 'abc')}".encode())
    sent = created(kubectl, file)
    assert [one["metadata"]["name"] for one in sent] == ["a", "b", "c"]
    assert as_text(sent) == as_text([one.object for one in load(Sources([str(file)]), Values())])


def test_a_stream_of_manifests(kubectl, tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(STREAM)
    assert as_text(created(kubectl, file)) == as_text([one.object for one in load(Sources([str(file)]), Values())])


JSON_STREAM = """\
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"y": "\\ud83d\\ude00\\/",
"n": [1, 1.0, 1e3, -0.5, 12345678901234567890123, 9223372036854775807, true, null]}}
{
\t"apiVersion": "v1", "kind": "List",
\t"items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}]
}
"""


def test_a_stream_of_json(kubectl, tmp_path):
    file = tmp_path / "all.json"
    file.write_text(JSON_STREAM)
    assert as_text(created(kubectl, file)) == as_text([one.object for one in load(Sources([str(file)]), Values())])
