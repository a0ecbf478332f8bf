"""Files of other tools given as manifests: each is called what it is, once, with the next move."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.files import Sources
from k8s_step.manifests.manifest import Manifest, load
from k8s_step.manifests.templating.templates import Values

WEB = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"
TEMPLATE = """\
{{- if .Values.enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "web.fullname" . }}
{{- end }}
"""
QUOTED = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{image: "web:{{ .Values.tag }}"}]}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def loaded(*paths: str, recursive: bool = False) -> list[Manifest]:
    return load(Sources(paths, recursive), Values())


def failure(*paths: str, recursive: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        loaded(*paths, recursive=recursive)
    return str(caught.value)


@pytest.fixture
def chart(folder: Path) -> Path:
    """As ``helm create`` makes one, with a chart inside it, and a definition that is a manifest as it is."""
    write(
        folder, chart__Chart_yaml="apiVersion: v2\nname: web\nversion: 0.1.0\n", chart__values_yaml="replicaCount: 1\n"
    )
    write(folder, chart__templates__web_yaml=TEMPLATE, chart__templates__tests__try_yaml=TEMPLATE)
    write(folder, chart__charts__db__Chart_yaml="apiVersion: v2\nname: db\nversion: 1.0.0\n")
    write(folder, chart__charts__db__templates__db_yaml=TEMPLATE, chart__crds__crd_yaml=WEB.replace("web", "crd"))
    write(folder, chart__templates__plain_yaml=WEB)
    return folder / "chart"


CHART = (
    "chart/Chart.yaml:1: this is a Helm chart, not manifests "
    "(render it first: helm template NAME ./chart | k8s-step apply -f -)"
)


@pytest.mark.parametrize(
    "path", ["chart", "chart/templates", "chart/values.yaml", "chart/Chart.yaml", "chart/templates/web.yaml", "."]
)
@pytest.mark.usefixtures("chart")
def test_a_chart_is_named_once(path: str) -> None:
    assert failure(path, recursive=True) == CHART


@pytest.mark.usefixtures("chart")
def test_what_is_a_manifest_as_it_is_may_be_given() -> None:
    assert [one.name for one in loaded("chart/crds", "chart/templates/plain.yaml")] == ["crd", "web"]


@pytest.mark.parametrize("text", [TEMPLATE, QUOTED, WEB.replace("web", "'{{ .Release.Name }}-web'")])
def test_a_template_without_its_chart_is_named(folder: Path, text: str) -> None:
    write(folder, web_yaml=text)
    line = 1 + text[: text.index("{{")].count("\n")
    told = f"web.yaml:{line}: this is a template of a Helm chart, not a manifest"
    assert failure("web.yaml").startswith(told) and "helm template NAME CHART |" in failure("web.yaml")
    with pytest.raises(InputError, match=r"stdin:.*a template of a Helm chart"):
        load(Sources(["-"], stdin=io.StringIO(text)), Values())


@pytest.mark.parametrize("text", ["{{ $labels.instance }} is down", "{{ .Values.x }}", "{{ range .Alerts }}"])
def test_other_templates_within_a_manifest_are_its_own_affair(folder: Path, text: str) -> None:
    write(folder, web_yaml=f"{WEB}data:\n  alert: '{text}'\n")
    (found,) = loaded("web.yaml")
    assert found.object["data"]["alert"] == text


def test_an_unquoted_jinja_expression_is_told_where_it_would_be_read(folder: Path) -> None:
    write(folder, web_yaml=WEB.replace("web", "{{ NAME }}"))
    assert "web.yaml:4: " in failure("web.yaml")
    assert "{{ … }} is filled in by Jinja2 in a file whose name ends in .j2" in failure("web.yaml")


KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n"
FOREIGN = {
    "k8s/kustomization.yaml": ("resources: [web.yaml]\n", "a Kustomization is no", "kubectl kustomize k8s | k8s-step"),
    "k.yaml": ("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "Kustomization", "kustomize . |"),
    "Chart.yml": ("apiVersion: v1\nname: web\nversion: 1\n", "a Helm chart, not", "helm template NAME CHART |"),
    "docker-compose.yml": ("services:\n  web:\n    image: web\n", "a compose file", "convert -f docker-compose.yml"),
    "compose.yaml": ("name: x\nservices:\n  web: {build: .}\n  db: {}\n", "a compose file", "kompose convert"),
    "config": (KUBECONFIG, "a kubeconfig", "say --kubeconfig config"),
    "ci.yaml": ("on: push\njobs: {}\n", "a GitHub workflow", "name the manifests' files"),
    "values-prod.yaml": ("replicas: 3\n", "this file of values is no manifest", "--vars-file values-prod.yaml"),
    "package.json": ('{"private": true}', "apiVersion, kind and metadata are missing", "Then leave it out"),
    "skaffold.yaml": (
        "apiVersion: skaffold/v4beta11\nkind: Config\n",
        "another tool's configuration",
        "leave the file",
    ),
    "kind.yaml": ("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n", "another tool's configuration", "leave the"),
}


@pytest.mark.parametrize("file", FOREIGN)
def test_a_file_of_another_tool_is_called_what_it_is(folder: Path, file: str) -> None:
    text, what, move = FOREIGN[file]
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    message = failure(file)
    assert message.startswith(f"{file}:1: ") and what in message and move in message
    assert "\n" not in message, "one line a file"


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n",
        "apiVersion: example.com/v1\nkind: Config\nmetadata: {name: a}\nclusters: []\n",
        "apiVersion: example.com/v1\nkind: Stack\nmetadata: {name: a}\nservices: {web: {image: x}}\n",
        "apiVersion: example.com/v1\nkind: Flow\nmetadata: {name: a}\non: push\njobs: {}\nname: x\nversion: 1\n",
    ],
)
def test_custom_resources_that_look_alike_are_manifests(folder: Path, text: str) -> None:
    (folder / "values.yaml").write_text(text)
    assert len(loaded("values.yaml")) == 1
